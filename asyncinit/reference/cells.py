"""The life cycle's table as blocks: which events each phase handles; writes nothing."""

from __future__ import annotations

from asyncinit.core.lifecycle import ALL_EVENTS, TABLE
from asyncinit.core.move import Handler, ignore, reject
from asyncinit.reference.blocks import Block, Table


def describe() -> list[Block]:
    """Return a table of phases and events: "x" where there is a handler, "-" ignored, nothing where it is a bug."""
    header = ("event", *(phase.name for phase in TABLE))
    rows = (tuple(_mark(row[event]) for row in TABLE.values()) for event in ALL_EVENTS)
    return [Table(header, tuple((event.__name__, *cells) for event, cells in zip(ALL_EVENTS, rows, strict=True)))]


def _mark(handler: Handler) -> str:
    if handler is reject:
        return ""
    return "-" if handler is ignore else "x"
