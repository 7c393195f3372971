"""What an asyncinit of this project has left that was killed together with all its guardians.

Its services still have the address of its control socket in their environment (ASYNCINIT_SOCKET), and nobody listens
there. They would keep their ports and their files from those that are started now. Only processes of our own PID and
network namespaces count: the same folder may be another one's in a container. And only those without a terminal: the
shell of an `asyncinit exec` has the same environment, and is a person's.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asyncinit.linux import process

if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

_GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL."""
_LAST_WAIT = 1.0
_NAMESPACES = ("pid", "net")


def end_leftovers(addresses: Sequence[str]) -> list[str]:
    """End all that is left of an asyncinit that listened at one of `addresses`; return names with pids, for people."""
    marks = {f"ASYNCINIT_SOCKET={address}".encode() for address in addresses}
    try:
        ours, above = _namespaces("self"), _ancestors()
        pids = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid not in above]
    except OSError:
        return []  # what cannot be looked at is not ours to end
    left = dict(filter(None, (_held(pid, marks, ours) for pid in pids)))
    for signals, seconds in (((_signal.SIGTERM, _signal.SIGCONT), _GRACE), ((_signal.SIGKILL,), _LAST_WAIT)):
        _end([pidfd for pidfd in left if _is_alive(pidfd)], signals, seconds)
    for pidfd in left:
        os.close(pidfd)
    return list(left.values())


def _held(pid: int, marks: set[bytes], ours: list[str]) -> tuple[int, str] | None:
    """Return a pidfd of a process that is left, and its name; None: it is none of these."""
    if not _is_left(pid, marks, ours):
        return None
    try:
        pidfd = process.pidfd_open(pid)
        name = _field(pid, "comm").decode(errors="replace").strip()
    except OSError:
        return None  # it has ended just now
    if _is_left(pid, marks, ours):
        return pidfd, f"{name} ({pid})"
    os.close(pidfd)  # the number is another process's by now
    return None


def _is_left(pid: int, marks: set[bytes], ours: list[str]) -> bool:
    try:
        if marks.isdisjoint(_field(pid, "environ").split(b"\0")):
            return False
        terminal = int(_field(pid, "stat").rpartition(b")")[2].split()[4])
        return terminal == 0 and _namespaces(str(pid)) == ours
    except (OSError, ValueError, IndexError):
        return False  # gone, or somebody else's


def _field(pid: int, name: str) -> bytes:
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
        return file.read()


def _namespaces(who: str) -> list[str]:
    return [os.readlink(f"/proc/{who}/ns/{kind}") for kind in _NAMESPACES]


def _ancestors() -> set[int]:
    """Return our own pid and those of all above us."""
    found, pid = set(), os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        pid = int(_field(pid, "stat").rpartition(b")")[2].split()[1])
    return found


def _is_alive(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return not poll.poll(0)


def _end(pidfds: list[int], signals: Sequence[int], seconds: float) -> None:
    """Send `signals` to all and wait until they are gone, at most so long."""
    deadline = time.monotonic() + seconds
    for pidfd in pidfds:
        for number in signals:
            try:
                process.pidfd_signal(pidfd, number)
            except OSError:
                pass  # gone meanwhile, or not ours
    poll = select.poll()
    for pidfd in pidfds:
        poll.register(pidfd, select.POLLIN)
    left = len(pidfds)
    while left and (wait := deadline - time.monotonic()) > 0:
        for pidfd, _event in poll.poll(wait * 1000):
            poll.unregister(pidfd)
            left -= 1
