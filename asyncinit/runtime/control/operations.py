"""What the control server needs of the rest of the runtime: a protocol that the supervisor implements.

Knows nothing of sockets. All calls are made on the loop and must not block; callbacks come on the loop too, never
from within the call that registers them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from asyncinit.config.spec import PowerAction
from asyncinit.control.types import (
    ActionResult,
    CrashesReply,
    DoctorReply,
    EventEntry,
    ExecPlanReply,
    ExplainReply,
    GraphReply,
    PodStatus,
    ServiceStatus,
    ShutdownPlanReply,
    StartupReply,
    SystemStatus,
    TimerStatus,
    UsageReply,
)
from asyncinit.errors import AsyncinitError
from asyncinit.runtime.configuring.configured import Outcome
from asyncinit.runtime.output.entries import Entry, EventRecord


@dataclass(eq=False)
class RefusedError(AsyncinitError):
    """What was asked cannot be done now, or not with these services; `text` says why, for people."""

    text: str

    def __str__(self) -> str:
        return self.text


class Verb(StrEnum):
    """What `act` does."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RELOAD = "reload"


class JobState(Struct):
    """An action that somebody waits for, as it is carried over a re-exec.

    `unfit` were in no state to be reloaded, `idle` were not running, when it began.
    """

    verb: Verb = Verb.START
    names: list[str] = []
    affected: list[str] = []
    unfit: list[str] = []
    idle: list[str] = []


class Job(Protocol):
    """An action that is under way."""

    @property
    def affected(self) -> tuple[str, ...]:
        """Names of services that were not named but are stopped or started too, in order of names."""

    def cancel(self) -> None:
        """Stop waiting: `done` is not called any more. What was begun goes on."""

    def freeze(self) -> JobState:
        """Return what is carried over a re-exec, for `Operations.go_on`."""


class JournalReader(Protocol):
    """The part of `runtime.output.journal.Journal` that the control server reads; see there."""

    @property
    def cursor(self) -> int:
        """The number of the newest line or event."""

    def last(self, services: Collection[str] | None, count: int) -> Sequence[Entry]:
        """Return the newest `count` lines of `services` (None: of all) that are in memory, oldest first."""

    def events(self, count: int | None = None, services: Collection[str] | None = None) -> Sequence[EventRecord]:
        """Return the newest `count` events of `services` (None: of all, and asyncinit's own), oldest first."""

    def subscribe(
        self, services: Collection[str] | None, callback: Callable[[Sequence[Entry]], None]
    ) -> Callable[[], None]:
        """Call back with new lines of `services` (None: of all); returns what ends it."""

    def subscribe_events(self, callback: Callable[[EventRecord], None]) -> Callable[[], None]:
        """Call back with each new event; returns what ends it."""


class Work(Protocol):
    """Something that is being found out."""

    def cancel(self) -> object:
        """Call nobody any more; harmless when it is over."""


class Insight(Protocol):
    """What can be asked about causes, times and plans (`runtime.insight.Insight`); names are known to exist."""

    def explain(self, name: str) -> ExplainReply:
        """Return why a service is in its state, and what would follow."""

    def crashes(self, names: Sequence[str] | None, number: int | None) -> CrashesReply:
        """Return the reports of `names` (None: of all), or the one of this number, oldest first."""

    def startup(self) -> StartupReply:
        """Return how the first start went."""

    def shutdown_plan(self) -> ShutdownPlanReply:
        """Return how the time of a shutdown would be shared out."""

    def graph(self) -> GraphReply:
        """Return all services and their edges."""

    def exec_plan(self, name: str, done: Callable[[ExecPlanReply | RefusedError], None]) -> Work:
        """Find out what a process of a service runs with; `done` is called later. Raises RefusedError."""

    def doctor(self, done: Callable[[DoctorReply | RefusedError], None]) -> Work:
        """Look at everything; `done` is called later."""

    def usage(self, names: Sequence[str] | None, done: Callable[[UsageReply | RefusedError], None]) -> Work:
        """Measure what the processes of `names` (None: of all) use; `done` is called later."""


class ConfigurationOperations(Protocol):
    """What can be asked of the configuration as a whole."""

    def reload_config(self, dry_run: bool, answer: Callable[[Outcome], None]) -> Callable[[], None]:
        """Have the configuration read again and taken over, or with `dry_run` compared; raises RefusedError.

        `answer` is told what came of it, never before this has returned; what is returned ends that somebody waits.
        """

    def until_settled(
        self,
        up: Sequence[str],
        down: Sequence[str],
        affected: Sequence[str],
        done: Callable[[list[ActionResult]], None],
    ) -> Callable[[], None]:
        """Call `done` once, when `up` are up or have failed, `down` are down, and `affected` have come to rest.

        Never before this has returned; what is returned ends the waiting.
        """


