"""close_range(2): all descriptors of a range at once; must not know whose they are.

One system call, whatever RLIMIT_NOFILE is and however many are open, where a walk through /proc/self/fd costs a
millisecond per thousand. Linux 5.9, the close-on-exec flag 5.11; before them, and where a sandbox refuses it, by walk.
"""

from __future__ import annotations

from asyncinit.linux import descriptors
from asyncinit.linux.libc import call

_NUMBER = 436  # the same on every architecture that Python's Linux builds know
_CLOEXEC = 1 << 2  # CLOSE_RANGE_CLOEXEC
_LAST = 0xFFFFFFFF


class _Kernel:
    """What was found out about this kernel."""

    refuses = False
    walked = False


def close_on_exec_from(first: int) -> None:
    """Keep every descriptor from `first` up from programs, whoever opened it.

    Where the kernel can't do it, a walk does it once: what Python opens later is close-on-exec by itself.
    """
    if not _Kernel.refuses:
        try:
            call("syscall", _NUMBER, first, _LAST, _CLOEXEC)
            return
        except (OSError, ImportError):
            _Kernel.refuses = True
    if not _Kernel.walked:
        _Kernel.walked = True
        descriptors.cloexec_from(first)


def close_all_but(*keep: int) -> None:
    """Close every descriptor from 3 up but those in `keep` (3 or more); for a forked child."""
    first = 3
    try:
        for fd in sorted(set(keep)):
            if fd > first:
                call("syscall", _NUMBER, first, fd - 1, 0)
            first = fd + 1
        call("syscall", _NUMBER, first, _LAST, 0)
    except (OSError, ImportError):  # refused, or this Python has no ctypes
        descriptors.close_others(3, keep)


def has_close_range() -> bool:
    """Tell whether the kernel has the call, by a range in which nothing can be open."""
    try:
        call("syscall", _NUMBER, _LAST - 1, _LAST, _CLOEXEC)
    except (OSError, ImportError):
        return False
    return True
