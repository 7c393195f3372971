"""One service of a program on its way to a draft: its options, and how their values are read; knows no option."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from asyncinit.config.problems import printable, shown
from asyncinit.migration.report import MigrationError, Setting, Verdict
from asyncinit.migration.service import Draft
from asyncinit.migration.supervisord.parsing import Option, expanded, pairs
from asyncinit.migration.supervisord.sources import Section, here
from asyncinit.migration.variables import CLOSE, OPEN, written

HOST = f"{OPEN}HOSTNAME:-{os.uname().nodename}{CLOSE}"  # which few environments have
INSTANCE = f"{OPEN}INSTANCE{CLOSE}"
FALSE = frozenset(("false", "no", "off", "0"))
_TRUE = frozenset(("true", "yes", "on", "1"))


class Process:
    """A service: the options of its section, what is known where they are written, the draft that is made of them."""

    def __init__(
        self,
        section: Section,
        settings: dict[Option, Setting],
        draft: Draft,
        known: dict[str, str],
        number: Callable[[str], str],
    ) -> None:
        self.section, self.options = section, section.options
        self._settings = settings
        self.draft = draft
        self._known, self._number = known, number

    def setting(self, option: Option) -> Setting:
        """Return what an option is in the ledger."""
        return self._settings[option]

    def say(self, option: Option, verdict: Verdict, note: str = "", key: str = "") -> None:
        """Say in the ledger what became of an option."""
        self.draft.ledger.say(self._settings[option], verdict, note, f"{self.draft.name}: {key}" if key else "")

    def put(
        self, option: Option, key: str | tuple[str, ...], value: object, note: str = "", exact: bool = True
    ) -> None:
        """Give a key its value, because of an option."""
        self.draft.put(self._settings[option], key, value, note, Verdict.TRANSLATED if exact else Verdict.APPROXIMATED)

    def raw(self, option: Option) -> str:
        """Return a value with supervisord's own expressions replaced, variables still marked."""
        return expanded(option, {"here": here(option), **self._known}, self._number)

    def environment(self, option: Option) -> dict[str, str]:
        """Return the variables of an `environment`."""
        return environment_of(option, self._known, self._number)

    def flag(self, key: str, default: bool) -> bool:
        """Return what an option says that is true or false. Raises MigrationError."""
        option = self.options.get(key)
        if option is None:
            return default
        word = option.value.lower()
        if word not in _TRUE | FALSE:
            raise MigrationError(f"{where(option)}: {shown(option.value)} is neither true nor false")
        return word in _TRUE

    def integer(self, key: str, default: int) -> int:
        """Return the number that an option says. Raises MigrationError."""
        return integer(self.section, key, default)


def environment_of(
    option: Option, known: dict[str, str] | None = None, number: Callable[[str], str] | None = None
) -> dict[str, str]:
    """Return the variables of an `environment`. Raises MigrationError."""
    try:
        return pairs(expanded(option, {"here": here(option), "host_node_name": HOST, **(known or {})}, number))
    except ValueError as error:
        raise MigrationError(f"{where(option)}: {printable(str(error))}") from None


def text_for(option: Option) -> str:
    """Return an option's text as asyncinit reads it, of a section that is no program's."""
    return written(expanded(option, {"here": here(option), "host_node_name": HOST}))


def where(option: Option) -> str:
    """Return how an error begins that is about an option."""
    return f"{printable(option.file)}:{option.line}: {printable(option.key)}"


def integer(section: Section, key: str, default: int) -> int:
    """Return the number that an option says. Raises MigrationError."""
    option = section.options.get(key)
    if option is None:
        return default
    text = option.value.strip()
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise MigrationError(f"{where(option)}: {shown(option.value)} is no number")
    return int(text)
