"""`asyncinit completion SHELL`, and what a shell's completion asks: which words can stand where the cursor is.

Every press of a key waits for it: it goes through the table of commands itself, without click, and asks the running
asyncinit only for what can be there alone, for a moment at most.
"""

from __future__ import annotations

import os
import sys

from asyncinit.cli.commands import COMMANDS, find_command
from asyncinit.cli.options import SOCKET

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asyncinit.cli.declaring import Argument, Command, Invocation, Option

    Candidate = tuple[str, str]
    Services = Callable[[str | None], list[Candidate]]

PATIENCE = 2
"""Seconds for all of it: then no candidates are better than a shell that does not answer."""

_BY_SHELL = {"FILE": ":files", "PATH": ":files", "FILE.svg": ":files", "DIR": ":folders"}
_HELP = ("--help", "Show what it does.")


def completion(invocation: Invocation) -> int:
    """Print what a shell has to be told."""
    from asyncinit.cli.shells import SCRIPTS

    sys.stdout.write(SCRIPTS[invocation.values["shell"]])
    return 0


def answer(wish: str, words: Sequence[str]) -> int:
    """Do what a shell's completion wants: the candidates for the last of `words`, or its script ("bash_source")."""
    import signal

    signal.alarm(PATIENCE)
    if wish.endswith("_source"):
        from asyncinit.cli.shells import SCRIPTS

        sys.stdout.write(SCRIPTS.get(wish.removesuffix("_source"), ""))
        return 0
    begun = words[-1] if words else ""
    found = candidates(words[:-1], begun, _services)
    text = "".join(f"{word}\t{about}\n" if about else f"{word}\n" for word, about in found)
    sys.stdout.buffer.write(os.fsencode(text))
    return 0


def candidates(before: Sequence[str], begun: str, services: Services) -> list[Candidate]:
    """Return what can stand after the words `before` and begins with `begun`, with a few words about each.

    `services` gives the names and states of the services that the asyncinit at a control socket has. A word that begins
    with ":" is for the shell to replace: by files, folders or commands.
    """
    return [one for one in _possible(list(before), begun, services) if _fits(one[0], begun)]


def _fits(word: str, begun: str) -> bool:
    """Tell whether a word is a candidate: options are only offered to who has begun one."""
    return word.startswith(":") or (word.startswith(begun) and not (word.startswith("-") and not begun))


def _possible(words: list[str], begun: str, services: Services) -> Iterator[Candidate]:
    socket = None
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--":
            yield from _of_program(words)
            return
        if word == "--socket":
            if not words:
                yield ":files", ""
                return
            socket = words.pop(0)
        elif word.startswith("--socket="):
            socket = word.partition("=")[2]
    if not words:
        yield from _at_the_top(begun)
        return
    command = find_command(words.pop(0))
    if command is not None:
        yield from _of_command(command, words, begun, lambda: services(socket))


def _at_the_top(begun: str) -> Iterator[Candidate]:
    if begun.startswith("--socket="):
        yield ":files", ""
    for command in COMMANDS:
        yield command.name, command.help.split("\n")[0]
    yield SOCKET.names[0], SOCKET.help
    yield "--version", "Show the version."
    yield _HELP


def _of_program(words: Sequence[str]) -> Iterator[Candidate]:
    yield (":files" if words else ":commands"), ""


def _of_command(
    command: Command, words: list[str], begun: str, services: Callable[[], list[Candidate]]
) -> Iterator[Candidate]:
    options = {name: option for option in command.options for name in option.names}
    plain: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--" and command.takes_command:
            yield from _of_program(words)
            return
        option = options.get(word)
        if option is not None and option.metavar is not None:
            if not words:
                yield from _values(option)
                return
            words.pop(0)
        elif not word.startswith("-"):
            plain.append(word)
    name, equals, _ = begun.partition("=")
    if equals and name in options:
        for value, about in _values(options[name]):
            yield (value if value[:1] == ":" else f"{name}={value}"), about
        return
    yield from ((name, option.help) for name, option in options.items() if name.startswith("--"))
    yield _HELP
    if not begun.startswith("-"):
        yield from _arguments(command.arguments, plain, services)


def _values(option: Option) -> Iterator[Candidate]:
    yield from ((choice, "") for choice in option.choices)
    if option.metavar in _BY_SHELL:
        yield _BY_SHELL[option.metavar], ""


def _arguments(
    arguments: Sequence[Argument], plain: Sequence[str], services: Callable[[], list[Candidate]]
) -> Iterator[Candidate]:
    given = list(plain)
    for argument in arguments:
        if argument.most == 1 and given:
            given.pop(0)
            continue
        yield from ((choice, "") for choice in argument.choices)
        if argument.metavar == "SIG":
            yield from ((name, "") for name in _signals())
        elif argument.of_services:
            yield from (one for one in services() if one[0] not in given)
        elif argument.metavar in _BY_SHELL:
            yield _BY_SHELL[argument.metavar], ""
        return


def _signals() -> list[str]:
    import signal

    return sorted(name.removeprefix("SIG") for name in signal.Signals.__members__ if not name.startswith("SIGRT"))


def _services(socket: str | None) -> list[Candidate]:
    from asyncinit.client.errors import ClientError
    from asyncinit.client.locate import connect

    try:
        with connect(socket) as server:
            return [(one["name"], one["state"]) for one in server.call("Status")["services"]]
    except (ClientError, OSError):
        return []
