"""What to type here in the place of a command line that is another program's; carries nothing out.

It is asked only when a command line cannot be carried out. The table (`habit_table`) is shown whole on a page of the
guides.
"""

from __future__ import annotations

from asyncinit.cli.arguments import parse
from asyncinit.cli.commands import COMMANDS, find_command
from asyncinit.cli.habit import plain_name
from asyncinit.cli.habit_table import HABITS

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FRONTS = frozenset(
    [
        *("docker", "compose", "docker-compose", "systemctl", "supervisorctl", "foreman", "honcho", "overmind", "pm2"),
        *("process", "process-compose", "dinitctl", "pebble", "sv", "initctl", "kubectl", "systemd-analyze"),
        "supervisord",
    ]
)
"""Programs of others: what follows their name may mean the same here."""


def told(given: Sequence[str]) -> str:
    """Return what to type in the place of a command line that cannot be carried out; empty: nothing comes to mind."""
    for words in _meanings(given):
        fitting = [(habit.weight, habit, here) for habit in HABITS if (here := habit.told(words)) is not None]
        if fitting:
            _, habit, here = max(fitting, key=lambda found: found[0])
            return here + (f" ({habit.why})" if habit.why else "")
        if len(words) < len(given) and find_command(words[0]) is not None:
            return _of_ours(words)
    if len(given) == 2 and find_command(given[0]) is None and not of_a_peer(given[0]) and _takes_names(given[1]):
        return f"asyncinit {given[1]} {plain_name(given[0])}"
    return ""


def of_a_peer(word: str) -> bool:
    """Tell whether a word is another program's name or command, as far as they are known here."""
    return word in _FRONTS or any(habit.words.split()[0] == word for habit in HABITS)


def _of_ours(words: Sequence[str]) -> str:
    """Return a command of ours that stood behind another program's name; its help, where it is not understood."""
    if _takes_names(words[0]):
        end = words.index("--") if "--" in words else len(words)
        words = [*(word.removesuffix(".service") for word in words[:end]), *words[end:]]
    return " ".join(("asyncinit", *words)) if parse(words) is not None else f"asyncinit {words[0]} --help"


def guess(word: str) -> str:
    """Return the command that a misspelt word is: one of ours, or one that people are used to."""
    import difflib

    ours = [command.name for command in COMMANDS]
    habits = [habit.words.split()[0] for habit in HABITS if not habit.words.startswith("-")]
    short = [name for name in ours if len(word) > 2 and name.startswith(word.casefold())]
    found = short or difflib.get_close_matches(word.casefold(), ours, 1, 0.7)
    return (found or difflib.get_close_matches(word.casefold(), habits, 1, 0.7) or [""])[0]


def _meanings(given: Sequence[str]) -> Iterator[list[str]]:
    """Yield a command line as it was given, and without the programs of others before it."""
    words = list(given)
    while words:
        yield words
        if words[0] not in _FRONTS:
            return
        words = words[1:]


def _takes_names(word: str) -> bool:
    command = find_command(word)
    return command is not None and any(argument.of_services for argument in command.arguments)
