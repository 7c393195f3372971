"""A project's `.env`: a line `NAME=VALUE` for each variable; parses text, reads no file.

The rules are those that foreman, honcho and the dotenv libraries share, and they differ from those of
`environment_file` (systemd's, `runtime.process.environment`): outside of quotes a backslash is a backslash and what
follows a blank and `#` is a comment, between double quotes `\\n` is a newline. No `$` is replaced.
"""

from __future__ import annotations

import re

from msgspec import Struct

from asyncinit.config.documents import decoded
from asyncinit.config.problems import Problem, shown

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_COMMENT = re.compile(r"[ \t]#.*")
_QUOTED = {
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.S),
    "'": re.compile(r"'([^']*)'"),
}
_ESCAPED = re.compile(r"\\(.)", re.S)
_LINE = "NAME=VALUE"


class Variable(Struct, frozen=True):
    """A variable, and the line (from 1) where it begins."""

    name: str
    value: str
    line: int


class DotEnv(Struct, frozen=True):
    """What stands in a `.env`: each name once, as it was said last; and all that is wrong."""

    path: str
    variables: tuple[Variable, ...] = ()
    problems: tuple[Problem, ...] = ()


def parse(path: str, content: bytes) -> DotEnv:
    """Return what stands in `content`; `path` is how the user knows the file. Never raises for what is in it."""
    text = decoded(path, content)
    if isinstance(text, Problem):
        return DotEnv(path, (), (text,))
    variables: dict[str, Variable] = {}
    problems = []
    at, number = 0, 1
    while at < len(text):
        end = text.find("\n", at) % (len(text) + 1)  # -1: the text's end
        found, end = _variable(path, text, at, end, number)
        if isinstance(found, Problem):
            problems.append(found)
        elif found is not None:
            variables.pop(found.name, None)
            variables[found.name] = found
        number += text.count("\n", at, end) + 1
        at = end + 1
    return DotEnv(path, tuple(variables.values()), tuple(problems))


def _variable(  # noqa: PLR0911 - one line a mistake
    path: str, text: str, at: int, end: int, number: int
) -> tuple[Variable | Problem | None, int]:
    """Return what the line from `at` to `end` says (None: nothing), and where that ends: a value may have newlines."""
    line = text[at:end].strip()
    if not line or line.startswith("#"):
        return None, end

    def wrong(problem: str, found: str, expected: str) -> Problem:
        return Problem(path, number, None, "", problem, shown(found) if found else "", expected)

    before, equals, plain = text[at:end].partition("=")
    name = before.strip()
    if name.startswith(("export ", "export\t")):
        name = name[7:].strip()
    if not equals:
        # What is secret is mostly a value, so a line that is none is not repeated.
        return wrong("is no variable", name if _NAME.fullmatch(name) else "", _LINE), end
    if not _NAME.fullmatch(name):
        return wrong("has a name that cannot be", name, "letters, digits and _, no digit first"), end
    plain = plain.strip()
    if plain[:1] not in _QUOTED:
        value = _COMMENT.sub("", " " + plain).strip()
    else:
        start = text.index(plain[0], at + len(before) + 1)
        quoted = _QUOTED[plain[0]].match(text, start)
        if quoted is None:
            return wrong(f"has a {plain[0]} that is never closed", name, f"{plain[0]} after the value"), end
        end = text.find("\n", quoted.end()) % (len(text) + 1)
        rest = text[quoted.end() : end].strip()
        if rest and not rest.startswith("#"):
            return wrong(f"goes on after the closing {plain[0]}", name, "the end of the line"), end
        value = quoted[1] if plain[0] == "'" else _ESCAPED.sub(_unescaped, quoted[1])
    if "\0" in value:
        return wrong("has a NUL character", name, "text"), end
    return Variable(name, value, number), end


def _unescaped(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else escape[1]
