"""Numbers that users meet, as blocks, from the constants of the code; writes nothing."""

from __future__ import annotations

from asyncinit.control.framing import MAX_MESSAGE
from asyncinit.reference.blocks import Block, Table
from asyncinit.runtime.control import connection as control_connection
from asyncinit.runtime.control import server as control
from asyncinit.runtime.control import streams as control_streams
from asyncinit.runtime.output import buffer, journal, lines, ring
from asyncinit.runtime.output import capture as output


def describe_output() -> list[Block]:
    """Return the limits of output."""
    return _table(
        ("a line, in bytes", _size(lines.LINE_LIMIT), "it is cut into pieces, each but the last marked as cut"),
        ("memory of a service's output", _size(ring.RING_BYTES), "the oldest lines are forgotten"),
        ("events in memory", str(journal.EVENTS_KEPT), "the oldest are forgotten"),
        ("waiting for the console's reader", _size(buffer.BUFFER_LIMIT), "the oldest lines are dropped and counted"),
        ("time that services are held up for it", f"{buffer.HOLD_SECONDS:g} s", "they go on, and lines are dropped"),
        ("read at a service's exit, of each pipe", _size(output.DRAIN_LIMIT), "the rest is read afterwards"),
        (
            "ended processes of a service whose output others hold open",
            str(output.OLD_CHANNELS),
            "the oldest pipe is closed, with a warning",
        ),
    )


def describe_control() -> list[Block]:
    """Return the limits of the control interface."""
    return _table(
        ("a request", _size(MAX_MESSAGE), "the connection is closed"),
        ("connections", str(control.MOST_CLIENTS), "the one that waits for least is closed"),
        ("connections of a user who may only look", str(control.MOST_CLIENTS_OF_OTHERS), "the same, of that user's"),
        ("time to take a reply", f"{control_connection.STALL_LIMIT:g} s", "the connection is closed; not a follower's"),
        ("entries in an answer", str(control_streams.BATCH_ITEMS), "they come in several"),
        ("time to collect an answer", f"{control_streams.BATCH_SECONDS * 1000:g} ms", "what there is comes"),
        (
            "kept for a slow follower",
            f"{control_streams.HELD_ITEMS} entries or {_size(control_streams.HELD_BYTES)}",
            "the oldest are dropped; `dropped` tells how many",
        ),
    )


def _table(*rows: tuple[str, str, str]) -> list[Block]:
    return [Table(("what", "limit", "beyond it"), rows)]


def _size(number: int) -> str:
    return f"{number >> 20} MiB" if number >= 1 << 20 else f"{number >> 10} KiB"
