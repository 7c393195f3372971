"""The machine's clocks: the real-time clock that runs without power, and setting the system's; knows no policy."""

from __future__ import annotations

import calendar
import fcntl
import os
import struct
import time

from asyncinit.linux.libc import call

_RTC_RD_TIME = 0x80247009  # <linux/rtc.h>
_RTC_SET_TIME = 0x4024700A
_TIMEX = 256  # struct timex and more; all zero, it asks and changes nothing
_TIME_ERROR = 5  # <sys/timex.h>: nobody keeps the clock right
_RTC_TIME = struct.Struct("=9i")  # struct rtc_time: seconds to the year, as struct tm


def read_rtc(path: str = "/dev/rtc0") -> float:
    """Return what the hardware clock says, taken as UTC; raises OSError (EINVAL: it has lost its time)."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        answer = fcntl.ioctl(fd, _RTC_RD_TIME, bytes(_RTC_TIME.size))
    finally:
        os.close(fd)
    second, minute, hour, day, month, year, *_ = _RTC_TIME.unpack(answer)
    return float(calendar.timegm((1900 + year, 1 + month, day, hour, minute, second)))


def write_rtc(moment: float, path: str = "/dev/rtc0") -> None:
    """Have the hardware clock say this time, as UTC; raises OSError."""
    then = time.gmtime(moment)
    data = (then.tm_sec, then.tm_min, then.tm_hour, then.tm_mday, then.tm_mon - 1, then.tm_year - 1900, 0, 0, 0)
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _RTC_SET_TIME, _RTC_TIME.pack(*data))
    finally:
        os.close(fd)


def set_clock(moment: float) -> None:
    """Set the system's clock; raises OSError. Monotonic clocks go on."""
    time.clock_settime(time.CLOCK_REALTIME, moment)


def is_synchronised() -> bool:
    """Tell whether somebody (NTP) keeps the system's clock right and says so to the kernel; raises OSError."""
    import ctypes

    asked = ctypes.create_string_buffer(_TIMEX)
    return call("adjtimex", ctypes.addressof(asked)) != _TIME_ERROR
