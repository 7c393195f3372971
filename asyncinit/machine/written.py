"""A small file that is whole after any crash: the old content or the new one; knows none of them."""

from __future__ import annotations

import os
from contextlib import suppress


def replace_file(path: str, data: bytes, mode: int) -> None:
    """Write a file anew, to the disk, with `mode`; raises OSError, and the old file is there then as it was."""
    unfinished = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(unfinished, flags, 0o600)
    try:
        try:
            os.fchmod(fd, mode)
            while data:
                data = data[os.write(fd, data) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(unfinished, path)
    except OSError:
        with suppress(OSError):
            os.unlink(unfinished)
        raise
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_folder(path: str) -> None:
    """Make the folder of a file, and where a link that leads nowhere yet is in its place, what that leads to."""
    os.makedirs(os.path.realpath(os.path.dirname(path)), 0o755, exist_ok=True)
