"""The machine that is brought up, as the steps see it: where its root is, and what was said at boot."""

from __future__ import annotations

import os
from collections.abc import Sequence

from asyncinit.machine.command_line import KernelWords, understand

_MUCH = 1 << 16


class System:
    """A machine whose root folder is `root`; `arguments` are those that PID 1 has got.

    `unopened` are those of the descriptors 0 to 2 that the kernel gave nothing for.
    """

    def __init__(self, root: str = "/", arguments: Sequence[str] = (), unopened: tuple[int, ...] = ()) -> None:
        self.root = root
        self.unopened = unopened
        self._arguments = tuple(arguments)
        self._words: KernelWords | None = None

    def path(self, name: str) -> str:
        """Return the path of a file of the machine; `name` is absolute there."""
        return os.path.join(self.root, name.lstrip("/"))

    def text(self, name: str) -> str:
        """Return what a small file says, undecodable bytes escaped; raises OSError."""
        fd = os.open(self.path(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe there holds up nobody
        try:
            return os.read(fd, _MUCH).decode(errors="backslashreplace")
        finally:
            os.close(fd)

    def write(self, name: str, text: str) -> None:
        """Write a text into a file of /proc or /sys, at once; raises OSError."""
        fd = os.open(self.path(name), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    @property
    def words(self) -> KernelWords:
        """What was said at boot; the kernel's part once /proc is there."""
        if self._words is None:
            try:
                line = self.text("/proc/cmdline")
            except OSError:
                return understand("", self._arguments)
            self._words = understand(line, self._arguments)
        return self._words
