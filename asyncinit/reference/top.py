"""The keys of `asyncinit top` as blocks: the groups of its help, a table each; writes nothing."""

from __future__ import annotations

from asyncinit.reference.blocks import Block, Heading, Table
from asyncinit.tui.keys import KEYS


def describe() -> list[Block]:
    """Return each group with what its keys do."""
    blocks: list[Block] = []
    for name, group in KEYS.items():
        rows = tuple((" ".join(f"`{key}`" for key in one.written.split()), one.text) for one in group)
        blocks += [Heading(3, name), Table(("key", "what it does"), rows)]
    return blocks
