"""Collect every ended child and tell who asked for it; the only waiter, knows nothing of services.

`wait4(-1)` takes any child's status, so no library in this process may wait for children of its own: it would wait
for ever or be told a status that is not true. A child is registered in the same loop turn in which it is made, so its
end can't be seen before its owner is known: what nobody has registered is an orphan that the kernel gave to us.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Protocol

from msgspec import Struct

from asyncinit.core.status import ExitStatus
from asyncinit.linux.process import Usage, stop_signal, wait_any
from asyncinit.runtime.process.plan import Pid1
from asyncinit.runtime.reexec.keep import Keep

# So many are reaped in one turn of the loop: a storm of orphans must not keep signals and services waiting.
_BATCH = 500

ExitCallback = Callable[[ExitStatus], None]
Listener = Callable[[int, ExitStatus], None]


class ReaperState(Struct):
    """The ledger as it is carried over a re-exec; `pids` are the children that were made and not reaped."""

    pids: list[int] = []
    orphans: int = 0
    spawned: int = 0
    reaped: int = 0


class Teller(Protocol):
    """Who tells how those end whom others reap: the PID 1 of a PID namespace below us."""

    pid: int
    """That PID 1."""

    def hear(self) -> None:
        """Tell (`Reaper.told`) what is there to be told."""

    def signal_group(self, pid: int, number: int) -> None:
        """Send a signal to `pid` and the process group that it leads, if its end was not told."""


class Reaper:
    """The one reaper of the process.

    `orphans` counts what was reaped without having been registered, `spawned` what was registered, and `reaped` the
    registered ones whose end was told: the ledger by which tests see that nothing is lost. `usage` is what the child
    used whose end is being told just now, None at any other time. `inits` are children of ours that are PID 1 of a
    PID namespace below us, where they adopt and reap, by pid: who they are, and whether it is shared by several
    services. Their own children, where somebody here waits for these, are told by a `Teller`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callbacks: dict[int, ExitCallback] = {}
        self._expected: dict[int, ExitCallback] = {}
        self._listeners: list[Listener] = []
        self._followers: list[Listener] = []
        self._stops: dict[int, Callable[[int], None]] = {}
        self._tellers: dict[int, Teller] = {}
        self.inits: dict[int, tuple[Pid1, bool]] = {}
        self._again = False
        self.usage: Usage | None = None
        self.orphans = 0
        self.spawned = 0
        self.reaped = 0

    def watch(self, pid: int, callback: ExitCallback, teller: Teller | None = None) -> None:
        """Have `callback` called with the status of the child `pid`, once; `teller`: it is the child of another."""
        self._hear(pid)
        self._callbacks[pid] = callback
        self.spawned += 1
        if teller is not None:
            self._tellers[pid] = teller

    def told_by(self, pid: int, teller: Teller) -> None:
        """Say who tells the end of `pid`, which was made, and counted, before a re-exec."""
        if pid in self._callbacks:
            self._tellers[pid] = teller

    def is_ours(self, pid: int) -> bool:
        """Tell whether `pid`, which is known, is reaped by us: until then its number is no other process's."""
        return pid not in self._tellers

    def init_of(self, pid: int) -> int | None:
        """Return the child of ours that tells the end of `pid`, None where that is reaped by us."""
        return self._tellers[pid].pid if pid in self._tellers else None

    def told(self, pid: int, status: ExitStatus) -> None:
        """Take the status of a process that another has reaped, or is about to."""
        if self._tellers.pop(pid, None) is not None:
            self._tell_of_another(pid, status)

    def orphan_told(self, status: ExitStatus) -> None:
        """Take it that another has reaped one that is nobody's; the listeners are told with the pid 0."""
        self._tell_of_another(0, status)

    def _tell_of_another(self, pid: int, status: ExitStatus) -> None:
        usage, self.usage = self.usage, None
        self._tell(pid, status)
        self.usage = usage

    def _hear(self, pid: int) -> None:
        """Have the end told of the one that had this number before, if there was such a one."""
        teller = self._tellers.get(pid)
        if teller is not None:
            teller.hear()
        if self._tellers.pop(pid, None) is not None:
            self._tell(pid, ExitStatus())  # its PID 1 has reaped it without a word

    def adopt(self, pid: int, callback: ExitCallback) -> None:
        """Have `callback` called with the status of a child that was made, and counted, before a re-exec.

        Where it was reaped before that, nobody is called.
        """
        if pid in self._callbacks:
            self._callbacks[pid] = callback

    def freeze(self, _keep: Keep) -> ReaperState:
        """Return what is carried over a re-exec: zombies wait for the next reaper, who must know whose they are."""
        return ReaperState(sorted(self._callbacks), self.orphans, self.spawned, self.reaped)

    def thaw(self, state: ReaperState) -> None:
        """Go on with the children of the program before; nobody is told of one that nobody adopts."""
        self._callbacks = dict.fromkeys(state.pids, _nobody)
        self.orphans, self.spawned, self.reaped = state.orphans, state.spawned, state.reaped

    def expect(self, pid: int, callback: ExitCallback) -> None:
        """Have `callback` called too if `pid` is reaped by us: it is a child of ours, or may become one.

        Who made it is told as before; what others made and comes to us is an orphan.
        """
        self._expected[pid] = callback

    def forget(self, pid: int) -> None:
        """Let the child's end be collected without telling anybody but the listeners."""
        if pid in self._callbacks:
            self._callbacks[pid] = _nobody

    def unexpect(self, pid: int) -> None:
        """Undo `expect`; harmless when it is over."""
        self._expected.pop(pid, None)

    def add_listener(self, listener: Listener) -> None:
        """Have `listener` called for every child that is reaped, before its own callback; orphans too."""
        self._listeners.append(listener)

    def add_follower(self, follower: Listener) -> None:
        """Have `follower` called for every child that is reaped, after its own callback: it tells what follows."""
        self._followers.append(follower)

    def watch_stops(self, pid: int, callback: Callable[[int], None]) -> None:
        """Have `callback` called with the signal whenever the child `pid` has been stopped, until it ends."""
        self._stops[pid] = callback

    def known(self, pid: int) -> bool:
        """Tell whether `pid` is a child that we made and that has not been reaped."""
        return pid in self._callbacks

    def kill_group(self, pid: int) -> None:
        """Kill a child that we made, with the process group that it leads, if it was not reaped."""
        # Not reaped, or it would not be known: neither its pid nor its group can be another's.
        if pid in self._tellers:
            self._tellers[pid].signal_group(pid, signal.SIGKILL)
        elif self.known(pid):
            for send in (os.killpg, os.kill):  # the second for one that has not made its group yet
                try:
                    send(pid, signal.SIGKILL)
                except OSError:
                    pass  # it has none, or is a zombie

    def pids(self) -> frozenset[int]:
        """Return the children that we made and that have not been reaped."""
        return frozenset(self._callbacks)

    def reap(self) -> None:
        """Reap until nothing is left, in batches; SIGCHLDs are not counted, one means "look"."""
        for pid, callback in tuple(self._stops.items()):
            number = stop_signal(pid)
            if number is not None:
                callback(number)
        for _ in range(_BATCH):
            try:
                ended = wait_any()
            except ChildProcessError:
                return
            if ended is None:
                return
            self._hear(ended.pid)
            self.usage = ended.usage
            self._tell(ended.pid, ExitStatus(ended.code, ended.signal, ended.core_dumped))
            self.usage = None
        if not self._again:
            self._again = True
            self._loop.call_soon(self._reap_more)

    def _reap_more(self) -> None:
        self._again = False
        self.reap()

    def _tell(self, pid: int, status: ExitStatus) -> None:
        callback, expected = self._callbacks.pop(pid, None), self._expected.pop(pid, None)
        self._stops.pop(pid, None)
        if callback is None:
            self.orphans += 1
        else:
            self.reaped += 1
        for listener in self._listeners:
            self._call(pid, partial(listener, pid), status)
        for told in (callback, expected):
            if told is not None:
                self._call(pid, told, status)
        for follower in self._followers:
            self._call(pid, partial(follower, pid), status)

    def _call(self, pid: int, callback: ExitCallback, status: ExitStatus) -> None:
        try:
            callback(status)
        except BaseException as error:  # neither the others nor the next status may get lost with it
            self._loop.call_exception_handler({"message": f"pid {pid} was reaped, but", "exception": error})


def _nobody(_status: ExitStatus) -> None:
    """Take the status of a child of which nobody wants to know any more."""
