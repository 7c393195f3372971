"""Tell whether a process lives: one that is a zombie, or was reaped, has ended; knows nothing of services."""

from __future__ import annotations

import errno
import os
import select

MAX_PID = 1 << 22
"""The kernel's PID_MAX_LIMIT: no process has a higher number."""


def has_ended(pidfd: int) -> bool:
    """Tell whether the process of `pidfd` has ended (a zombie has). pidfd_open(2)."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(0))


def lives(pid: int) -> bool:
    """Tell whether a process (not a thread) `pid` exists now and has not ended.

    Where pidfds are refused (before 5.3, seccomp) a zombie counts as living.
    """
    if not 1 <= pid <= MAX_PID:
        return False
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            return False
        return _exists(pid)
    try:
        return not has_ended(pidfd)
    finally:
        os.close(pidfd)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
