"""Where units are: files, folders, drop-ins, aliases, as systemd looks for them; reads no unit."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from asyncinit.config.problems import printable
from asyncinit.config.values import close_to
from asyncinit.errors import why
from asyncinit.migration.report import MigrationError
from asyncinit.migration.systemd.names import UnitName, parsed

FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Where a system's units are; what is in an earlier one counts alone."""

_DROP_INS = ".d"


class Library:
    """The folders in which units are found, the first ones first."""

    def __init__(self, folders: Sequence[str] = FOLDERS) -> None:
        self.folders = tuple(dict.fromkeys(folders))

    def path_of(self, name: UnitName) -> str | None:
        """Return the file of a unit, of an instance that of its template; None: there is none."""
        for candidate in (name, name.of_template):
            for folder in self.folders if candidate is not None else ():
                path = os.path.join(folder, str(candidate))
                if os.path.lexists(path):
                    return path
        return None

    def canonical(self, name: UnitName) -> UnitName:
        """Return the name of the unit that an alias, a link to another unit's file, stands for."""
        path = self.path_of(name)
        if path is None or not os.path.islink(path):
            return name
        target = parsed(os.path.basename(os.path.realpath(path)))
        if target is None or target.kind != name.kind or target.at != name.at or target == name.of_template:
            return name
        return UnitName(target.prefix, True, name.instance, name.kind) if target.template else target

    def drop_ins(self, name: UnitName, beside: str = "") -> list[str]:
        """Return the drop-ins of a unit in the order in which they are laid over it.

        `beside` is a folder to look into first: that of a file that was given.
        """
        found: dict[str, str] = {}
        folders = tuple(dict.fromkeys([*([beside] if beside else []), *self.folders]))
        for suffix in _names_of_drop_ins(name):
            for folder in reversed(folders):
                for file, path in _files(os.path.join(folder, suffix)):
                    found[file] = path
        return [path for _, path in sorted(found.items()) if not is_masked(path)]

    def units(self) -> list[UnitName]:
        """Return the names of all units that have a file."""
        names = (parsed(name) for folder in self.folders for name in _names(folder))
        return list(dict.fromkeys(name for name in names if name is not None))

    def wanted(self, text: str) -> UnitName:
        """Return the unit that somebody means by a name, with its kind or without. Raises MigrationError."""
        given = parsed(text)
        candidates = [given] if given is not None else [parsed(f"{text}.{kind}") for kind in _LOOKED_FOR]
        for name in candidates:
            if name is not None and self.path_of(name) is not None:
                return self.canonical(name)
        guess = close_to(text, [*map(str, self.units()), *(name.stem for name in self.units())])
        hint = f"; did you mean {guess}?" if guess else ""
        looked = ", ".join(self.folders)
        raise MigrationError(f"there is no unit {printable(text)} in {printable(looked)}{hint}")


_LOOKED_FOR = ("service", "socket", "timer", "target")


def is_masked(path: str) -> bool:
    """Tell whether a file says that there shall be none: a link to /dev/null, or empty."""
    try:
        found = os.stat(path)
        return os.path.realpath(path) == os.devnull or (stat.S_ISREG(found.st_mode) and found.st_size == 0)
    except OSError:
        return False


def units_in(folder: str) -> list[str]:
    """Return the paths of the units in a folder. Raises MigrationError."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise MigrationError(f"cannot read {printable(folder)}: {why(error.errno or 0)}") from None
    return [os.path.join(folder, name) for name in names if is_unit_file(os.path.join(folder, name))]


def is_unit_file(path: str) -> bool:
    """Tell whether a file is that of a unit: by its name."""
    return parsed(os.path.basename(path)) is not None and not os.path.isdir(path)


def _names_of_drop_ins(name: UnitName) -> Iterator[str]:
    """Yield the names of folders of drop-ins, from those of all units of a kind to a unit's own."""
    yield f"{name.kind}{_DROP_INS}"
    parts = name.prefix.split("-")
    for count in range(1, len(parts)):
        yield f"{'-'.join(parts[:count])}-.{name.kind}{_DROP_INS}"
    if name.of_template is not None:
        yield f"{name.of_template}{_DROP_INS}"
    yield f"{name}{_DROP_INS}"


def _files(folder: str) -> Iterator[tuple[str, str]]:
    for name in _names(folder):
        path = os.path.join(folder, name)
        if name.endswith(".conf") and not name.startswith(".") and not os.path.isdir(path):
            yield name, path


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []  # there is no such folder, or it is none of ours
