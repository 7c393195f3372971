"""Compress old log files in a child, one after another; PID 1 only renames.

The child reads NAME.3 and writes NAME.compressing. Meanwhile NAME.3 may have become NAME.4 or have gone, so when it is
done the file is looked for by its inode: then NAME.4.gz takes the place of NAME.4 at once. What a crash leaves behind
is a NAME.compressing that the next one replaces, or a pair of which `asyncinit logs` reads one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from asyncinit.errors import SpawnError
from asyncinit.linux import folders
from asyncinit.runtime.output.log_file import COMPRESSED, LogFile

TIMEOUT = 600.0
"""Seconds for one file; a machine that needs longer is in trouble, and its file stays as it is."""

_TEMPORARY = ".compressing"
_CHUNK = 1 << 20
_GZIP = 31  # zlib's window bits for a gzip header and trailer


class Identity(Struct, frozen=True):
    """Who a file is, whatever its name."""

    device: int
    inode: int


Step = Callable[[str], None]
Done = Callable[[Identity | SpawnError], None]


_GONE = Identity(0, 0)
"""Nobody: the file had another name, or had gone, before the child looked."""


class RunInChild(Protocol):
    """What runs a function in a child: `runtime.process.offload.Offloader.run`."""

    def __call__(
        self, function: Callable[[Step], Identity], result: type[Identity], timeout: float, done: Done
    ) -> object:
        """Call `function` in a child and `done`, later, with its result or the failed step."""


class Compressor:
    """Compress what `file` has rotated away, whenever `look` is called."""

    def __init__(self, file: LogFile, run: RunInChild, complain: Callable[[str], None]) -> None:
        self._file = file
        self._run = run
        self._complain = complain
        self._busy = False

    def look(self) -> None:
        """Begin with the oldest file that is not compressed, unless one is under way."""
        if self._busy or self._file.folder < 0:
            return
        name = next((name for name, found in self._file.old_files() if stat.S_ISREG(found.st_mode)), None)
        if name is None:
            return
        self._busy = True
        folder, temporary = self._file.folder_path, self._file.name + _TEMPORARY

        def work(step: Step) -> Identity:
            step(f"compress {folder}/{name}")
            os.nice(10)
            return compress(folder, name, temporary)

        self._run(work, Identity, TIMEOUT, self._done)

    def _done(self, result: Identity | SpawnError) -> None:
        self._busy = False
        if isinstance(result, SpawnError):
            self._complain(str(result))  # and tried again after the next rotation
            return
        folder = self._file.folder
        if folder < 0:
            return
        temporary = self._file.name + _TEMPORARY
        if result == _GONE:
            self.look()
            return
        try:
            name = next((n for n, found in self._file.old_files() if _identity(found) == result), None)
            if name is None:
                os.unlink(temporary, dir_fd=folder)
            else:
                os.rename(temporary, name + COMPRESSED, src_dir_fd=folder, dst_dir_fd=folder)
                os.unlink(name, dir_fd=folder)
        except OSError as error:
            self._complain(f"cannot put the compressed {self._file.path} in its place: {error.strerror}")
            return
        self.look()


def compress(folder_path: str, name: str, temporary: str) -> Identity:
    """In a child: compress `name` into `temporary`, both in the folder, and return who `name` is. Raises OSError."""
    import zlib

    folder = folders.open_folder(folder_path)
    try:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return _GONE
    found = os.fstat(source)
    try:
        os.unlink(temporary, dir_fd=folder)
    except FileNotFoundError:
        pass
    target = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
    try:
        try:
            os.fchown(target, -1, found.st_gid)
        except OSError:
            pass  # a group that is not ours; then it keeps ours
        os.fchmod(target, stat.S_IMODE(found.st_mode))
        packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        while data := os.read(source, _CHUNK):
            _write(target, packer.compress(data))
        _write(target, packer.flush())
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    except BaseException:
        os.unlink(temporary, dir_fd=folder)
        raise
    return _identity(found)


def _identity(found: os.stat_result) -> Identity:
    return Identity(found.st_dev, found.st_ino)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
