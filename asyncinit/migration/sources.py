"""The files that are translated: read as text without ever blocking; knows no format."""

from __future__ import annotations

import os
import stat

from asyncinit.config.problems import printable
from asyncinit.errors import why
from asyncinit.migration.report import MigrationError

LARGEST = 4 * 1024 * 1024
"""Bytes of the largest file that is read; beyond it, it is the wrong file."""


def read_source(path: str) -> str:
    """Return the text of an ordinary file. Raises MigrationError."""
    try:
        mode = os.stat(path).st_mode  # before open(2), which wakes some devices
        if not stat.S_ISREG(mode):
            kind = "is a folder" if stat.S_ISDIR(mode) else "is no ordinary file"
            raise MigrationError(f"{printable(path)} {kind}")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise MigrationError(f"cannot read {printable(path)}: {why(error.errno or 0)}") from None
    if len(content) > LARGEST:
        raise MigrationError(f"{printable(path)} is larger than {LARGEST // 1024 // 1024} MiB")
    return _decoded(path, content)


def _decoded(path: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MigrationError(f"{printable(path)}:{line}: is not UTF-8 text; convert it first (iconv)") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise MigrationError(f"{printable(path)}:{line}: has a NUL character; it is no text")
    return text
