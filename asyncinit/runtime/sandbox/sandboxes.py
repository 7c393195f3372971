"""All PID namespaces that we have made, and how a process comes into one; knows no service.

The helper (`placing`) is forked; asyncinit waits until the process has said hello (`handshake`), registers it, and only
then lets it go on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import NoReturn

from msgspec import Struct

from asyncinit import simple_init
from asyncinit.core.status import ExitStatus
from asyncinit.errors import SpawnError
from asyncinit.linux.oom_score import own_score
from asyncinit.runtime.process import child
from asyncinit.runtime.process.plan import JoinedPids, NewPids, Pid1, Placement
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.sandbox import init, placing
from asyncinit.runtime.sandbox.handshake import INIT, MAIN, PLACED, Here, There
from asyncinit.runtime.sandbox.sandbox import Sandbox, SandboxState

Become = Callable[[], NoReturn]


class SandboxesState(Struct):
    """What is carried over a re-exec."""

    sandboxes: list[SandboxState] = []


class Placed:
    """A process that waits in its PID namespace: `begin` lets it go on, `close` ends it.

    `pid` is as we see it; `teller` has its end told, None: it is our own child.
    """

    def __init__(self, here: Here, pid: int, teller: Sandbox | None, waiting: int = 1) -> None:
        self.pid = pid
        self.teller = teller
        self._here = here
        self._waiting = waiting

    def begin(self) -> None:
        """Let it go on."""
        self._here.go(self._waiting)
        self._here.close()

    def close(self) -> None:
        """Let it end."""
        self._here.close()


class Sandboxes:
    """The sandboxes by the pid of their PID 1; `complain` is called with a text when something is not as it must be."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        complain: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._loop, self._reaper, self._complain = loop, reaper, complain
        self._by_pid: dict[int, Sandbox] = {}
        reaper.add_follower(self._reaped)  # that PID 1 has ended is why the others have

    def of(self, pid: int) -> Sandbox | None:
        """Return the sandbox whose PID 1 is our child `pid`, as long as that was not reaped."""
        return self._by_pid.get(pid)

    def place(self, placement: Placement, program: Become, birth: int, cgroup: str | None = None) -> Placed:
        """Make a process by `placement` that becomes `program`; it waits. Raises SpawnError with the step that failed.

        `cgroup` is the folder of the cgroup that it is made in, None: ours. `birth` is the pipe on which a simple init
        tells what has failed; it is open there until that is powerless.
        """
        try:
            here = Here()
        except OSError as error:
            raise SpawnError("make a socket", error.errno or 0) from error
        try:
            if isinstance(placement, NewPids):
                return self._make(placement, here, program, birth, cgroup)
            return self._join(placement, here, program, cgroup)
        except BaseException:
            here.close()
            raise

    def _make(self, placement: NewPids, here: Here, program: Become, birth: int, cgroup: str | None) -> Placed:
        reader = writer = -1
        try:
            if placement.pid1 is not Pid1.PROGRAM:
                try:
                    reader, writer = os.pipe2(os.O_CLOEXEC)
                except OSError as error:
                    raise SpawnError("make a pipe", error.errno or 0) from error
            mode = simple_init.POD if placement.pid1 is Pid1.POD else simple_init.SERVICE

            score = own_score.lowered

            def become_init(gate: int) -> NoReturn:
                init.become(mode, writer, birth, gate, score)

            self._fork(lambda: placing.make(placement, There(here), program, become_init, cgroup))
            both = placement.pid1 is Pid1.INIT
            heard = here.listen(frozenset({MAIN, INIT} if both else {MAIN}))
        except BaseException:
            _close(reader)
            raise
        finally:
            _close(writer)
        first, main = heard[INIT if both else MAIN], heard[MAIN]
        kinds = placing.held(placement)
        state = SandboxState(
            first.pid,
            placement.pid1.value,
            placement.shared or placement.pid1 is Pid1.POD,
            report=reader,
            namespaces=dict(zip(kinds, first.descriptors, strict=True)),
        )
        sandbox = self._by_pid[first.pid] = Sandbox(self._loop, self._reaper, state, self._complain)
        if not both:
            return Placed(here, main.pid, None)
        self._reaper.watch(first.pid, _nobody)
        sandbox.register(main.inner, main.pid)
        return Placed(here, main.pid, sandbox, waiting=2)

    def _join(self, placement: JoinedPids, here: Here, program: Become, cgroup: str | None) -> Placed:
        one = placement.init
        sandbox = self.of(one) or next((box for box in self._by_pid.values() if one in box.members), None)
        if sandbox is None or not sandbox.namespaces:
            raise SpawnError("join its pod", 0, "it is not there")
        if placement.inside and not sandbox.reports:
            raise SpawnError("join its pod", 0, 'its PID 1 would not tell how the process ends; use tree = "outside"')
        missing = sorted(placement.namespaces - sandbox.namespaces.keys())
        if missing:
            raise SpawnError("join its pod", 0, f"it has no {missing[0]} namespace of its own")
        joined = {kind: fd for kind, fd in sandbox.namespaces.items() if kind in {"user", "pid"} | placement.namespaces}
        self._fork(lambda: placing.join(placement, joined, There(here), program, cgroup))
        heard = here.listen(frozenset({MAIN, PLACED} if placement.inside else {MAIN}))
        main = heard[MAIN]
        if not placement.inside:
            return Placed(here, main.pid, None)
        sandbox.hear()
        sandbox.register(main.inner, main.pid)
        return Placed(here, main.pid, sandbox)

    def _fork(self, act: Become) -> None:
        """Fork a helper; its own end is of no interest."""
        pid = child.fork()
        if pid == 0:
            act()
        self._reaper.watch(pid, _nobody)

    def _reaped(self, pid: int, _status: ExitStatus) -> None:
        sandbox = self._by_pid.pop(pid, None)
        if sandbox is not None:
            sandbox.ended()

    def freeze(self, keep: Keep) -> SandboxesState:
        """Return what is carried over a re-exec."""
        return SandboxesState([sandbox.freeze(keep) for sandbox in self._by_pid.values()])

    def thaw(self, state: SandboxesState) -> None:
        """Go on with the sandboxes of the program before; the reaper has its children already."""
        for one in state.sandboxes:
            self._by_pid[one.pid] = Sandbox(self._loop, self._reaper, one, self._complain)

    def close(self) -> None:
        """Give all descriptors back; simple inits end with that, and all that is in their sandboxes."""
        for sandbox in self._by_pid.values():
            sandbox.close()
        self._by_pid.clear()


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)


def _nobody(_status: ExitStatus) -> None:
    """Take the end of a helper, or of the init beside a service: whoever wants to know is told otherwise."""
