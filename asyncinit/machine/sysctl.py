"""The kernel's settings in /proc/sys, as the files of sysctl.d(5) declare them.

Of files with the same name the one of the later folder is read; all in the order of their names, and of one setting the
last value counts. A `-` before a setting means that its failure is nobody's concern, or, without a value, that a
pattern does not reach it.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator
from typing import NamedTuple

from asyncinit.errors import AsyncinitError, why
from asyncinit.machine.system import System

FOLDERS = ("/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/etc/sysctl.d", "/run/sysctl.d")
"""Where the files are, *.conf each; /etc/sysctl.conf comes last."""

_LAST = "/etc/sysctl.conf"
_PATTERN = set("*?[")
_MOST_TOLD = 5


class Setting(NamedTuple):
    """A line: `key` as a path below /proc/sys; `value` None: patterns leave it alone. `place`: file and line."""

    key: str
    value: str | None
    optional: bool
    place: str


def apply(system: System) -> str:
    """Apply all settings; raises AsyncinitError with those that were refused. Returns how many were written."""
    wrong: list[str] = []
    settings = list(_declared(system, wrong))
    excluded = {one.key for one in settings if one.value is None}
    named = {one.key for one in settings if one.value is not None and not _PATTERN & set(one.key)}
    written = 0
    for one in settings:
        if one.value is None:
            continue
        for key in _keys(one, system, excluded | named):
            try:
                system.write(f"/proc/sys/{key}", one.value)
                written += 1
            except OSError as error:
                if not one.optional:
                    wrong.append(f"{one.place}: {key.replace('/', '.')}: {why(error.errno or 0)}")
    if wrong:
        more = f" and {len(wrong) - _MOST_TOLD} more" if wrong[_MOST_TOLD:] else ""
        raise AsyncinitError("; ".join(wrong[:_MOST_TOLD]) + more)
    return f"{written} settings" if written else ""


def _keys(one: Setting, system: System, apart: set[str]) -> list[str]:
    """Return the keys that a setting is for: one, or those that its pattern reaches and that no line names."""
    if not _PATTERN & set(one.key):
        return [one.key]
    base = system.path("/proc/sys")
    found = (os.path.relpath(path, base) for path in glob.glob(os.path.join(glob.escape(base), one.key)))
    return sorted(key for key in found if key not in apart)


def _declared(system: System, wrong: list[str]) -> Iterator[Setting]:
    for path in _files(system):
        try:
            lines = system.text(path).splitlines()
        except OSError as error:
            wrong.append(f"{path}: {why(error.errno or 0)}")
            continue
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if text and text[0] not in "#;":
                setting = _setting(text, f"{path}:{number}")
                if isinstance(setting, str):
                    wrong.append(setting)
                else:
                    yield setting


def _setting(text: str, place: str) -> Setting | str:
    """Return what a line says, or what is wrong with it."""
    key, equals, value = text.partition("=")
    key = key.strip()
    optional = key.startswith("-")
    key = _path(key.removeprefix("-").strip())
    if not key or (not equals and not optional) or ".." in key.split("/"):
        return f"{place}: expected SETTING = VALUE"
    return Setting(key, value.strip() if equals else None, optional, place)


def _path(key: str) -> str:
    """Return a setting as a path: the first separator that is used in it, a dot or a slash, separates."""
    dot, slash = key.find("."), key.find("/")
    if dot >= 0 and (slash < 0 or dot < slash):
        key = key.translate(str.maketrans("./", "/."))
    return key.strip("/")


def _files(system: System) -> list[str]:
    found: dict[str, str] = {}
    for folder in FOLDERS:
        try:
            names = os.listdir(system.path(folder))
        except OSError:
            continue
        found |= {name: f"{folder}/{name}" for name in fnmatch.filter(names, "*.conf")}
    files = [found[name] for name in sorted(found)]
    last = os.path.realpath(system.path(_LAST))
    if os.path.exists(last) and last not in {os.path.realpath(system.path(file)) for file in files}:
        files.append(_LAST)  # Debian has a link to it in /etc/sysctl.d
    return files
