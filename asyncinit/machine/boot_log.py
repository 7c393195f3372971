"""What is told before asyncinit's own log is there: lines for the kernel's log, which shows them on the console.

The kernel keeps them (dmesg), and shows on the console what its log level lets through: with `quiet` that is nothing
but what matters. Where there is no /dev/kmsg they go to our standard error.
"""

from __future__ import annotations

import os
from enum import IntEnum

_DAEMON = 3 << 3  # the facility, <syslog.h>
_LONGEST = 900  # the kernel takes 976 bytes (LOG_LINE_MAX before 5.17)
_WAITING = 200


class Level(IntEnum):
    """How much a line matters, as syslog(3) has it."""

    ERROR = 3
    WARNING = 4
    INFO = 6


class BootLog:
    """Lines for /dev/kmsg; those that come before it can be opened wait for that.

    Descriptors carried: one until `close`, close-on-exec.
    """

    def __init__(self, path: str = "/dev/kmsg") -> None:
        self._path = path
        self._fd = -1
        self._waiting: list[bytes] = []

    def tell(self, text: str, level: Level = Level.INFO) -> None:
        """Write lines; never raises."""
        for line in text.splitlines():
            self._waiting.append(b"<%d>asyncinit: %s\n" % (_DAEMON | level, line.encode(errors="replace")[:_LONGEST]))
        self.flush()
        del self._waiting[_WAITING:]

    def flush(self) -> bool:
        """Write what waits, if that can be done by now; return whether it can."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError:
                return False
        try:
            while self._waiting:
                os.write(self._fd, self._waiting[0])
                del self._waiting[0]
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Give the descriptor back; what could not be written anywhere else goes to our standard error."""
        if not self.flush():
            try:
                os.write(2, b"".join(line.partition(b">")[2] for line in self._waiting))
            except OSError:
                pass  # nobody hears it
        self._waiting.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
