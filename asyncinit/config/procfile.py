"""A Procfile: a line `NAME: COMMAND` for each process; parses text, reads no file and makes no service.

As foreman, honcho and overmind read it, but for one thing: what these pass over in silence is told. A command goes to
`/bin/sh -c` as it stands, so a `#` within it is the shell's. Comments have a line of their own.
"""

from __future__ import annotations

import re

from msgspec import Struct

from asyncinit.config.documents import decoded
from asyncinit.config.names import LONGEST, is_plain_name
from asyncinit.config.problems import Problem, shown

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")
_LINE = "NAME: COMMAND"
_ASSIGNMENTS = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*=[^\s\"'\\]*\s+)*")
_PROGRAM = re.compile(r"[A-Za-z0-9_./+-]+(?=\s|$)")
_QUOTED = re.compile(r"[<>]&|'[^']*'|\"(?:[^\"\\`]|\\.)*\"|\\.")
_MORE_THAN_ONE = re.compile(r"[;&|()`\n]")  # what makes a line more than one simple command
_OF_SHELLS = frozenset(
    (
        *(".", ":", "alias", "bg", "break", "case", "cd", "command", "continue", "eval", "exec", "exit", "export"),
        *("fg", "for", "hash", "if", "jobs", "local", "read", "readonly", "return", "set", "shift", "source", "time"),
        *("times", "trap", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while"),
    )
)


class Entry(Struct, frozen=True):
    """One process: its name, the command as a shell takes it, and the line (from 1) that it stands on."""

    name: str
    command: str
    line: int


class Procfile(Struct, frozen=True):
    """What stands in a Procfile: the sound entries in order, and all that is wrong."""

    path: str
    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()


def parse(path: str, content: bytes) -> Procfile:
    """Return what stands in `content`; `path` is how the user knows the file. Never raises for what is in it."""
    text = decoded(path, content)
    if isinstance(text, Problem):
        return Procfile(path, (), (text,))
    entries: dict[str, Entry] = {}
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        found = _entry(path, line.strip(), number)
        if isinstance(found, Problem):
            problems.append(found)
        elif found is not None:
            first = entries.setdefault(found.name, found)
            if first is not found:
                text = f"was there before, on line {first.line}"
                problems.append(Problem(path, number, found.name, found.name, text, expected="another name"))
    if not entries and not problems:
        problems.append(Problem(path, None, None, "", "has no entry", expected=f"a line {_LINE}"))
    return Procfile(path, tuple(entries.values()), tuple(problems))


def executed(command: str) -> str:
    """Return `command` so that a shell becomes the program, where it is one simple command: no shell stays between.

    Whoever signals the service then reaches the program itself, and sees how that ends. What is more than one command,
    or one of the shell's own, is left as it is.
    """
    start = _ASSIGNMENTS.match(command)
    at = start.end() if start else 0
    program = _PROGRAM.match(command, at)
    if program is None or program[0] in _OF_SHELLS or _MORE_THAN_ONE.search(_QUOTED.sub("", command)):
        return command
    return f"{command[:at]}exec {command[at:]}"


def _entry(path: str, line: str, number: int) -> Entry | Problem | None:  # noqa: PLR0911 - one line a mistake
    """Return what a line says, None where that is nothing."""
    if not line or line.startswith("#"):
        return None

    def wrong(problem: str, found: str, expected: str, suggestion: str = "") -> Problem:
        return Problem(path, number, None, "", problem, shown(found), expected, suggestion)

    name, colon, command = (part.strip() for part in line.partition(":"))
    if not colon:
        first, _, rest = line.partition("=")
        guess = f"{first.strip()}: {rest.strip()}" if _NAME.fullmatch(first.strip()) and rest.strip() else ""
        return wrong("is no entry", line, _LINE, shown(guess) if guess else "")
    if not _NAME.fullmatch(name):
        guess = _OTHER.sub("-", name).strip("-_")
        return wrong("has a name that cannot be", name, "letters, digits, _ and -", shown(guess) if guess else "")
    if not is_plain_name(name):
        guess = name.lstrip("-_")[:LONGEST]
        expected = f"a letter or a digit first, {LONGEST} characters at most"
        return wrong("has a name that no service can have", name, expected, shown(guess) if guess else "")
    if not command:
        return wrong("has no command", line, _LINE)
    if "\0" in command:
        return wrong("has a NUL character", command, "text")
    return Entry(name, command, number)
