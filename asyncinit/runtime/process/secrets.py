"""Copy a service's secrets into a file system in memory, which is nowhere yet; may block, so a child does it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping

from asyncinit.errors import SpawnError, why
from asyncinit.linux import mounting as kernel

MOST = 1 << 20
"""Bytes of all secrets of a service together."""

_FILE_MODE = 0o400


def contents(files: Iterable[tuple[str, str]]) -> dict[str, bytes]:
    """Return what is in `files` (name, source; "-" before: may be absent), by name. Raises SpawnError."""
    found = {}
    left = MOST
    for name, source in files:
        data = _read(name, source, left)
        if data is not None:
            left -= len(data)
            found[name] = data
    return found


def file_system(found: Mapping[str, bytes], owner: tuple[int, int] | None, attributes: int) -> int:
    """Return a mount, at no place yet, with files that have these contents, for `owner` to read.

    For a root of the user namespace in which it is used: nobody else can make files there.
    """
    tree = _file_system(attributes & ~kernel.READ_ONLY)
    for name, data in found.items():
        _write(tree, name, data, owner)
    if owner is not None:
        os.chown(".", *owner, dir_fd=tree)
    kernel.restrict(tree, attributes | kernel.READ_ONLY)
    return tree


def _file_system(attributes: int) -> int:
    """Return one that is never swapped out, or in a user namespace, which may not have that, one that is."""
    try:
        return kernel.make("ramfs", {"mode": "0500"}, attributes)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENODEV):
            raise
    return kernel.make("tmpfs", {"mode": "0500", "size": str(2 * MOST)}, attributes)


def _read(name: str, source: str, left: int) -> bytes | None:
    """Return what is in a file of at most `left` bytes, None: it is absent, and may be."""
    path = source.removeprefix("-")
    step = f"provide security.credentials.{name}"
    try:
        # Whoever has put a pipe there shall not hold us up.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        if source.startswith("-"):
            return None
        raise SpawnError(step, error.errno or 0, f"{path}: {why(error.errno or 0)}") from None
    except OSError as error:
        raise SpawnError(step, error.errno or 0, f"{path}: {why(error.errno or 0)}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise SpawnError(step, errno.EINVAL, f"{path} is not a regular file")
    with open(fd, "rb") as file:
        data = file.read(left + 1)
    if len(data) > left:
        raise SpawnError(step, errno.EFBIG, f"{path}: all of them together may have {MOST >> 20} MiB")
    return data


def _write(tree: int, name: str, data: bytes, owner: tuple[int, int] | None) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE, dir_fd=tree)
    with open(fd, "wb") as file:
        os.fchmod(fd, _FILE_MODE)  # whatever our umask
        if owner is not None:
            os.fchown(fd, *owner)
        file.write(data)
