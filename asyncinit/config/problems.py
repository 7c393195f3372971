"""What is wrong with a configuration, in words: one line a problem, plain text; finds nothing itself.

Everything that comes out of a file or a file's name goes through `shown` or `printable`: no control character, escape
sequence or direction mark of a hostile file reaches a terminal.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from enum import Enum

from msgspec import Struct

from asyncinit.errors import AsyncinitError

Path = tuple[str | int, ...]
"""Where a value stands in a document: keys, and indices into lists."""

_LONGEST = 60
_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


class Severity(Enum):
    """Errors keep a service from being used; warnings tell of what probably is a mistake."""

    ERROR = "error"
    WARNING = "warning"


class Finding(Struct, frozen=True):
    """A problem before its file and line are known: where in the document, and what; texts are ready to be shown.

    `key` is the path. `problem` may be empty where `found` and `expected` say all.
    """

    key: Path
    problem: str = ""
    found: str = ""
    expected: str = ""
    suggestion: str = ""
    severity: Severity = Severity.ERROR


class Problem(Struct, frozen=True):
    """One thing that is wrong, for people: `str()` gives its line.

    `key` is the dotted key, empty for the file as a whole; `line` counts from 1, None where it has none or could not be
    found out; `service` is the name of the service that cannot be used, None for the whole configuration. It is wrong
    where `profile` is active.
    """

    file: str
    line: int | None
    service: str | None
    key: str
    problem: str
    found: str = ""
    expected: str = ""
    suggestion: str = ""
    severity: Severity = Severity.ERROR
    profile: str = ""

    def __str__(self) -> str:
        place = printable(self.file)
        if self.line is not None:
            place += f":{self.line}"
        kind = "warning: " if self.severity is Severity.WARNING else ""
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {kind}{key}{self.text}"

    @property
    def text(self) -> str:
        """What is wrong, without the place."""
        details = ", ".join(
            f"{word} {text}" for word, text in (("found", self.found), ("expected", self.expected)) if text
        )
        text = f"{self.problem} ({details})" if self.problem and details else self.problem or details
        text = f"with profile {self.profile}: {text}" if self.profile else text
        return f"{text}; did you mean {self.suggestion}?" if self.suggestion else text


class ConfigErrors(AsyncinitError):  # noqa: N818 - it is many, and named so in the contract of the layers
    """A configuration cannot be used; `problems` has all that is wrong, in order, warnings too."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = in_order(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems by file, line and key, each once."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda problem: (problem.file, problem.line or 0, problem.key, problem.text)))


def errors_of(problems: Iterable[Problem]) -> list[Problem]:
    """Return those that are errors."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]


def printable(text: str) -> str:
    """Return `text` with everything escaped that is not a visible character or a space."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _ESCAPES.get(c) or _code(c) for c in text)


def quoted(text: str) -> str:
    """Return `text` as a TOML basic string on one line."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _code(c)) for c in text) + '"'


def _code(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def bare_or_quoted(key: str) -> str:
    """Return one part of a key as TOML writes it."""
    return key if key and _BARE.issuperset(key) else quoted(key)


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as a user would write it: restart.delay, hooks.pre_start[0]."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + bare_or_quoted(part if len(part) <= _LONGEST else part[:_LONGEST] + "...")
    return text


def shown(value: object) -> str:
    """Return a value of a file as it stood there, on one line and not too long."""
    match value:
        case str():
            return quoted(value if len(value) <= _LONGEST else value[:_LONGEST] + "...")
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if value.bit_length() <= 128 else "a huge integer"
        case float() | datetime.date() | datetime.time():
            return str(value)
        case list() if all(not isinstance(item, list | dict) for item in value[:8]):
            text = ", ".join(map(shown, value[:8]))
            return f"[{text}]" if len(value) <= 8 and len(text) <= _LONGEST else described(value)
        case _:
            return described(value)


def described(value: object) -> str:
    """Return what sort of value this is, without telling it."""
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a float", dict: "a table"}
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    return names.get(type(value), "a date or time")
