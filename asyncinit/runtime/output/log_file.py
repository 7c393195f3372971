"""A log file that is appended to and renamed away when it is large; knows no lines but their ends, and no service.

Written by PID 1 itself, in whole chunks: a write to a local file is a copy into the page cache, and neither synced nor
waited for. A disk that fails may make it wait all the same; a network's file system often does, and is refused
(`output.places`).

It is never truncated. Full, it becomes NAME.1, what was NAME.1 becomes NAME.2 and so on; the renames go by the
folder's descriptor, so nobody can lead them elsewhere. A line is in one file alone: the cut is between lines. Moved or
removed by somebody else, it is made again, at a write a second later or at once by `reopen`.
"""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from asyncinit.linux import folders

LOOK_SECONDS = 1.0
"""So often, while it is written to, it is looked whether the file is still there."""
_NEWLINE = 10
COMPRESSED = ".gz"
"""What is behind the name of an old file that was compressed."""


class FilePolicy(Struct, frozen=True):
    """How a file is kept: `max_size` in bytes (`math.inf`: not rotated), `keep` old ones."""

    mode: int = 0o640
    max_size: float = 10 * 1024 * 1024
    keep: int = 5
    compress: bool = False


class LogFile:
    """The file at the absolute `path` (`output.writer.Writer`).

    `rotated` is called after each rotation; `complain` takes a line for people about what could not be done.
    """

    closed = False
    direct = True

    def __init__(
        self,
        path: str,
        policy: FilePolicy,
        *,
        rotated: Callable[[], None] = lambda: None,
        complain: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.policy = policy
        self.folder_path, self.name = os.path.split(path)
        self._rotated = rotated
        self._complain = complain
        self._clock = clock
        self._folder = -1
        self._fd = -1
        self._identity = (0, 0)
        self._size = 0
        self.midline = False
        """Whether a line is only half written: its rest belongs into the same file."""
        self._torn = False
        self._looked = 0.0
        self._postponed = 0.0

    def old_files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the names of the old files that are not compressed, the oldest first."""
        for number in range(self.policy.keep, 0, -1):
            name = f"{self.name}.{number}"
            try:
                yield name, os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            except OSError:
                pass

    @property
    def folder(self) -> int:
        """The descriptor of the folder, -1 while the file is not open."""
        return self._folder

    def open(self) -> None:
        """Open the file, or make it with its folder; what is there is left. Raises OSError."""
        folder = folders.open_folder(self.folder_path, make=True)
        try:
            fd, _new = folders.open_to_append(folder, self.name, self.policy.mode)
        except BaseException:
            os.close(folder)
            raise
        self._let_go()
        found = os.fstat(fd)
        self._folder, self._fd, self._size = folder, fd, found.st_size
        self._identity = (found.st_dev, found.st_ino)
        self._looked = self._clock()
        self.midline = False
        self._torn = bool(self._size) and os.pread(fd, 1, self._size - 1) != b"\n"

    def resume(self, midline: bool) -> None:
        """Go on where another program of ours was; `midline`: within a line, whose rest comes next."""
        self.midline = midline and self._torn
        self._torn = self._torn and not midline

    def write(self, data: memoryview) -> int:
        """Append some of `data`, and rotate before that where it does not fit. Raises OSError."""
        if self._fd < 0:
            self.open()
        elif not self.midline:
            self._look()
        if not self.midline:
            data = self._fitting(data)
        if self._torn:  # somebody's last line has no end: it gets one
            self._size += os.write(self._fd, b"\n")
            self._torn = False
        size = os.write(self._fd, self._rest_of_line(data) if self.midline else data)
        self._size += size
        self.midline = data[size - 1] != _NEWLINE
        return size

    def passes(self, error: OSError) -> bool:
        """All that can happen to a file may pass: disks are freed, folders made, rights given."""
        return True

    def reopen(self) -> None:
        """Let go of the file, which somebody may have moved, and open what is there under its name now.

        Where that fails the old one is written on. Raises OSError.
        """
        if self.midline:  # the rest of a line belongs where its beginning is
            self._looked = -math.inf
        else:
            self.open()

    def wait(self) -> None:
        """Do nothing: a file never makes a writer wait."""

    def poll(self, seconds: float) -> bool:
        """A file always takes something, or fails."""
        return True

    def close(self) -> None:
        """Give back the descriptors. Safe to call twice."""
        self._let_go()

    def _let_go(self) -> None:
        for fd in (self._fd, self._folder):
            if fd >= 0:
                os.close(fd)
        self._fd = self._folder = -1

    # -----------------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Open the file anew if its name is another file's, or nobody's, by now."""
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            found = os.stat(self.path, follow_symlinks=False)
            if (found.st_dev, found.st_ino) == self._identity:
                return
        except OSError:
            pass  # it is gone, or its folder is
        try:
            self.open()
        except OSError as error:
            self._complain(f"cannot open {self.path} again: {error.strerror}; what was moved away is written on")

    def _fitting(self, data: memoryview) -> memoryview:
        """Return what of `data`, which begins with a line, goes into this file; it may be a new one by then."""
        if self._size + len(data) <= self._limit:
            return data
        whole = _whole_lines(data, int(self._limit) - self._size)
        if not whole and self._size:
            self._rotate()
            if self._size + len(data) <= self._limit:
                return data
            whole = _whole_lines(data, int(self._limit) - self._size)
        return data[:whole] if whole else self._rest_of_line(data)

    @property
    def _limit(self) -> float:
        return max(self.policy.max_size, self._postponed)

    @staticmethod
    def _rest_of_line(data: memoryview) -> memoryview:
        end = bytes(data).find(b"\n")
        return data[: end + 1] if end >= 0 else data

    def _rotate(self) -> None:
        """Rename the chain and make a new file; where that fails, this one is written on for a while."""
        try:
            self._shift()
            self.open()
        except OSError as error:
            self._postponed = self._size + max(self.policy.max_size / 4, 64 * 1024)
            self._complain(f"cannot rotate {self.path}: {error.strerror}; it grows on")
            return
        self._postponed = 0.0
        self._rotated()

    def _shift(self) -> None:
        keep = self.policy.keep
        if not keep:
            _unlink(self._folder, self.name)
            return
        free = self._first_free(keep)
        for number in range(free, 0, -1):
            before = self.name if number == 1 else f"{self.name}.{number - 1}"
            for suffix in ("", COMPRESSED) if number > 1 else ("",):
                try:
                    os.rename(
                        before + suffix,
                        f"{self.name}.{number}{suffix}",
                        src_dir_fd=self._folder,
                        dst_dir_fd=self._folder,
                    )
                except FileNotFoundError:
                    pass

    def _first_free(self, keep: int) -> int:
        """Return the number that the chain may grow to: the first hole, or the oldest, which is removed for it."""
        for number in range(1, keep + 1):
            if not any(_exists(self._folder, f"{self.name}.{number}{suffix}") for suffix in ("", COMPRESSED)):
                return number
        for suffix in ("", COMPRESSED):
            _unlink(self._folder, f"{self.name}.{keep}{suffix}")
        return keep


def _whole_lines(data: memoryview, room: int) -> int:
    """Return how many bytes of `data` are whole lines that fit into `room`."""
    return bytes(data[: max(0, room)]).rfind(b"\n") + 1


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        return error.errno != errno.ENOENT
    return True


def _unlink(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
