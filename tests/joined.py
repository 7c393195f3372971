"""A client on a terminal of its own, as a person has one: what is typed, what is shown, how it ends; for tests."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence

_SIZE = (30, 100)


class Joined:
    """A program on a terminal of its own; a context manager, which leaves nothing of it."""

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], folder: str, size: tuple[int, int] = _SIZE
    ) -> None:
        self.master, self.slave = os.openpty()
        self.resize(*size)
        self.before = self.settings
        self.shown = b""
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
                for fd in (0, 1, 2):
                    os.dup2(self.slave, fd)
                os.closerange(3, 100)
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                os.chdir(folder)
                os.execve(words[0], list(words), dict(environment))
            finally:
                os._exit(127)

    def __enter__(self) -> Joined:
        return self

    def __exit__(self, *_: object) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)

    @property
    def settings(self) -> list[object]:
        """What stty shows of the terminal."""
        return termios.tcgetattr(self.slave)

    @property
    def is_raw(self) -> bool:
        return not int(termios.tcgetattr(self.slave)[3]) & termios.ICANON

    def resize(self, rows: int, columns: int) -> None:
        """Have the window be of this size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str | bytes) -> None:
        """Type something."""
        os.write(self.master, text.encode() if isinstance(text, str) else text)

    def read(self, seconds: float = 0.05) -> None:
        """Take in what is shown."""
        if select.select([self.master], [], [], seconds)[0]:
            self.shown = (self.shown + os.read(self.master, 1 << 16))[-(1 << 16) :]

    def until(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        """Wait until what was shown matches, return the match, and forget what was up to its end."""
        deadline = time.monotonic() + timeout
        while True:
            text = self.shown.decode(errors="replace")
            match = re.search(pattern, text, re.DOTALL)
            if match is not None:
                self.shown = text[match.end() :].encode()
                return match
            assert time.monotonic() < deadline, f"{pattern!r} is not in {text!r}"
            self.read()

    def wait(self, timeout: float = 30.0) -> int:
        """Return the exit status, negative for a signal."""
        deadline = time.monotonic() + timeout
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, f"it does not end: {self.shown!r}"
            self.read(0.02)
        while select.select([self.master], [], [], 0)[0]:
            self.read()
        return self.status
