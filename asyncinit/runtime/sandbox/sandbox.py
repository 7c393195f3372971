"""One PID namespace that we have made: who is in it, and how those end whom its PID 1 reaps; knows no service.

Telling who has ended
=====================

A process inside is reaped by its PID 1, the simple init, not by us. That one reports each (pid, status) on a pipe
*before* it reaps: only then can the kernel give the number to another process. So the reports come in the order of the
lives of a number, and what is in the pipe when a new process says hello is about the lives before it: it is read first,
and then the new one is registered under its number. Whatever is reported of that number afterwards is its own end.

The same holds for its pid as we see it: once it was reaped, the number may be given to a child of ours. Before the
reaper registers or tells one by such a number, it has us read what was reported (`hear`).

When PID 1 ends, the kernel kills all others, and nobody reports. What it knows of them (PIDFD_INFO_EXIT, Linux 6.15)
is told; else the status is unknown. It is never made up.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
from collections import deque
from collections.abc import Callable, Mapping

from msgspec import Struct

from asyncinit.core.status import ExitStatus
from asyncinit.errors import SpawnError
from asyncinit.linux.process import pidfd_exit, pidfd_open, pidfd_signal
from asyncinit.runtime.process.plan import Pid1
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.sandbox.report import Ended, parse


class MemberState(Struct):
    """A process inside that somebody waits for; `pid` as we see it, `inner` as its PID 1 does."""

    inner: int = 0
    pid: int = 0
    pidfd: int = -1


class SandboxState(Struct):
    """What is carried over a re-exec; `report` -1: its PID 1 does not report, `rest` is half a line of it."""

    pid: int = 0
    pid1: str = Pid1.PROGRAM.value
    shared: bool = False
    report: int = -1
    rest: bytes = b""
    namespaces: dict[str, int] = {}
    members: list[MemberState] = []


class _Member:
    """A process inside whose end is to be told; the descriptor stands for it, whatever becomes of its number."""

    __slots__ = ("pid", "pidfd")

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd

    def known_to_kernel(self) -> ExitStatus | None:
        """Return how it ended, where the kernel can tell it of one that others have reaped."""
        try:
            found = pidfd_exit(self.pidfd)
        except OSError:
            return None
        return None if found is None else ExitStatus(found.code, found.signal, found.core_dumped)


class Sandbox:
    """The PID namespace whose PID 1 is our child `pid`.

    `report` is the pipe on which that one reports (-1: it does not), `descriptors` those of the namespaces that others
    can join. `disagree` is called with a text where a report and the kernel do not say the same.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        state: SandboxState,
        disagree: Callable[[str], None],
    ) -> None:
        self._loop, self._reaper, self._disagree = loop, reaper, disagree
        self.pid, self.pid1, self.shared = state.pid, Pid1(state.pid1), state.shared
        self._report, self._rest = state.report, state.rest
        self._namespaces = dict(state.namespaces)
        self._members = {one.inner: _Member(one.pid, one.pidfd) for one in state.members}
        self._untold: deque[Ended] = deque()
        self._verifying = False
        self._unverified: list[tuple[_Member, ExitStatus]] = []
        for member in self._members.values():
            reaper.told_by(member.pid, self)
        reaper.inits[self.pid] = self.pid1, self.shared
        if self._report >= 0:
            os.set_blocking(self._report, False)
            self._capacity = fcntl.fcntl(self._report, fcntl.F_GETPIPE_SZ)
            loop.add_reader(self._report, self.hear)

    def freeze(self, keep: Keep) -> SandboxState:
        """Return what is carried over a re-exec."""
        return SandboxState(
            self.pid,
            self.pid1.value,
            self.shared,
            keep(self._report),
            self._rest,
            {kind: keep(fd) for kind, fd in self._namespaces.items()},
            [MemberState(inner, one.pid, keep(one.pidfd)) for inner, one in self._members.items()],
        )

    @property
    def reports(self) -> bool:
        """Whether its PID 1 tells of those whom it reaps."""
        return self.pid1 is not Pid1.PROGRAM

    @property
    def members(self) -> list[int]:
        """The pids, as we see them, of those inside whose end is to be told by its PID 1."""
        return [member.pid for member in self._members.values()]

    @property
    def namespaces(self) -> Mapping[str, int]:
        """The descriptors of the namespaces that others can join, by kind."""
        return self._namespaces

    def register(self, inner: int, pid: int) -> None:
        """Have the end of a process told that has just said hello and waits. Raises SpawnError where it has ended.

        Call `hear` before: what was reported of this number up to now is about others.
        """
        try:
            pidfd = pidfd_open(pid)
        except ProcessLookupError:
            raise SpawnError("place the process", 0, "it was killed before its program ran") from None
        except OSError as error:
            raise SpawnError("open a pidfd", error.errno or 0) from error
        if _has_ended(pidfd):
            os.close(pidfd)
            raise SpawnError("place the process", 0, "it was killed before its program ran")
        self._members[inner] = _Member(pid, pidfd)

    def hear(self) -> None:
        """Read what was reported up to now, and have it told."""
        self._read()
        # One by one from a queue: who is told may make a process here, which has to have all told that is older.
        while self._untold:
            self._tell(self._untold.popleft())
        if self._unverified and not self._verifying:
            self._verifying = True
            self._loop.call_soon(self._verify)

    def _read(self) -> bool:
        """Read once: that is all that is there, and no storm of orphans holds us up; False where there is nothing."""
        if self._report < 0:
            return False
        try:
            data = os.read(self._report, self._capacity)
        except BlockingIOError:
            return False
        if not data:
            self._stop_listening()
            return False
        ended, self._rest = parse(self._rest + data)
        self._untold.extend(ended)
        return True

    def _tell(self, ended: Ended) -> None:
        member = self._members.pop(ended.inner, None)
        if member is None:
            self._reaper.orphan_told(ended.status)
            return
        self._unverified.append((member, ended.status))
        self._reaper.told(member.pid, ended.status)

    def _verify(self) -> None:
        """Compare what was reported with what the kernel says, where its PID 1 has reaped it by now."""
        self._verifying = False
        while self._unverified:
            member, status = self._unverified.pop()
            known = member.known_to_kernel()
            os.close(member.pidfd)
            if known is not None and known != status:
                self._disagree(f"pid {member.pid} was reported as {status}, but the kernel says that it {known}")

    def signal_group(self, pid: int, number: int) -> None:
        """Send a signal to one inside, and to the process group that it leads, if its end was not told."""
        member = next((one for one in self._members.values() if one.pid == pid), None)
        if member is None:
            return
        for group in (True, False):  # the second for one that has not made its group yet, or before Linux 6.9
            try:
                pidfd_signal(member.pidfd, number, group)
            except OSError:
                pass

    def ended(self) -> None:
        """PID 1 was reaped, so all are gone: tell what is not told yet, and give everything back."""
        while self._read():
            pass  # nobody writes any more
        self.hear()
        self._stop_listening()
        for inner, member in list(self._members.items()):
            del self._members[inner]
            self._reaper.told(member.pid, member.known_to_kernel() or ExitStatus())
            os.close(member.pidfd)
        self.close()

    def close(self) -> None:
        """Give its descriptors back: nobody is told any more, and its PID 1 ends if it reports."""
        self._stop_listening()
        self._verify()
        for member in self._members.values():
            os.close(member.pidfd)
        for fd in self._namespaces.values():
            os.close(fd)
        self._members.clear()
        self._namespaces.clear()
        self._reaper.inits.pop(self.pid, None)

    def _stop_listening(self) -> None:
        if self._report >= 0:
            self._loop.remove_reader(self._report)
            os.close(self._report)
            self._report = -1


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))
