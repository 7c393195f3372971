"""Close descriptors that strangers gave us without ever waiting for it; knows nothing of who gave them.

close(2) may block: a TCP socket that lingers, a file of FUSE or NFS that is flushed, a Unix socket in whose queue such
are. The closing is done by a child that shares our descriptor table (clone(2) with CLONE_FILES): the numbers are free
at once, and only the child waits. The reaper sees its end as that of any orphan. While it hangs it shares whatever we
have open, so the last kill of a shutdown has to reach it like any stray.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal

_CLONE_FILES = 0x400
_MOST_CHILDREN = 8

_children: list[int] = []  # pidfds of those that close, or hang in it


def overloaded() -> bool:
    """Tell whether so many children hang in a close that no more should be made: receive no descriptors now."""
    _forget_ended()
    return len(_children) >= _MOST_CHILDREN


def discard(descriptors: list[int]) -> bool:
    """Close `descriptors`; pipes at once, as they never block, all others in a child.

    Returns whether a child was made; where none can be made they are closed here. Never raises.
    """
    others = [descriptor for descriptor in descriptors if not _is_pipe(descriptor)]
    for descriptor in set(descriptors).difference(others):
        os.close(descriptor)
    if not others:
        return False
    try:
        _close_in_child(others)
    except (OSError, ImportError):
        _close_all(others)
        return False
    return True


def _is_pipe(descriptor: int) -> bool:
    # Not fstat(2): that asks the file system, which may hang.
    try:
        fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    except OSError:
        return False
    return True


def _close_in_child(descriptors: list[int]) -> None:
    from asyncinit.linux.libc import call, clone_number

    _forget_ended()
    pid = call("syscall", clone_number(), _CLONE_FILES | signal.SIGCHLD)
    if pid == 0:
        try:
            _close_all(descriptors)
        finally:
            os._exit(0)
    try:
        _children.append(os.pidfd_open(pid))
    except OSError:
        pass  # not counted then


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        try:
            os.close(descriptor)
        except OSError:
            pass  # EIO of a flush: it is closed nevertheless


def _forget_ended() -> None:
    poller = select.poll()
    for pidfd in _children:
        poller.register(pidfd, select.POLLIN)
    for pidfd, _ in poller.poll(0) if _children else ():
        _children.remove(pidfd)
        os.close(pidfd)
