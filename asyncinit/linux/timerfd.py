"""A timer on the wall clock that notices when somebody sets it (timerfd_create(2)); must not know what is due.

Python has these calls from 3.13 on.
"""

from __future__ import annotations

import errno
import math
import os
import struct
import time

from asyncinit.linux.libc import call

_TFD_CLOEXEC = 0o2000000  # <sys/timerfd.h>
_TFD_NONBLOCK = 0o4000
_TFD_TIMER_ABSTIME = 1
_TFD_TIMER_CANCEL_ON_SET = 2
_END_OF_TIME = float(2**31 - 1 if struct.calcsize("l") == 4 else 2**33)
"""The last moment that the kernel takes: it counts nanoseconds in 64 bits."""

_ITIMERSPEC = struct.Struct("4l")  # it_interval, it_value: seconds and nanoseconds each


def timerfd_realtime() -> int:
    """Return a new timer on CLOCK_REALTIME (non-blocking, close-on-exec) that is not armed; raises OSError."""
    return call("timerfd_create", time.CLOCK_REALTIME, _TFD_CLOEXEC | _TFD_NONBLOCK)


def arm(fd: int, moment: float) -> None:
    """Make the timer readable at `moment` (seconds since 1970), or as soon as the clock is set; `math.inf`: never.

    Linux 3.0 and newer notice the setting; what only imitates Linux may refuse that, and then it goes unnoticed.
    """
    # Zero would disarm it, and a timer that waits for the end of time still notices that the clock is set.
    nanoseconds = max(1, math.ceil(min(moment, _END_OF_TIME) * 1e9))
    setting = _ITIMERSPEC.pack(0, 0, *divmod(nanoseconds, 10**9))
    try:
        call("timerfd_settime", fd, _TFD_TIMER_ABSTIME | _TFD_TIMER_CANCEL_ON_SET, setting)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        call("timerfd_settime", fd, _TFD_TIMER_ABSTIME, setting)


def take(fd: int) -> bool:
    """Take what has made the timer readable, if anything has; return whether the clock was set."""
    try:
        os.read(fd, 8)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno != errno.ECANCELED:
            raise
        return True
    return False
