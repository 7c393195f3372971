"""Processes: waiting for any, prctl, and pidfds; must not know which process is whose.

All functions raise OSError as the kernel gives it. What a kernel lacks shows in that error or in a documented None,
and the caller chooses; nothing here falls back in silence.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from asyncinit.linux.libc import call

if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

_WALL = 0x40000000  # __WALL: children made by clone(2) with another exit signal, too
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_PR_SET_NO_NEW_PRIVS = 38
_PIDFD_SIGNAL_PROCESS_GROUP = 1 << 2  # <linux/pidfd.h>, 6.9
_PIDFD_INFO_EXIT = 1 << 3  # 6.15
_PIDFD_INFO = struct.Struct("=QQ11Ii")  # struct pidfd_info as of 6.13: mask, cgroupid, ids, exit_code
_PIDFD_GET_INFO = 3 << 30 | _PIDFD_INFO.size << 16 | 0xFF << 8 | 11  # _IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)


class Usage(NamedTuple):
    """What a process used in its life, with those of its children that it had waited for (getrusage(2)).

    `max_rss` in bytes, of the largest of them; `blocks_read` and `blocks_written` went to a device.
    """

    user_seconds: float
    system_seconds: float
    max_rss: int
    minor_faults: int
    major_faults: int
    blocks_read: int
    blocks_written: int
    voluntary_switches: int
    involuntary_switches: int


class Exit(NamedTuple):
    """How a process ended: its code or its signal; and what it used, where that is known."""

    pid: int
    code: int | None
    signal: int | None
    core_dumped: bool = False
    usage: Usage | None = None


def wait_any() -> Exit | None:
    """Reap one child that has ended, whoever made it, and return how it ended; None where none has.

    Never blocks. Raises ChildProcessError where there is no child at all. By wait4(2), because Python's waitid(2) has
    no room for what the child used.
    """
    pid, status, used = os.wait4(-1, os.WNOHANG | _WALL)
    if pid == 0:
        return None
    usage = Usage(
        used.ru_utime,
        used.ru_stime,
        used.ru_maxrss * 1024,
        used.ru_minflt,
        used.ru_majflt,
        used.ru_inblock,
        used.ru_oublock,
        used.ru_nvcsw,
        used.ru_nivcsw,
    )
    if os.WIFSIGNALED(status):
        return Exit(pid, None, os.WTERMSIG(status), os.WCOREDUMP(status), usage)
    return Exit(pid, os.WEXITSTATUS(status), None, usage=usage)


def stop_signal(pid: int) -> int | None:
    """Return the signal that has stopped the child `pid` since this was last asked, None if none has.

    Takes no exit status. See waitid(2), WSTOPPED.
    """
    try:
        result = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)
    except ChildProcessError:
        return None
    return None if result is None or result.si_code != os.CLD_STOPPED else result.si_status


def set_subreaper(enabled: bool = True) -> None:
    """Become the one to whom orphans below us are reparented (PR_SET_CHILD_SUBREAPER, Linux 3.4)."""
    call("prctl", _PR_SET_CHILD_SUBREAPER, int(enabled))


def is_subreaper() -> bool:
    """Tell whether orphans below us are reparented to us although we are not PID 1."""
    import ctypes

    value = ctypes.c_int()
    call("prctl", _PR_GET_CHILD_SUBREAPER, ctypes.addressof(value))
    return bool(value.value)


def set_parent_death_signal(signal: int) -> None:
    """Ask for `signal` (0: none) when the thread that made us ends (PR_SET_PDEATHSIG).

    Survives exec but of a set-user-id program. It tells nothing if that thread has ended before: check afterwards.
    """
    call("prctl", _PR_SET_PDEATHSIG, signal)


def set_no_new_privs() -> None:
    """Give up for good what set-user-id programs and file capabilities would grant (PR_SET_NO_NEW_PRIVS, 3.5)."""
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1)


def set_dumpable(enabled: bool) -> None:
    """Say whether others of our uid may look into /proc/PID of ours and trace us (PR_SET_DUMPABLE)."""
    call("prctl", _PR_SET_DUMPABLE, int(enabled))


def set_name(text: str) -> None:
    """Set the name that ps and top show for us; cut after 15 bytes (PR_SET_NAME)."""
    import ctypes

    name = ctypes.create_string_buffer(text.encode(errors="replace")[:15])
    call("prctl", _PR_SET_NAME, ctypes.addressof(name))


def pidfd_open(pid: int) -> int:
    """Return a new close-on-exec descriptor that stands for process `pid` and no later one (Linux 5.3).

    Only a child of ours that was not reaped, or a process verified after this call, is sure to be the one meant.
    """
    return os.pidfd_open(pid)


def pidfd_signal(pidfd: int, signal: int, group: bool = False) -> None:
    """Send `signal` to the process, or with `group` to the process group that it leads (Linux 6.9, else EINVAL).

    Raises ProcessLookupError once it was reaped (a group: once nobody is in it).
    """
    _signal.pidfd_send_signal(pidfd, signal, None, _PIDFD_SIGNAL_PROCESS_GROUP if group else 0)


def pidfd_exit(pidfd: int) -> Exit | None:
    """Return how a process ended that others have reaped, or None: not reaped yet, or not known (before Linux 6.15).

    The pid in the answer is 0: a reaped process has none any more.
    """
    info = bytearray(_PIDFD_INFO.pack(_PIDFD_INFO_EXIT, *(0,) * 13))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL, errno.ESRCH):
            return None
        raise
    mask, *_ids, status = _PIDFD_INFO.unpack(info)
    if not mask & _PIDFD_INFO_EXIT:
        return None
    if os.WIFSIGNALED(status):
        return Exit(0, None, os.WTERMSIG(status), os.WCOREDUMP(status))
    return Exit(0, os.WEXITSTATUS(status), None)
