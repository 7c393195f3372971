"""A process of a test's own in which services are made, watched and ended: a subreaper, or PID 1 of a namespace.

`@staged` turns a function into a test that runs it in such a process, once on each loop. The function gets a `Stage`.
At the end nothing may live below the stage, no registered child's status may be lost and no descriptor left open.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.support import PROGRAMS, PYTHON, ROOT, wait_until

FAMILY = [PYTHON, "-I", "-S", str(PROGRAMS / "family.py")]
PATIENCE = 30.0
LOOPS = ["asyncio", "uvloop"]


class Stage:
    """A loop with the reaper, the timers, the members and the endings of asyncinit, and services made by hand."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        from asyncinit.linux.signals import read_signals, signalfd
        from asyncinit.runtime.process.reaper import Reaper
        from asyncinit.runtime.process.spawner import Spawner
        from asyncinit.runtime.timers import Timers
        from asyncinit.runtime.tree.ending import Ending
        from asyncinit.runtime.tree.members import Members

        self.loop = loop
        self.reaper = Reaper(loop)
        self.timers = Timers(loop)
        self.problems: list[str] = []
        self.reports: list[tuple[str | None, str]] = []
        self.exits: dict[int, Any] = {}
        self.members = Members(loop, self.reaper, self.timers, self.problems.append)
        self.ending = Ending(
            loop, self.reaper, self.timers, self.members, lambda service, text: self.reports.append((service, text))
        )
        self.spawner = Spawner(loop, self.reaper, complain=self.problems.append)
        self.output: dict[int, bytes] = {}
        self._made: set[int] = set()
        self._signals = signalfd([signal.SIGCHLD])

        def on_signal() -> None:
            read_signals(self._signals)
            self.reaper.reap()

        loop.add_reader(self._signals, on_signal)
        self._pipes: set[int] = set()

    def spawn(
        self,
        service: str | None,
        arguments: Sequence[str],
        token: str | None = None,
        session: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Make a process of `service` (None: of nobody); `session` False: in a process group of our session."""
        token = token or f"token-of-{service}"
        ours, theirs = os.pipe()
        variables = dict(os.environ if environment is None else environment)
        if service is not None:
            variables["ASYNCINIT_TOKEN"] = token
        where = {"setsid": True} if session else {"setpgroup": 0}
        pid = os.posix_spawn(
            arguments[0],
            arguments,
            variables,
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 1)],
            setsigmask=[],
            **where,
        )
        os.close(theirs)
        if service is not None:
            self.reaper.watch(pid, functools.partial(self.exits.__setitem__, pid))
            self.members.born(service, token, pid, session)
            self._made.add(pid)
        self._listen(ours, pid)
        return pid

    def place(self, service: str, arguments: Sequence[str], placement: Any, token: str | None = None) -> int:
        """Make a process of `service` by `placement`, and wait until it runs its program."""
        from asyncinit.runtime.process.plan import ExecPlan

        token = token or f"token-of-{service}"
        ours, theirs = os.pipe()
        executed: list[Any] = []
        ended: dict[str, int] = {}
        plan = ExecPlan(tuple(arguments), {**os.environ, "ASYNCINIT_TOKEN": token}, stdout=theirs, placement=placement)
        pid = self.spawner.spawn(plan, executed.append, lambda status: self.exits.__setitem__(ended["pid"], status))
        ended["pid"] = pid
        os.close(theirs)
        self.members.born(service, token, pid, leader=True)
        self._made.add(pid)
        self._listen(ours, pid)
        self.until(lambda: executed)
        assert executed == [None], executed
        return pid

    def _listen(self, ours: int, pid: int) -> None:
        self.output[pid] = b""
        self._pipes.add(ours)
        self.loop.add_reader(ours, self._read, ours, pid)

    def _read(self, pipe: int, pid: int) -> None:
        data = os.read(pipe, 65536)
        self.output[pid] += data
        if not data:
            self.loop.remove_reader(pipe)
            self._pipes.discard(pipe)
            os.close(pipe)

    def family(self, service: str | None, role: str, *arguments: str, **options: Any) -> int:
        """Make a service of `tests/programs/family.py`; return its main process's pid once that has told itself."""
        return self.spawn(service, [*FAMILY, role, *arguments], **options)

    def told(self, pid: int, role: str, count: int = 1) -> list[int]:
        """Wait until so many processes of the family of `pid` have told to be `role`, and return their pids."""

        def pids() -> list[int]:
            lines = (line.split() for line in self.output[pid].decode().splitlines())
            return [int(words[1]) for words in lines if words[0] == role]

        self.until(lambda: len(pids()) >= count)
        return pids()

    def until(self, condition: Callable[[], Any], timeout: float = PATIENCE) -> Any:
        """Run the loop until `condition` holds and return what it gave; fail after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        value: Any = None
        failure: BaseException | None = None

        def check() -> None:
            nonlocal value, failure
            try:
                value = condition()
            except BaseException as error:
                failure = error
            if value or failure is not None or time.monotonic() > deadline:
                self.loop.stop()
            else:
                self.loop.call_later(0.005, check)

        self.loop.call_soon(check)
        self.loop.run_forever()
        if failure is not None:
            raise failure
        assert value, f"not within {timeout} s: {condition}; {self.problems} {self.reports}"
        return value

    def turn(self, seconds: float = 0.005) -> None:
        """Run the loop for a moment."""
        self.loop.call_later(seconds, self.loop.stop)
        self.loop.run_forever()

    def watch(self, service: str) -> list[bool]:
        """Ask for the end of `service`; the list that is returned gets an item when it is told."""
        told: list[bool] = []
        self.members.watch_gone(service, lambda: told.append(True))
        return told

    def kill(self, service: str) -> None:
        """Kill `service` and wait until it is gone."""
        gone = self.watch(service)
        self.ending.kill_tree(service)
        self.until(lambda: gone)
        assert gone == [True]
        self.members.forget(service)

    def close(self) -> None:
        """End all, then see that nothing is left and nothing was lost."""
        done: list[list[str]] = []
        self.ending.sweep(0, done.append)
        self.until(lambda: done)
        assert done == [[]], done
        self.until(lambda: not self.reaper.pids())
        assert self.reaper.spawned == self.reaper.reaped
        assert self._made <= self.exits.keys()
        for pipe in tuple(self._pipes):
            self.loop.remove_reader(pipe)
            os.close(pipe)
        self.loop.remove_reader(self._signals)
        os.close(self._signals)
        self.members.close()


def alive(pid: int) -> bool:
    """Tell whether a process lives (a zombie does not)."""
    from asyncinit.linux import proc

    stat = proc.stat(pid)
    return stat is not None and stat.alive


def staged(
    function: Callable[[Stage], None] | None = None,
    *,
    namespace: bool = False,
    proc: bool = True,
    outside: Callable[[int], None] | None = None,
) -> Any:
    """Make a test of a function that gets a `Stage`.

    `namespace`: it is PID 1 of a PID namespace of its own, `proc` False: with the /proc of the outer one. `outside` is
    called meanwhile by the test's own process, with the stage's pid.
    """
    if function is None:
        return functools.partial(staged, namespace=namespace, proc=proc, outside=outside)

    @pytest.mark.parametrize("kind", LOOPS)
    def test(kind: str) -> None:
        command = [PYTHON, "-m", "tests.stage", function.__module__, function.__name__, kind]
        if namespace:
            options = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
            options += ["--mount-proc"] if proc else []
            command = [
                shutil.which("unshare") or "unshare",
                "--fork",
                "--kill-child",
                "--pid",
                *options,
                "--",
                *command,
            ]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                if outside is not None:
                    outside(wait_until(lambda: _only_child(process)))
                output, _ = process.communicate(timeout=4 * PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
                raise AssertionError(f"the stage hangs:\n{output}") from None
            except BaseException:
                process.kill()
                raise
        if output.startswith("skip: "):
            pytest.skip(output[6:].strip())
        assert process.returncode == 0, output

    test.__name__ = test.__qualname__ = function.__name__
    test.__doc__, test.__module__ = function.__doc__, function.__module__
    test.scenario = function  # type: ignore[attr-defined]
    return test


def _only_child(process: subprocess.Popen[str]) -> int | None:
    from asyncinit.linux.proc import children

    return next(iter(children(process.pid)), None)


def skip(reason: str) -> None:
    """Have the test that runs this stage skipped."""
    print(f"skip: {reason}", flush=True)
    os._exit(0)


def main(module: str, name: str, kind: str) -> None:
    """Run one scenario on a stage: what the process of a staged test does."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    if kind == "uvloop":
        try:
            import uvloop
        except ImportError:
            skip("uvloop is not installed")
        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    from asyncinit.linux.process import set_subreaper

    if os.getpid() != 1:
        set_subreaper()
    scenario = getattr(importlib.import_module(module), name).scenario
    failures: list[str] = []
    loop.set_exception_handler(lambda _loop, context: failures.append(repr(context)))
    before = descriptors()
    stage = Stage(loop)
    try:
        scenario(stage)
    finally:
        stage.close()
    assert not failures, failures
    assert descriptors() == before
    loop.close()


def descriptors() -> list[str]:
    """Return our open descriptors, but for those that epoll and the loop make for themselves."""
    names = (os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _open(int(name)))
    return sorted(name for name in names if not name.startswith("anon_inode"))


def _open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False  # it was that of the listing itself
    return True


if __name__ == "__main__":
    main(*sys.argv[1:4])
