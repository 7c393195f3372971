"""A hardware watchdog (/dev/watchdog): it resets the machine unless it is fed; must not know by whom or how often.

Opening the device starts it, and closing it does not stop it, but after a "V" was written (the magic close), and not
even then where the kernel was told never to stop one (nowayout). See Documentation/watchdog/watchdog-api.rst.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

_INFO = struct.Struct("=II32s")  # struct watchdog_info: options, firmware_version, identity
_INT = struct.Struct("=i")
_READ, _WRITE = 2 << 30, 1 << 30  # <asm-generic/ioctl.h>
_W = ord("W") << 8
_GETSUPPORT = _READ | _INFO.size << 16 | _W | 0  # <linux/watchdog.h>
_SETTIMEOUT = _READ | _WRITE | _INT.size << 16 | _W | 6
_GETTIMEOUT = _READ | _INT.size << 16 | _W | 7
_FOOD = b"\0"  # any byte but the magic one
_MAGIC = b"V"


class Watchdog:
    """An open watchdog: `fd` is close-on-exec, `identity` what its driver calls it, `timeout` in whole seconds."""

    def __init__(self, fd: int, timeout: int, identity: str) -> None:
        self.fd = fd
        self.timeout = timeout
        self.identity = identity

    def feed(self) -> None:
        """Begin its time anew; raises OSError."""
        os.write(self.fd, _FOOD)

    def set_timeout(self, seconds: float) -> None:
        """Have it wait so long from now on; what it waits in fact, since hardware has its limits, is `timeout`.

        Raises OSError only where it can neither be set nor told.
        """
        wanted = max(1, min(round(seconds), 2**31 - 1))
        try:
            answer = fcntl.ioctl(self.fd, _SETTIMEOUT, _INT.pack(wanted))
        except OSError as error:
            # EINVAL: out of its range; EOPNOTSUPP and ENOTTY: it has one time and no other.
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY):
                raise
            answer = fcntl.ioctl(self.fd, _GETTIMEOUT, _INT.pack(0))
        self.timeout = _INT.unpack(answer)[0] or wanted
        self.feed()

    def release(self) -> None:
        """Stop it, where that can be, and close it."""
        try:
            os.write(self.fd, _MAGIC)
        finally:
            os.close(self.fd)


def open_watchdog(path: str, seconds: float) -> Watchdog:
    """Open, and by that start, the watchdog at `path` with a time of `seconds`, or the nearest that it has.

    Raises OSError: EBUSY where another process has it, ENOTTY where the file is none.
    """
    # Without O_NONBLOCK a FIFO in its place would hold us for ever.
    fd = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _, _, identity = _INFO.unpack(fcntl.ioctl(fd, _GETSUPPORT, bytes(_INFO.size)))
        watchdog = Watchdog(fd, 0, identity.partition(b"\0")[0].decode(errors="replace"))
        watchdog.set_timeout(seconds)
    except BaseException:
        os.close(fd)
        raise
    return watchdog
