"""Lines of output and changes of state, as the control protocol tells them."""

from __future__ import annotations

from enum import StrEnum

from asyncinit.control.types.status import ExitInfo, ReasonStatus
from asyncinit.control.types.wire import Wire
from asyncinit.core.status import State


class LogEntry(Wire, frozen=True):
    """One line: `service` null for asyncinit's own; bytes that are not UTF-8 are replaced by U+FFFD.

    `stream` is stdout, stderr or event. `cursor` grows by line; give it as `after` to go on behind it.
    """

    time: str
    service: str | None
    stream: str
    message: str
    cursor: int


class EventKind(StrEnum):
    """What an event tells: that a service changed its state, that the shutdown has begun, or anything else."""

    STATE = "state"
    SHUTDOWN = "shutdown"
    MESSAGE = "message"


class EventEntry(Wire, frozen=True):
    """One change: of a service's state (`old`, `new`), or of the system's (`service` null, states null).

    `pid`: its main process. `exit`: how the main process of this run ended, null while none has. `restarts`: automatic
    ones so far.
    """

    time: str
    service: str | None
    old: State | None
    new: State | None
    reason: ReasonStatus | None
    text: str
    pid: int | None = None
    exit: ExitInfo | None = None
    restarts: int | None = None
    kind: EventKind = EventKind.MESSAGE


class LogsParameters(Wire, frozen=True):
    """Parameters of Logs; see the interface's text."""

    names: list[str] | None = None
    lines: int | None = None
    since: float | None = None
    after: int | None = None
    follow: bool | None = None


class LogsReply(Wire, frozen=True):
    """Reply of Logs: `dropped` lines before these were lost because this client read too slowly.

    `caught_up`: with these, all that was there when it was asked has been told.
    """

    entries: list[LogEntry]
    dropped: int
    caught_up: bool = True


class EventsParameters(Wire, frozen=True):
    """Parameters of Events; see the interface's text."""

    names: list[str] | None = None
    follow: bool | None = None


class EventsReply(Wire, frozen=True):
    """Reply of Events: `dropped` events before these were lost because this client read too slowly."""

    events: list[EventEntry]
    dropped: int