class TemplateOperations(Protocol):
    """What can be asked of templates (`runtime.configuring.templates.Templates`).

    What is returned ends that somebody waits; answers never come before it is.
    """

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return those of `names` that could be instances of a template, and are not there."""

    def make(self, names: Sequence[str], answer: Callable[[str], None]) -> Callable[[], None]:
        """Have instances be there; `answer` is told what is in the way, or nothing. Raises RefusedError."""

    def scale(self, template: str, count: int, answer: Callable[[Outcome], None]) -> Callable[[], None]:
        """Have so many numbered instances, all started; the others go. Raises UnknownServiceError, RefusedError."""


class FreezingOperations(Protocol):
    """What can be asked of the time of services (`runtime.freezing.Freezing`)."""

    def freeze(self, names: Sequence[str]) -> None:
        """Have all processes of `names` stand still; raises UnknownServiceError, RefusedError."""

    def thaw(self, names: Sequence[str]) -> None:
        """Have them go on; raises UnknownServiceError, RefusedError."""


class Viewer(Protocol):
    """Who has joined a service's terminal, and must not wait (`runtime.control.methods.attaching.Screen`)."""

    def show(self, data: bytes) -> None:
        """The service has written this."""

    def tell(self, text: str) -> None:
        """Something has become of the service."""

    def room(self) -> None:
        """More may be typed."""

    def end(self, code: int, text: str) -> None:
        """It is over: the service has come to rest, its exit status was `code`; nothing follows."""


class Attached(Protocol):
    """A viewer that is joined (`runtime.attaching.Attached`)."""

    def begin(self) -> None:
        """Show what was written before."""

    def type(self, data: bytes) -> bool:
        """Have the service read `data`; tell whether more may come before the viewer's `room` is called."""

    def end_input(self) -> None:
        """Have the service read the end of its input; whoever reads it is the last that this viewer is joined to."""

    def resize(self, rows: int, columns: int) -> None:
        """Have the terminal be of this size."""

    def leave(self) -> None:
        """Leave; the service goes on."""

    def freeze(self) -> AttachedState:
        """Return what is carried over a re-exec, for `AttachingOperations.go_on`."""


class AttachedState(Struct):
    """Who has joined, as it is carried over a re-exec: `variables` None where the service ran already; `told`: the
    viewer was told last that it does not. `ahead` is what was typed before a terminal was `opened`. `last`: there is no
    more to be typed.
    """

    name: str = ""
    rows: int = 24
    columns: int = 80
    variables: dict[str, str] | None = None
    told: bool = False
    opened: bool = False
    ahead: bytes = b""
    last: bool = False


class AttachingOperations(Protocol):
    """What lets join the terminals of services (`runtime.attaching.Attaching`); names are known to exist."""

    def join(self, name: str, viewer: Viewer, size: tuple[int, int], start: dict[str, str] | None) -> Attached:
        """Join a service; `start` (variables for it): start it first, with a terminal of its own for this.

        Raises UnknownServiceError, RefusedError.
        """

    def go_on(self, state: AttachedState, viewer: Viewer) -> Attached:
        """Stay joined after a re-exec."""


class PodOperations(Protocol):
    """What can be asked of pods (`runtime.pods.Pods`)."""

    def statuses(self, names: Sequence[str] | None) -> list[PodStatus]:
        """Return every pod, by name; or those of `names`, in that order; raises RefusedError."""


class Operations(ConfigurationOperations, Protocol):
    """What can be asked of a running asyncinit."""

    def system(self) -> SystemStatus:
        """Return what asyncinit itself is doing."""

    def services(self, names: Sequence[str] | None = None) -> list[ServiceStatus]:
        """Return every service, by name; or those of `names`, in that order; raises UnknownServiceError."""

    def timers(self, names: Sequence[str] | None = None) -> list[TimerStatus]:
        """Return every timer, by the service's name; or those of `names`, in that order.

        Raises UnknownServiceError, or RefusedError for a service without one.
        """

    def act(self, verb: Verb, names: Sequence[str], only: bool, done: Callable[[list[ActionResult]], None]) -> Job:
        """Begin `verb` for `names` and call `done` with one result a name, in that order, when all have come to rest.

        `only` (with RESTART): what requires them is left alone. Raises UnknownServiceError, or RefusedError, before
        anything was begun. `done` is never called before this has returned.
        """

    def go_on(self, state: JobState, done: Callable[[list[ActionResult]], None]) -> Job:
        """Wait on for an action that was begun before a re-exec; `done` as in `act`."""

    def reexec(self, failed: Callable[[str], None]) -> None:
        """Replace asyncinit by the program now installed; `failed` is told why that could not be; RefusedError.

        It is not called if all goes well: whoever asked is carried over, and goes on in the new program.
        """

    def signal(self, number: int, names: Sequence[str]) -> None:
        """Send a signal to the main processes of `names`; raises UnknownServiceError, RefusedError."""

    def show(self, name: str) -> str:
        """Return the merged declaration as TOML; raises UnknownServiceError."""

    def journal(self) -> JournalReader:
        """Return the journal."""

    def templates(self) -> TemplateOperations:
        """Return what makes instances of templates."""

    def freezing(self) -> FreezingOperations:
        """Return what has services stand still."""

    def attaching(self) -> AttachingOperations:
        """Return what lets join terminals."""

    def pods(self) -> PodOperations:
        """Return what tells about pods."""

    def insight(self) -> Insight:
        """Return what tells about causes, times and plans."""

    def on_event(self, callback: Callable[[EventEntry], None]) -> Callable[[], None]:
        """Call back with every event from now on; returns what ends it."""

    def recent_events(self) -> Sequence[EventEntry]:
        """Return the newest events, oldest first: a bounded number."""

    def shutdown(self, reason: str, action: PowerAction | None, at_once: bool) -> PowerAction | None:
        """Begin the shutdown; `reason` says who asked, for the log. Asking again means no more waiting.

        Return what is done with the machine then, None where asyncinit runs none. `at_once`: nothing is stopped in
        order.
        """
