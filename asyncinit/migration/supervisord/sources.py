"""The files of a supervisord.conf: itself and those that it includes, as sections; knows `[include]` and no other."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

from msgspec import Struct

from asyncinit.config.problems import printable, shown
from asyncinit.migration.report import MigrationError
from asyncinit.migration.sources import read_source
from asyncinit.migration.supervisord.parsing import Option, expanded, pairs, parse
from asyncinit.migration.variables import CLOSE, OPEN

MOST_FILES = 1000
"""Files that one includes; beyond it a pattern has caught something else."""

INCLUDE = ("include", "files")


class Section(Struct):
    """A section: its options by key as the last file has them."""

    name: str
    options: dict[str, Option]

    @property
    def kind(self) -> str:
        """What stands before the colon."""
        return self.name.partition(":")[0].strip()

    @property
    def subject(self) -> str:
        """What stands after the colon: the name of a program or group."""
        return self.name.partition(":")[2].strip()


def read(paths: Sequence[str]) -> list[Option]:
    """Return the options of the files and of those that they include, as supervisord reads them, one after the other.

    Raises MigrationError.
    """
    found: list[Option] = []
    for path in paths:
        own = list(parse(path, read_source(path)))
        found += own
        for option in own:
            if (option.section, option.key) == INCLUDE:
                for other in included(option):
                    found += parse(other, read_source(other))
    return found


def sections(options: Sequence[Option]) -> dict[str, Section]:
    """Return the options by section; of one that is there twice the last counts."""
    made: dict[str, Section] = {}
    for option in options:
        made.setdefault(option.section, Section(option.section, {})).options[option.key] = option
    return made


def here(option: Option) -> str:
    """Return what `%(here)s` stands for: the folder of the file."""
    return os.path.dirname(os.path.abspath(option.file))


def included(option: Option) -> list[str]:
    """Return the files that `[include] files` names. Raises MigrationError."""
    found: list[str] = []
    for pattern in expanded(option, {"here": here(option), "host_node_name": os.uname().nodename}).split():
        if OPEN in pattern:
            text = shown(pattern.replace(OPEN, "%(ENV_").replace(CLOSE, ")s"))
            where = f"{printable(option.file)}:{option.line}: files"
            raise MigrationError(f"{where}: {text} depends on an environment; name these files on the command line")
        found += sorted(glob.glob(os.path.join(here(option), pattern)))
    if len(found) > MOST_FILES:
        raise MigrationError(f"{printable(option.file)} includes {len(found)} files; that is more than anyone has")
    return list(dict.fromkeys(found))


def text_of(option: Option) -> str:
    """Return an option as reports show it: of an environment only the names, for it may have secrets."""
    value = " ".join(option.value.split("\n"))
    if option.key == "environment":
        value = _names(value)
    elif option.key == "password":
        value = "***"
    return f"{option.key}={value}"


def _names(environment: str) -> str:
    try:
        return ",".join(pairs(environment))
    except ValueError:
        return "..."
