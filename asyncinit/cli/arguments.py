"""A quick parser for well-formed command lines.

It understands what most calls look like; for anything else (an error, --help) it gives up, and click, whose
import takes longer than the whole of `asyncinit status`, does it properly. Imports nothing.
"""

from __future__ import annotations

from asyncinit.cli.commands import find_command
from asyncinit.cli.declaring import Invocation

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from asyncinit.cli.declaring import Command, Option


def parse(arguments: Sequence[str]) -> Invocation | None:
    """Understand a well-formed command line (without the program's name); None: let click look at it."""
    words = list(arguments)
    socket = None
    if words and words[0].startswith("--socket"):
        word = words.pop(0)
        if word.startswith("--socket="):
            socket = word[len("--socket=") :]
        elif word == "--socket" and words:
            socket = words.pop(0)
        if not socket:
            return None
    if words[:1] == ["--"]:
        words.insert(0, "run")
    command = find_command(words[0]) if words else None
    return None if command is None else _parse_command(command, words[1:], socket)


def split_program(command: Command, words: Sequence[str]) -> tuple[list[str], tuple[str, ...] | None]:
    """Return a command's own words, and what stands after "--" if that is not ours (else None)."""
    if not command.takes_command or "--" not in words:
        return list(words), None
    position = list(words).index("--")
    return list(words[:position]), tuple(words[position + 1 :])


def _parse_command(command: Command, words: Sequence[str], socket: str | None) -> Invocation | None:
    own, program = split_program(command, words)
    values: dict[str, Any] = {option.key: option.default for option in command.options}
    options = {name: option for option in command.options for name in option.names}
    plain: list[str] = []
    while own:
        word = own.pop(0)
        if not word.startswith("-") or word == "-":
            plain.append(word)
        elif word == "--":
            plain += own
            own = []
        elif not _take_option(word, own, options, values):
            return None
    if not _take_arguments(command, plain, values):
        return None
    return Invocation(command, values, socket, program)


def _take_option(word: str, rest: list[str], options: dict[str, Option], values: dict[str, Any]) -> bool:
    """Take one option, and from `rest` its value; False if this is not ours to understand."""
    value: str | None
    if word.startswith("--"):
        name, equals, text = word.partition("=")
        value = text if equals else None
    else:
        name, value = word[:2], word[2:] or None
    option = options.get(name)
    if option is None:
        return False
    if option.metavar is None:
        values[option.key] = values[option.key] + 1 if option.many else True
        if value is None or word.startswith("--"):
            return value is None
        return _take_option("-" + value, rest, options, values)  # -fn5: several in one word
    if value is None:
        if not rest:
            return False
        value = rest.pop(0)
    if option.choices and value not in option.choices:
        return False
    values[option.key] = (*values[option.key], value) if option.many else value
    return True


def _take_arguments(command: Command, plain: list[str], values: dict[str, Any]) -> bool:
    for argument in command.arguments:
        if argument.most == 1:
            if not plain and argument.least:
                return False
            values[argument.key] = plain.pop(0) if plain else None
            if argument.choices and values[argument.key] not in (*argument.choices, None):
                return False
        else:
            if len(plain) < argument.least:
                return False
            values[argument.key] = tuple(plain)
            plain = []
    return not plain
