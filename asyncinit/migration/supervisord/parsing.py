"""A supervisord.conf as sections of options with their lines; knows no option. The syntax is Python's configparser's.

As supervisord reads it: `;` and `#` begin a comment, within a line after a blank; an indented line goes on with the
option above it; of an option that is there twice the last counts, and a section that is there twice is one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from asyncinit.config.problems import printable, shown
from asyncinit.migration.report import MigrationError
from asyncinit.migration.variables import CLOSE, OPEN, written

_SECTION = re.compile(r"\[([^]]+)\]")
_OPTION = re.compile(r"(.*?)\s*[=:]\s*(.*)")
_COMMENT = re.compile(r"(?:^|\s)[;#].*")
_EXPANSION = re.compile(r"%(?:%|\(([^()\s]+)\)(-?[0-9]*)([sd])|)")


class Option(Struct, frozen=True):
    """`key = value` in a section, the key in lower case."""

    file: str
    line: int
    section: str
    key: str
    value: str


def parse(path: str, text: str) -> Iterator[Option]:
    """Return the options of a file, in order. Raises MigrationError for what supervisord refuses too."""
    if OPEN in text or CLOSE in text:
        raise MigrationError(f"{printable(path)}: has U+FDD0 or U+FDD1, which are no characters")
    section, option, indent = "", None, 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = _without_comment(raw.rstrip("\r"))
        if not line.strip():
            continue
        deep = len(line) - len(line.lstrip())
        if option is not None and deep > indent:
            joined = f"{option.value}\n{line.strip()}"
            option = Option(path, option.line, section, option.key, joined)
            continue
        if option is not None:
            yield option
        option, indent, line = None, deep, line.strip()
        if found := _SECTION.match(line):
            section = found[1]
            continue
        pair = _OPTION.fullmatch(line)
        if pair is None or not pair[1] or not section:
            expected = "an option NAME=VALUE" if section else "a section [NAME] before the first option"
            raise MigrationError(f"{printable(path)}:{number}: {shown(line)}: expected {expected}")
        option = Option(path, number, section, pair[1].lower(), pair[2])
    if option is not None:
        yield option


def _without_comment(line: str) -> str:
    """Return a line without its comment; a line that only is one becomes empty."""
    return "" if line.lstrip().startswith((";", "#")) else _COMMENT.sub("", line).rstrip()


def expanded(option: Option, known: dict[str, str], number: Callable[[str], str] | None = None) -> str:
    """Return a value with `%(NAME)s` replaced, variables of the environment between `OPEN` and `CLOSE`.

    `number` gives what stands for `%(process_num)02d`, by its format ("02d"); None: here there is none. Raises
    MigrationError for a name that supervisord does not know either.
    """

    def replaced(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        name = found[1] or ""
        if name.startswith("ENV_"):
            return f"{OPEN}{name[4:]}{CLOSE}"
        if name == "process_num" and number is not None:
            return number(found[2] + found[3])
        if name in known:
            return known[name]
        where = f"{printable(option.file)}:{option.line}: {printable(option.key)}"
        if not name:
            raise MigrationError(f"{where}: has a % that stands for nothing; a percent sign is written %%")
        raise MigrationError(f"{where}: {shown(found[0])} is nothing that supervisord replaces here")

    return _EXPANSION.sub(replaced, option.value)


def words(text: str) -> list[str]:
    """Return a command as its words. Raises ValueError."""
    return [written(word) for word in shlex.split(text)]


def pairs(text: str) -> dict[str, str]:
    """Return the variables of `A="b",C='d'`, as supervisord takes it apart. Raises ValueError."""
    lexer = shlex.shlex(text)
    lexer.wordchars += "/.+-():" + OPEN + CLOSE
    tokens = list(lexer)
    found = {}
    for at in range(0, len(tokens), 4):
        name, equals, value = _three(tokens[at : at + 3])
        if equals != "=":
            raise ValueError(f"expected NAME=VALUE at {name}")
        found[name] = written(value.strip("'\""))
    return found


def _three(tokens: Sequence[str]) -> tuple[str, str, str]:
    if len(tokens) != 3:
        raise ValueError(f"ends too early, at {' '.join(tokens)}")
    return tokens[0], tokens[1], tokens[2]
