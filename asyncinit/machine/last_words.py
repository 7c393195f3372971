"""What is said when nobody else can say it any more: to the console and to the kernel's log; knows no step.

Never waits for long: a serial line without a reader, or a terminal that somebody has stopped with ^S, must not keep the
machine from going down. What has no room is lost on the console, and stays in the kernel's log.
"""

from __future__ import annotations

import os
import select
import time

_CONSOLE, _KERNEL = "/dev/console", "/dev/kmsg"
_PATIENCE = 1.0  # for a line, on a console that takes it slowly
_LIMIT = 800  # the kernel takes no more at once
_LEVEL = b"<7>"  # KERN_DEBUG: not on the console a second time


class LastWords:
    """Opened anew, since what PID 1 had as its output may be a pipe to a log service that is no more."""

    def __init__(self, console: str = _CONSOLE, kernel: str = _KERNEL) -> None:
        self._console = _open(console)
        self._kernel = _open(kernel)
        self._stuck = False
        self.descriptors = tuple(fd for fd in (self._console, self._kernel) if fd >= 0)

    def say(self, text: str) -> None:
        """Tell a line; never raises."""
        data = f"asyncinit: {text}".encode(errors="replace")
        if self._kernel >= 0:
            try:
                os.write(self._kernel, _LEVEL + data[:_LIMIT])
            except OSError:
                pass
        if self._console >= 0:
            self._write(data + b"\r\n")

    def _write(self, data: bytes) -> None:
        end = time.monotonic() + (0.0 if self._stuck else _PATIENCE)
        room = select.poll()
        room.register(self._console, select.POLLOUT)
        while data:
            if not room.poll(max(0.0, 1000 * (end - time.monotonic()))):
                self._stuck = True  # once is enough: each further line has its chance, but nobody waits
                return
            try:
                data = data[os.write(self._console, data) :]
            except BlockingIOError:
                continue
            except OSError:
                return
        self._stuck = False


def _open(path: str) -> int:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1
    return fd
