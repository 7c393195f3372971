"""Send signals to the very processes that were meant, never to later ones of the same number; chooses nobody.

A pid is safe to signal while its process can't have been reaped: a child of ours that we have not reaped keeps its
number. Any other process is opened as a pidfd first, then (pid, start time) are compared: if they still agree, the
descriptor stands for the process that was meant. Where there are no pidfds (Linux before 5.3, seccomp) the comparison
comes right before kill(2).
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Sequence
from enum import Enum

from asyncinit.linux import proc
from asyncinit.linux.process import pidfd_open, pidfd_signal
from asyncinit.runtime.tree.listing import Member


class Outcome(Enum):
    """What became of a signal."""

    SENT = "sent"
    GONE = "gone"
    REFUSED = "refused"


# Why there is no pidfd though the process may be there: not in this kernel, not allowed by seccomp, no descriptor left.
_NO_PIDFD = frozenset({errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINVAL})


def deliver(member: Member, signals: Sequence[int], child: bool) -> Outcome:
    """Send `signals`, in order, to `member`; `child`: it is a child of ours that was not reaped.

    GONE also where its pid has another process by now. REFUSED: it is another user's, and we are not root.
    """

    def by_pidfd() -> Outcome:
        descriptor = pidfd_open(member.pid)
        try:
            if not child and not _unchanged(member):
                return Outcome.GONE
            for number in signals:
                pidfd_signal(descriptor, number)
        finally:
            os.close(descriptor)
        return Outcome.SENT

    try:
        try:
            return proc.with_spare(by_pidfd)
        except OSError as error:
            if error.errno not in _NO_PIDFD:
                raise
        if not child and not _unchanged(member):
            return Outcome.GONE
        for number in signals:
            os.kill(member.pid, number)
    except ProcessLookupError:
        return Outcome.GONE
    except PermissionError:
        return Outcome.REFUSED
    return Outcome.SENT


def deliver_to_group(member: Member, signals: Sequence[int]) -> Outcome:
    """Send `signals`, in order, to the process group of the live `member`.

    The kernel does this at one moment for the whole group: nobody in it forks past it. By pidfd where the leader still
    has one to open (its number is the group's) and the kernel can (6.9), else by number, right after the check that
    `member` is still in that group and so keeps the number from being given again. GONE: `member` has left it.
    """
    group = member.group
    try:
        try:
            descriptor = pidfd_open(group)
        except OSError:
            descriptor = -1
        try:
            if os.getpgid(member.pid) != group:
                return Outcome.GONE
            for number in signals:
                _signal_group(descriptor, group, number)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
    except ProcessLookupError:
        return Outcome.GONE
    except PermissionError:
        return Outcome.REFUSED
    return Outcome.SENT


def _signal_group(descriptor: int, group: int, number: int) -> None:
    if descriptor >= 0:
        try:
            pidfd_signal(descriptor, number, group=True)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EPERM):
                raise
            # EPERM may be the seccomp filter's: then kill(2) tells the truth.
        else:
            return
    os.killpg(group, number)


def has_own_group(member: Member) -> bool:
    """Tell whether the group of `member` is surely a service's alone, and not ours or one outside our PID namespace."""
    return member.group > 1 and member.group != os.getpgrp()


def may_signal(pid: int) -> bool:
    """Tell whether the kernel lets us signal `pid`; True where it is gone."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    except ProcessLookupError:
        return True
    return True


def signal_all(number: int) -> None:
    """Send a signal to every process of our PID namespace but ourselves; only for its owner."""
    try:
        os.kill(-1, number)
    except (ProcessLookupError, PermissionError):
        pass


def resuming(number: int) -> tuple[int, ...]:
    """Return the signal and what has to follow it, so that a stopped process gets to handle it."""
    if number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT):
        return (number,)
    return (number, signal.SIGCONT)


def _unchanged(member: Member) -> bool:
    now = proc.stat(member.pid)
    return now is not None and now.start_time == member.start_time
