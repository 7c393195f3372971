"""`${NAME:-default}` in a Compose file: kept for asyncinit to replace, or replaced now, by key; knows no key.

Compose takes the values from its own environment and from the `.env` beside the file. Kept variables are taken from the
environment that asyncinit is started with, and what the `.env` says is then the default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from asyncinit.migration.variables import CLOSE, OPEN, written

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Unset(Exception):  # noqa: N818 - it is no error of anyone's
    """A variable has neither a value nor a default; the text is its name."""


def kept(text: str, dotenv: Mapping[str, str]) -> str:
    """Return a text for a key in which asyncinit replaces variables."""

    def variable(name: str, operator: str, word: str) -> str:
        if operator in ("?", ":?"):
            return f"{OPEN}{name}{CLOSE}" if name not in dotenv else f"{OPEN}{name}:-{_default(dotenv[name])}{CLOSE}"
        if operator in ("+", ":+"):
            return word if name in dotenv else ""
        return f"{OPEN}{name}:-{_default(dotenv.get(name, word))}{CLOSE}"

    return written(_replaced(text, variable))


def fixed(text: str, dotenv: Mapping[str, str]) -> str:
    """Return a text with its variables replaced by what is known now. Raises Unset."""

    def variable(name: str, operator: str, word: str) -> str:
        if operator in ("+", ":+"):
            return word if name in dotenv else ""
        if name in dotenv:
            return dotenv[name]
        if operator in ("-", ":-"):
            return word
        raise Unset(name)

    return _replaced(text, variable)


def has_variable(text: str) -> bool:
    """Tell whether a text has something to be replaced."""
    found = []
    _replaced(text, lambda name, _operator, _word: found.append(name) or "")  # type: ignore[func-returns-value]
    return bool(found)


def _default(word: str) -> str:
    """Return a default as it can stand in `${NAME:-default}`: it ends at the first brace, and has no variable in it."""
    return word.partition("}")[0]


def _replaced(text: str, variable: Callable[[str, str, str], str]) -> str:
    made, at = [], 0
    while (dollar := text.find("$", at)) >= 0:
        made.append(text[at:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "$":
            made.append("$")
            at = dollar + 2
        elif following == "{" and (end := _closing(text, dollar + 1)) > 0:
            name, operator, word = _parts(text[dollar + 2 : end])
            made.append(variable(name, operator, _replaced(word, _inner(variable))) if name else text[dollar : end + 1])
            at = end + 1
        elif found := _NAME.match(text, dollar + 1):
            made.append(variable(found[0], "", ""))
            at = found.end()
        else:
            made.append("$")
            at = dollar + 1
    return "".join([*made, text[at:]])


def _inner(variable: Callable[[str, str, str], str]) -> Callable[[str, str, str], str]:
    """Return how a variable in a default is replaced: by its own default, for asyncinit has none within another."""

    def replaced(name: str, operator: str, word: str) -> str:
        made = variable(name, operator, word)
        return made.partition(":-")[2].removesuffix(CLOSE) if made.startswith(OPEN) else made

    return replaced


def _closing(text: str, at: int) -> int:
    depth = 0
    for position in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return position
    return -1


def _parts(inside: str) -> tuple[str, str, str]:
    found = _NAME.match(inside)
    if found is None:
        return "", "", ""
    rest = inside[found.end() :]
    for operator in (":-", ":?", ":+", "-", "?", "+"):
        if rest.startswith(operator):
            return found[0], operator, rest[len(operator) :]
    return (found[0], "", "") if not rest else ("", "", "")
