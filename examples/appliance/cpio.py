"""An archive that the kernel unpacks as its first root file system (cpio, "newc"), written without being root."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

FIRST_DEVICES = (("/dev/console", 5, 1, 0o600), ("/dev/null", 1, 3, 0o666), ("/dev/urandom", 1, 9, 0o666))
"""What the first program needs before it can mount devtmpfs: path, numbers, mode.

Python, as init, reads /dev/urandom in its own start where the kernel has no random numbers yet, and ends (and the
kernel with it) if that is not there.
"""


class Archive:
    """An archive that is written to a file; all in it belongs to root, and folders are made as they are needed."""

    def __init__(self, path: Path | IO[bytes]) -> None:
        self._file = path.open("wb") if isinstance(path, Path) else path
        self._written = 0
        self._made: set[str] = set()
        self._number = 0
        self._entry(".", stat.S_IFDIR | 0o755, b"", 0)  # the kernel's root is open to all at first

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._entry("TRAILER!!!", 0, b"", 0)
        self._file.close()

    def file(self, name: str, data: bytes, mode: int = 0o644, changed: float = 0) -> None:
        """Add a file."""
        self._parents(name)
        self._entry(name, stat.S_IFREG | mode, data, int(changed))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._parents(name)
        self._entry(name, stat.S_IFLNK | 0o777, target.encode(), 0)

    def folder(self, name: str, mode: int = 0o755) -> None:
        """Add a folder."""
        self._parents(name)
        if name.strip("/") not in self._made:
            self._made.add(name.strip("/"))
            self._entry(name, stat.S_IFDIR | mode, b"", 0)

    def device(self, name: str, major: int, minor: int, mode: int = 0o666) -> None:
        """Add a node of a character device; to unpack it is the kernel's work, so that nobody has to be root here."""
        self._parents(name)
        self._entry(name, stat.S_IFCHR | mode, b"", 0, (major, minor))

    def copy(self, path: Path | str, name: str) -> None:
        """Add a file of this machine, with its time: Python compares that with its compiled form's."""
        found = os.stat(path)
        self.file(name, Path(path).read_bytes(), found.st_mode & 0o777, found.st_mtime)

    def tree(self, folder: Path) -> None:
        """Add all that is in a folder of this machine."""
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_symlink():
                self.link(name, os.readlink(path))
            elif path.is_dir():
                self.folder(name, path.stat().st_mode & 0o7777)
            else:
                self.copy(path, name)

    def _parents(self, name: str) -> None:
        for parent in reversed([str(one) for one in Path(name.strip("/")).parents]):
            if parent != "." and parent not in self._made:
                self._made.add(parent)
                self._entry(parent, stat.S_IFDIR | 0o755, b"", 0)

    def _entry(self, name: str, mode: int, data: bytes, changed: int, device: tuple[int, int] = (0, 0)) -> None:
        self._number += 1
        text = name.strip("/").encode() + b"\0"
        fields = (self._number, mode, 0, 0, 1, changed, len(data), 0, 0, *device, len(text), 0)
        self._write(b"070701" + b"".join(b"%08X" % field for field in fields) + text)
        self._write(data)

    def _write(self, data: bytes) -> None:
        """Write, filled up to a multiple of four bytes."""
        data += b"\0" * (-(self._written + len(data)) % 4)
        self._file.write(data)
        self._written += len(data)
