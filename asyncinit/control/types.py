"""The types of the control protocol: what goes over the socket, and what `status --json` prints.

Knows nothing of sockets, services or files. Every name here stands in `io.asyncinit.varlink` too; a unit test compares
the two in both directions. Keys are only ever added; every key is always there (null where there is nothing to say).
Times are RFC 3339 in UTC with milliseconds, signals are numbers, pids are those of asyncinit's own PID namespace (the
client translates them).
"""

from __future__ import annotations

import time
from enum import StrEnum

import msgspec

from asyncinit.config.spec import ServiceType
from asyncinit.core.status import Code, State

INTERFACE = "io.asyncinit"
"""The Varlink interface's name; methods and errors are written after it with a dot."""


def timestamp(seconds: float) -> str:
    """Return a wall-clock time (seconds since 1970) as the protocol writes it: 2026-11-23T17:13:50.123Z."""
    milliseconds = int(seconds * 1000)
    whole, fraction = divmod(milliseconds, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{fraction:03d}Z"


class SystemState(StrEnum):
    """What asyncinit as a whole is doing: `degraded` is running, but something has failed for good."""

    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    STOPPING = "stopping"


class Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all types here: immutable, written by name, and strict about what it does not know."""


class SystemStatus(Wire, frozen=True):
    """asyncinit itself: `ready` once all that shall run at start is up; `since` when it started."""

    version: str
    pid: int
    state: SystemState
    ready: bool
    since: str


class ReasonStatus(Wire, frozen=True):
    """Why a service is in its state; `service` is the one that caused it, if another."""

    code: Code
    text: str
    service: str | None = None


class ExitInfo(Wire, frozen=True):
    """How a main process ended: by code, by signal number, or (both null) nobody knows."""

    code: int | None
    signal: int | None
    core_dumped: bool
    time: str


class ServiceStatus(Wire, frozen=True):
    """One service.

    `since`: when it came into `state`, null if it never left `inactive`. `restarts` counts automatic
    ones. `waiting_on`: names of services (waiting, stopping) or the readiness that is looked for
    (starting). `next_start`: when a backoff ends. `status_text`: what the service says of itself. `not_applied`: keys
    of `prefer` that could not be had here. `file`: where it is declared.
    """

    name: str
    type: ServiceType
    state: State
    reason: ReasonStatus | None
    pid: int | None
    since: str | None
    ready_since: str | None
    restarts: int
    last_exit: ExitInfo | None
    waiting_on: list[str]
    next_start: str | None
    status_text: str | None
    requires: list[str]
    not_applied: list[str]
    file: str | None


class LogEntry(Wire, frozen=True):
    """One line: `service` null for asyncinit's own; bytes that are not UTF-8 are replaced by U+FFFD.

    `stream` is stdout, stderr or event. `cursor` grows by line; give it as `after` to go on behind it.
    """

    time: str
    service: str | None
    stream: str
    message: str
    cursor: int


class EventEntry(Wire, frozen=True):
    """One change: of a service's state (`old`, `new`), or of the system's (`service` null, states null)."""

    time: str
    service: str | None
    old: State | None
    new: State | None
    reason: ReasonStatus | None
    text: str


class ActionResult(Wire, frozen=True):
    """What came of an action for one service that was named: `ok` if it is as was asked; `text` says why not."""

    name: str
    ok: bool
    state: State
    text: str


# ---------------------------------------------------------------------------------------------------------------------
# Methods: what each takes and returns. Optional parameters may be left out or null.


class Nothing(Wire, frozen=True):
    """No parameters."""


class StatusParameters(Wire, frozen=True):
    """Parameters of Status: `names` null for all."""

    names: list[str] | None = None


class StatusReply(Wire, frozen=True):
    """Reply of Status: `services` by name, or in the order that was asked for."""

    asyncinit: SystemStatus
    services: list[ServiceStatus]


class ActParameters(Wire, frozen=True):
    """Parameters of Start, Stop and Reload: `wait` null or true: answer when it is done."""

    names: list[str]
    wait: bool | None = None


class RestartParameters(Wire, frozen=True):
    """Parameters of Restart: with `only`, what requires these is left alone."""

    names: list[str]
    wait: bool | None = None
    only: bool | None = None


class ActReply(Wire, frozen=True):
    """Reply of the actions: `affected` names what else is stopped or started; `progress` fills with `more` only."""

    results: list[ActionResult]
    affected: list[str]
    progress: list[EventEntry]


class SignalParameters(Wire, frozen=True):
    """Parameters of Signal: `signal` is a number."""

    names: list[str]
    signal: int


class LogsParameters(Wire, frozen=True):
    """Parameters of Logs; see the interface's text."""

    names: list[str] | None = None
    lines: int | None = None
    since: float | None = None
    after: int | None = None
    follow: bool | None = None


class LogsReply(Wire, frozen=True):
    """Reply of Logs: `dropped` lines before these were lost because this client read too slowly."""

    entries: list[LogEntry]
    dropped: int


class EventsParameters(Wire, frozen=True):
    """Parameters of Events; see the interface's text."""

    names: list[str] | None = None
    follow: bool | None = None


class EventsReply(Wire, frozen=True):
    """Reply of Events: `dropped` events before these were lost because this client read too slowly."""

    events: list[EventEntry]
    dropped: int


class ShowParameters(Wire, frozen=True):
    """Parameters of Show."""

    name: str


class ShowReply(Wire, frozen=True):
    """Reply of Show: `toml` is the merged service with each value's origin as a comment, secrets masked."""

    toml: str


class ShutdownParameters(Wire, frozen=True):
    """Parameters of Shutdown: `reason` is told in the log."""

    reason: str | None = None


METHODS: dict[str, tuple[type[Wire], type[Wire]]] = {
    "Status": (StatusParameters, StatusReply),
    "Start": (ActParameters, ActReply),
    "Stop": (ActParameters, ActReply),
    "Restart": (RestartParameters, ActReply),
    "Reload": (ActParameters, ActReply),
    "Signal": (SignalParameters, Nothing),
    "Logs": (LogsParameters, LogsReply),
    "Events": (EventsParameters, EventsReply),
    "Show": (ShowParameters, ShowReply),
    "Shutdown": (ShutdownParameters, Nothing),
}
"""Every method of the interface: its parameters and its reply."""

READ_METHODS = frozenset({"Status", "Logs", "Events", "Show"})
"""Methods that `control_read` opens to others; all else is for root and asyncinit's own user."""


# ---------------------------------------------------------------------------------------------------------------------
# Errors


class NoSuchService(Wire, frozen=True):
    """A name that no service has; `suggestion` is the nearest name, or empty."""

    name: str
    suggestion: str


class NotAllowed(Wire, frozen=True):
    """The caller's user may not do this."""

    text: str


class Refused(Wire, frozen=True):
    """It cannot be done now, or not with these services."""

    text: str


class ActionFailed(Wire, frozen=True):
    """At least one of the services did not come to what was asked; `results` has them all."""

    results: list[ActionResult]
    affected: list[str]


class Failed(Wire, frozen=True):
    """asyncinit could not answer; the fault is its own, and its log says more."""

    text: str


ERRORS: dict[str, type[Wire]] = {
    "NoSuchService": NoSuchService,
    "NotAllowed": NotAllowed,
    "Refused": Refused,
    "ActionFailed": ActionFailed,
    "Failed": Failed,
}
"""Every error of the interface and what it carries."""

TYPES: dict[str, type] = {
    "SystemState": SystemState,
    "ServiceType": ServiceType,
    "State": State,
    "SystemStatus": SystemStatus,
    "ReasonStatus": ReasonStatus,
    "ExitInfo": ExitInfo,
    "ServiceStatus": ServiceStatus,
    "LogEntry": LogEntry,
    "EventEntry": EventEntry,
    "ActionResult": ActionResult,
}
"""Every named type of the interface (reason codes are strings there: Varlink has no "-" in names)."""
