"""Joining the terminal of a service."""

from __future__ import annotations

from asyncinit.control.types.wire import Wire


class AttachParameters(Wire, frozen=True):
    """Parameters of Attach.

    `rows` and `columns`: the size of the caller's terminal. `start`: start it first, with a terminal of its own for
    this, of the kind `term`.
    """

    name: str
    rows: int | None = None
    columns: int | None = None
    start: bool | None = None
    term: str | None = None


class AttachReply(Wire, frozen=True):
    """Reply of Attach; what follows it is no Varlink."""

    name: str
