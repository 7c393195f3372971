"""What can stand where the cursor is, from the table of commands and the services of a server that exists only here."""

from __future__ import annotations

import pytest

from asyncinit.cli.commands import COMMANDS
from asyncinit.cli.completion import candidates

SERVICES = [("db", "ready"), ("web", "ready"), ("web@8080", "failed")]


def words(line: str, asked: list[str | None] | None = None) -> list[str]:
    """The candidates for the last word of a line; `asked` takes the sockets that were asked."""

    def services(socket: str | None) -> list[tuple[str, str]]:
        if asked is not None:
            asked.append(socket)
        return SERVICES

    *before, begun = line.split(" ")
    return [word for word, _ in candidates(before, begun, services)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [command.name for command in COMMANDS]),
        ("res", ["restart"]),
        ("--", ["--socket", "--version", "--help"]),
        ("--socket ", [":files"]),
        ("--socket=/r", [":files"]),
        ("--socket x sto", ["stop"]),
        ("no-such-command ", []),
        ("start ", ["db", "web", "web@8080"]),
        ("start we", ["web", "web@8080"]),
        ("start web we", ["web@8080"]),
        ("start --a", ["--all", "--attach"]),
        ("start --no-wait d", ["db"]),
        ("show ", ["db", "web", "web@8080"]),
        ("show db ", []),
        ("signal TE", ["TERM"]),
        ("signal TERM w", ["web", "web@8080"]),
        ("run --log-format ", ["auto", "text", "json", "raw"]),
        ("run --log-format=j", ["--log-format=json"]),
        ("run --config ", [":files"]),
        ("run --config=/e", [":files"]),
        ("run --services ", [":folders"]),
        ("run --ready-fd ", []),
        ("run -- ", [":commands"]),
        ("run -- sh ", [":files"]),
        ("-- ", [":commands"]),
        ("exec d", ["db"]),
        ("exec db -- p", [":commands"]),
        ("check ", [":files"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("logs -n 5 d", ["db"]),
    ],
)
def test_candidates(line: str, expected: list[str]) -> None:
    """Commands, options once one is begun, values, services that are not given yet; the rest is for the shell."""
    assert words(line) == expected


def test_the_server_is_asked_only_for_services() -> None:
    """Where no name of a service can stand, nobody is asked; --socket says whom."""
    asked: list[str | None] = []
    for line in ("", "sta", "status --", "run --config ", "signal T", "check "):
        words(line, asked)
    assert asked == []
    words("--socket /x stop ", asked)
    words("--socket=/y stop w", asked)
    words("stop w", asked)
    assert asked == ["/x", "/y", None]


def test_every_command_and_option_is_offered() -> None:
    """Whatever is in the table, with what it does."""
    for command in COMMANDS:
        found = dict(candidates([command.name], "--", lambda _socket: []))
        long = {name for option in command.options for name in option.names if name.startswith("--")}
        assert set(found) == long | {"--help"}
        assert all(found.values())
