"""One service of a Compose file on its way to a draft: its keys, how their values are read; knows no key."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from msgspec import Struct

from asyncinit.config.problems import shown
from asyncinit.migration.compose import interpolation
from asyncinit.migration.compose.files import Project
from asyncinit.migration.compose.parsing import Value
from asyncinit.migration.report import Ledger, MigrationError, Setting, Verdict
from asyncinit.migration.service import Draft, Path

_TRUE, _FALSE = frozenset(("true", "yes", "on")), frozenset(("false", "no", "off"))
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|ns)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_SIZE = re.compile(r"([0-9]{1,18})(?:\.0+)?\s*([kmgt]?)i?b?", re.IGNORECASE)

HERE = "127.0.0.1"
"""Where the other services are: all share the network of the machine."""


class Others(Struct, frozen=True):
    """The names of all services, and what finds one that stands for a host in a text."""

    names: frozenset[str]
    hosts: re.Pattern[str]


def others(names: Iterable[str]) -> Others:
    """Return what is to be known of the services called `names`."""
    known = frozenset(names)
    words = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    in_address, with_port = (
        rf"(?:(?<=://)|(?<=@))(?:{words})(?=[:/,?]|$)",
        rf"(?:^|(?<=[,=\s]))(?:{words})(?=:(?:[0-9]|\$))",
    )
    return Others(known, re.compile(f"{in_address}|{with_port}"))


class Service:
    """A service: what the file says of it, what others want of it, and the draft that is made."""

    def __init__(self, name: str, value: Value, draft: Draft, project: Project, others: Others) -> None:
        self.name = name
        self.value = value
        self.draft = draft
        self.variables = project.variables
        self.dotenv = project.dotenv
        self._project = project
        self.folder = project.folder_of(value)
        self.missing = False
        self.listens: list[str] = []
        self.binds: list[tuple[str, str]] = []
        self._others = others
        self._said: set[str] = set()

    @property
    def ledger(self) -> Ledger:
        """Where it is said what became of each key."""
        return self.draft.ledger

    def add(self, key: str, value: Value, hidden: bool = False) -> Setting:
        """Take down a key; until something is said of it, it has no equivalent."""
        text = f"{key}: {'...' if hidden else value.flat()}".rstrip()
        name = f"services.{self.name}.{key}"
        parts = key.split(".")
        self._said |= {".".join(parts[:many]) for many in range(1, len(parts) + 1)}
        return self.ledger.add(value.file, value.line, name, value.flat(), text=text, service=self.draft.name)

    def has_said(self, key: str) -> bool:
        """Tell whether a key, or one within it, has been taken down."""
        return key in self._said

    def put(self, setting: Setting | None, key: str | Path, value: object, note: str = "", exact: bool = True) -> None:
        """Give a key its value."""
        self.draft.put(setting, key, value, note, Verdict.TRANSLATED if exact else Verdict.APPROXIMATED)

    def live(self, text: str) -> str:
        """Return a text for a key in which asyncinit replaces variables."""
        return interpolation.kept(text, self.variables)

    def fixed(self, value: Value, setting: Setting | None = None) -> str | None:
        """Return a text for a key that takes no variable; None, and said so, where one has no value."""
        if value.text is None:
            return None
        try:
            text = interpolation.fixed(value.text, self.variables)
        except interpolation.Unset as name:
            if setting is not None:
                note = f"takes no variable here, and {name} has no value: write it out"
                self.ledger.say(setting, Verdict.NO_EQUIVALENT, note)
            return None
        if setting is not None and interpolation.has_variable(value.text):
            self.ledger.say(setting, Verdict.APPROXIMATED, f"takes no variable here: written out as {shown(text)}")
        return text

    def at_home(self, text: str) -> str:
        """Return a text in which another service's name, where it is a host, is the address of this machine."""
        return self._others.hosts.sub(HERE, text) if "/" in text or "@" in text or ":" in text else text

    def is_service(self, text: str) -> bool:
        """Tell whether a text is the name of a service."""
        return text in self._others.names

    def outside(self, path: str) -> str | None:
        """Return what a path in the container is outside of it, None where it is only in the image."""
        found = [
            (target, source)
            for source, target in self.binds
            if path == target or path.startswith(target.rstrip("/") + "/")
        ]
        if not found:
            return None
        target, source = max(found)
        return os.path.normpath(source + path[len(target.rstrip("/")) :])

    def absolute(self, path: str, value: Value) -> str:
        """Return a path that a value says as seen from everywhere."""
        return os.path.normpath(os.path.join(self._project.folder_of(value), os.path.expanduser(path)))


def is_true(value: Value) -> bool:
    """Return what a key says that is true or false. Raises MigrationError."""
    word = (value.text or "").lower()
    if word not in _TRUE | _FALSE:
        raise MigrationError(f"{value.where}: {shown(value.text or '')} is neither true nor false")
    return word in _TRUE


def duration(value: Value, text: str) -> str:
    """Return a duration as asyncinit writes it. Raises MigrationError."""
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text):
        raise MigrationError(f"{value.where}: {shown(text)} is no duration such as 1m30s")
    if all(unit not in ("us", "ns") for _, unit in parts):
        return text
    return f"{sum(float(number) * _SECONDS[unit] for number, unit in parts):.6f}s"


def size(value: Value, text: str) -> str | int:
    """Return a size as asyncinit writes it. Raises MigrationError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise MigrationError(f"{value.where}: {shown(text)} is no size such as 512m")
    return f"{found[1]}{found[2].upper()}" if found[2] else int(found[1])


def number(value: Value, text: str, least: int = 0) -> int:
    """Return an integer. Raises MigrationError."""
    if not re.fullmatch(r"-?[0-9]{1,12}", text) or int(text) < least:
        raise MigrationError(f"{value.where}: {shown(text)} is no integer from {least} on")
    return int(text)
