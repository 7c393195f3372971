"""What people type who come from elsewhere, as blocks, from the table that the command itself has; writes nothing."""

from __future__ import annotations

from itertools import groupby

from asyncinit.cli.habit import Habit
from asyncinit.cli.habit_table import ANY, HABITS
from asyncinit.config.foreign import KEYS, NOT_NEEDED, VALUES
from asyncinit.reference.blocks import Block, Heading, Table


def describe() -> list[Block]:
    """Return a table for each peer, in the order of the table itself."""
    blocks: list[Block] = []
    for peer, habits in groupby(HABITS, lambda habit: habit.peer):
        title = "Whatever you know" if peer == ANY else peer
        blocks += [Heading(3, title), Table(("you type", "here it is", ""), tuple(map(_row, habits)))]
    return blocks


def _row(habit: Habit) -> tuple[str, ...]:
    return f"`{habit.words}`", f"`{habit.here}`", habit.why


def describe_keys() -> list[Block]:
    """Return the keys and values of other programs, and what they are here."""
    rows = [(f"`{key}`", f"`{here}`") for key, here in sorted(KEYS.items())]
    rows += [(f"`{key}`", why.replace("|", "\\|")) for key, why in sorted(NOT_NEEDED.items())]
    rows += [
        (f"`{key} = {_quoted(value)}`", f"`{here}`") for key, known in VALUES.items() for value, here in known.items()
    ]
    return [Table(("elsewhere", "here"), tuple(rows))]


def _quoted(value: str) -> str:
    return value if value in ("true", "false") else f'"{value}"'
