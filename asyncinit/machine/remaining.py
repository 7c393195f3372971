"""End every process that is left when a machine goes down, whoever it belongs to; knows no services.

First asked (SIGTERM, SIGHUP for the shells that ignore it, SIGCONT for who stands still), then killed, with names for
the console. Spared are the kernel's threads, and what root has started with an argv[0] that begins with "@": the
daemons without which storage cannot be unmounted do so (systemd's rule). Nobody is signalled before it is known
whether he is one of them: a process that the kernel does not answer for just now (state D) is looked at again, since a
signal that waits for it would end it all the same. This is the one place that reaps from here on.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, Protocol

from asyncinit.linux import proc
from asyncinit.machine.child import within
from asyncinit.minimal import WALL

_ASKS = (signal.SIGTERM, signal.SIGHUP, signal.SIGCONT)
_GRACE = 5.0
"""Seconds for who was asked: services had theirs, and what is left now has nobody to stop it."""
_LAST_WAIT = 3.0  # for what was killed to go; longer only if it hangs in the kernel, where waiting does not help
_ANSWER = 0.5  # for a process in state D to have its arguments read after all
_ANSWERS = 2.0  # for all of them together
_LOOK = 0.1  # between two looks where the ends of others' children are no signal for us
_PASSES = 50  # against a fork loop: each pass stops what is new, so few are ever needed
_MANY = 20  # names that are told
_CHILDREN = frozenset({signal.SIGCHLD, signal.SIGINT})


class Process(NamedTuple):
    """One that is left; `doubtful`: it may have to be spared, which cannot be told just now."""

    pid: int
    name: str
    doubtful: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.pid})"


class System(Protocol):
    """What there is of processes."""

    def processes(self) -> list[Process]:
        """Return all that have to end and have not; reap."""

    def settle(self) -> None:
        """Decide about all that are doubtful now, by whatever can be learnt of them in a moment."""

    def signal(self, pid: int, number: int) -> None:
        """Send a signal; nothing happens where the process is gone."""

    def wait(self, seconds: float) -> bool:
        """Wait until a process may have ended; return whether somebody is in a hurry (ctrl-alt-del)."""

    def why(self, pid: int) -> str:
        """Return what is known of why it does not die."""

    def now(self) -> float:
        """Return the time (monotonic)."""


def end_all(system: System, say: Callable[[str], None]) -> list[str]:
    """End all that is left; return who does not die, in words. `say` tells who is ended."""
    left = _settled(system) if _ask(system, say) else []
    if left:
        say(f"killing what does not end: {_names(left)}")
        left = _kill(system)
    return [f"{process} does not die{system.why(process.pid)}" for process in left]


def _ask(system: System, say: Callable[[str], None]) -> bool:
    """Ask all to end and wait for that, for a while and not where somebody is in a hurry; return whether one is left.

    Who is doubtful is asked as soon as he is not; who is new has a parent that was.
    """
    end = system.now() + _GRACE
    left = system.processes()
    waiting = {process.pid for process in left}
    while left:
        told = [process for process in left if process.pid in waiting and not process.doubtful]
        if told:
            say(f"ending what is left: {_names(told)}")
            waiting.difference_update(process.pid for process in told)
            for number in _ASKS:
                _send(system, told, number)
            left = system.processes()
            continue
        more = end - system.now()
        if more <= 0 or system.wait(min(more, _LOOK)):
            return True
        left = system.processes()
    return False


def _settled(system: System) -> list[Process]:
    """Return who has to end, each for certain."""
    system.settle()
    return _certain(system)


def _certain(system: System) -> list[Process]:
    return [process for process in system.processes() if not process.doubtful]


def _kill(system: System) -> list[Process]:
    """Kill all, also what makes others as quickly; return who does not die."""
    end = system.now() + _LAST_WAIT
    while True:
        seen: set[int] = set()
        system.settle()
        for _ in range(_PASSES):
            new = [process for process in _certain(system) if process.pid not in seen]
            if not new:
                break
            _send(system, new, signal.SIGSTOP)
            seen.update(process.pid for process in new)
        left = _certain(system)
        _send(system, left, signal.SIGKILL)
        if not left or system.now() >= end:
            return left
        system.wait(min(_LOOK, max(0.0, end - system.now())))


def _send(system: System, processes: Iterable[Process], number: int) -> None:
    for process in processes:
        system.signal(process.pid, number)


def _names(processes: Collection[Process]) -> str:
    shown = ", ".join(map(str, list(processes)[:_MANY]))
    return shown if len(processes) <= _MANY else f"{shown} and {len(processes) - _MANY} others"


class Machine:
    """The processes of this machine, as its PID 1 sees them; `spare` are children of its own that have to stay.

    `meanwhile` is called every now and then while something is waited for.
    """

    def __init__(self, spare: Collection[int], meanwhile: Callable[[], None]) -> None:
        self._spared = {os.getpid(), *spare}
        self._storage: dict[tuple[int, int], bool] = {}  # who is a storage daemon, by pid and start time, as last seen
        self._meanwhile = meanwhile

    def processes(self) -> list[Process]:
        """Return all that are alive and nobody spares."""
        self._reap()
        found = []
        for pid in sorted(proc.pids()):
            stat = None if pid in self._spared else proc.stat(pid)
            if stat is None or not stat.alive or proc.is_kernel_thread(pid):
                continue
            storage = self._is_storage(stat)
            if not storage:
                found.append(Process(pid, stat.name, doubtful=storage is None))
        return found

    def _is_storage(self, stat: proc.Stat) -> bool | None:
        who = stat.pid, stat.start_time
        told = is_storage_daemon(stat)
        if told is None:
            return self._storage.get(who)
        self._storage[who] = told
        return told

    def settle(self) -> None:
        """Have children read their arguments, who may hang in the place of us; who does not answer has to end."""
        end = self.now() + _ANSWERS
        for process in self.processes():
            stat = proc.stat(process.pid) if process.doubtful else None
            if stat is None:
                continue
            told = within(
                min(_ANSWER, max(0.0, end - self.now())), proc.command_line, stat.pid, meanwhile=self._meanwhile
            )
            if told.left is not None:
                self._spared.add(told.left)
            self._storage[stat.pid, stat.start_time] = _asks_for_it(told.text)

    def signal(self, pid: int, number: int) -> None:
        """Send a signal. The number may be another one's since it was listed: all that is left shall end."""
        try:
            os.kill(pid, number)
        except OSError:
            pass  # it is gone

    def wait(self, seconds: float) -> bool:
        """Wait for the end of a child, or for ctrl-alt-del."""
        self._meanwhile()
        info = signal.sigtimedwait(_CHILDREN, seconds)
        return info is not None and info.si_signo == signal.SIGINT

    def why(self, pid: int) -> str:
        """Return its state and where in the kernel it waits."""
        stat = proc.stat(pid)
        if stat is None:
            return ""
        return f" ({', '.join(filter(None, (stat.state, proc.waiting_channel(pid))))})"

    def now(self) -> float:
        """Return the time."""
        return time.monotonic()

    def _reap(self) -> None:
        try:
            while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | WALL) is not None:
                pass
        except ChildProcessError:
            pass


def is_storage_daemon(stat: proc.Stat) -> bool | None:
    """Tell whether root has started it with a name that asks to be spared; None: that cannot be told just now."""
    if proc.status_field(stat.pid, "Uid").split("\t")[:1] != ["0"]:
        return False
    # A process in state D may hold what reading its arguments takes.
    return None if stat.state == "D" else _asks_for_it(proc.command_line(stat.pid))


def _asks_for_it(command_line: str) -> bool:
    return command_line.startswith("@")
