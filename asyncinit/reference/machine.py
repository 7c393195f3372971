"""What is done to a machine around its services, as blocks, from the tables of the code; writes nothing."""

from __future__ import annotations

from asyncinit.linux.file_systems import NODEV, NOEXEC, NOSUID, names_of
from asyncinit.machine.api_file_systems import API_FILE_SYSTEMS
from asyncinit.machine.command_line import WORDS
from asyncinit.machine.early import EARLY
from asyncinit.machine.last import LAST
from asyncinit.machine.step import Policy
from asyncinit.reference.blocks import Block, Table

_MEANS = {Policy.NOTE: "it is told", Policy.EMERGENCY: "emergency shell"}


def describe_early() -> list[Block]:
    """Return the early steps, in order."""
    rows = (
        (step.name, step.need, _MEANS[step.policy], "" if step.seconds is None else f"{step.seconds:g} s")
        for step in EARLY
    )
    return [Table(("step", "what for", "where it fails", "deadline"), tuple(rows))]


def describe_last() -> list[Block]:
    """Return the last steps, in order."""
    rows = ((step.name, step.need, "" if step.seconds is None else f"{step.seconds:g} s") for step in LAST)
    return [Table(("step", "what for", "deadline"), tuple(rows))]


def describe_file_systems() -> list[Block]:
    """Return the file systems that are mounted, in order."""
    rows = (
        (
            f"`{one.place}`",
            one.kind,
            ", ".join(names_of(one.flags & (NOSUID | NODEV | NOEXEC))),
            f"`{one.options}`" if one.options else "",
        )
        for one in API_FILE_SYSTEMS
    )
    return [Table(("place", "type", "always", "options of a new one"), tuple(rows))]


def describe_words() -> list[Block]:
    """Return the words of the kernel command line."""
    return [Table(("word", "meaning"), tuple((f"`{word}`", meaning) for word, meaning in WORDS))]
