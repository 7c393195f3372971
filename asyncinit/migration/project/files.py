"""Files of a project as hints: a text with its lines; what is not there, or unreadable, gives no hint."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from msgspec import Struct

from asyncinit.migration.report import MigrationError
from asyncinit.migration.sources import read_source

_LEFT_OUT = frozenset(
    ("node_modules", "venv", "env", "dist", "build", "target", "vendor", "tests", "test", "__pycache__")
)
_MOST = 2000
_DEEPEST = 4


class Hint(Struct, frozen=True):
    """What was seen: in which file, on which line, in which words."""

    file: str
    line: int | None
    text: str


def text_of(path: str) -> str | None:
    """Return the text of a file, None where there is none to be read."""
    if not os.path.isfile(path):
        return None
    try:
        return read_source(path)
    except MigrationError:
        return None


def line_of(text: str, pattern: str) -> int | None:
    """Return the line on which a pattern is found first."""
    found = re.search(pattern, text, re.MULTILINE)
    return None if found is None else text.count("\n", 0, found.start()) + 1


def is_own(name: str) -> bool:
    """Tell whether a file or folder called `name` is the project's own, and not installed or made."""
    return not name.startswith(".") and name not in _LEFT_OUT


def sources(folder: str, suffix: str) -> Iterator[str]:
    """Yield the source files of a project, those at the top first; not what was installed or made."""
    level, seen = [folder], 0
    for _ in range(_DEEPEST):
        below: list[str] = []
        for place in level:
            try:
                entries = sorted(os.scandir(place), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                seen += 1
                if seen > _MOST:
                    return
                if not is_own(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
                elif entry.name.endswith(suffix) and entry.is_file(follow_symlinks=False):
                    yield os.path.normpath(entry.path)
        level = below
