"""Tell every change of state: a line for people, an entry for followers, and the wall-clock times of `status`.

Knows no descriptor and decides nothing. One line per state change that a person wants to see: an end by itself is told
once, by what follows from it, not by the moment in which what is left of the service is ended.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from asyncinit.config.spec import LogLevel
from asyncinit.control.types import EventEntry, EventKind, sendable, timestamp
from asyncinit.core import telling
from asyncinit.core.effects import HandedOver, HandoverStage
from asyncinit.core.engine import Engine
from asyncinit.core.events import Announce
from asyncinit.core.status import State
from asyncinit.runtime.output.entries import Fields
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.reexec.coding import by_keys, from_keys
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.snapshot import exit_info, reason_status

# So many changes are remembered for `events`; a line of each is about 200 bytes.
_REMEMBERED = 512
# So many of a service's last lines are shown with its failure.
_LAST_LINES = 10

# States of a service that is ready for others.
_IS_READY = frozenset({State.READY, State.RELOADING, State.UNHEALTHY})

Follower = Callable[[EventEntry], None]


@dataclass(slots=True)
class Times:
    """When a service last changed: `since`, `ready_since` and `exit_time` by the wall; the others monotonic.

    `moment`: when it came into its state; `begun`: when its last start began.
    """

    moment: float
    begun: float
    since: float | None = None
    ready_since: float | None = None
    exit_time: float | None = None


class AnnouncerState(Struct):
    """What is carried over a re-exec; entries by their keys, as these are added to from version to version."""

    recent: list[dict[str, Any]] = []
    times: dict[str, Times] = {}
    begun: float = 0.0


class Announcer:
    """Take `Announce` effects; `now` gives monotonic seconds."""

    def __init__(self, engine: Engine, journal: Journal, now: Callable[[], float]) -> None:
        self._engine = engine
        self._journal = journal
        self._now = now
        self._followers: dict[object, Follower] = {}
        self._listeners: list[Callable[[Announce], None]] = []
        self.recent: deque[EventEntry] = deque(maxlen=_REMEMBERED)
        self._times: dict[str, Times] = {}
        self._begun = now()

    def freeze(self, _keep: Keep) -> AnnouncerState:
        """Return what is carried over a re-exec."""
        return AnnouncerState(by_keys(self.recent), dict(self._times), self._begun)

    def thaw(self, state: AnnouncerState) -> None:
        """Go on with what the program before has told."""
        self._times, self._begun = state.times, state.begun
        self.recent.extend(from_keys(state.recent, EventEntry))

    def times(self, name: str) -> Times:
        """Return the times of a service."""
        if name not in self._times:
            self._times[name] = Times(self._begun, self._begun)
        return self._times[name]

    def forget(self, name: str) -> None:
        """Forget a service that is gone for good; what was told of it stays told."""
        self._times.pop(name, None)

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Call `follower` with every entry from now on; return what ends that."""
        key = object()
        self._followers[key] = follower
        return lambda: (self._followers.pop(key, None), None)[1]

    def on_change(self, listener: Callable[[Announce], None]) -> None:
        """Call `listener` with every change of a service's state, before anybody is told of it."""
        self._listeners.append(listener)

    def announce(self, effect: Announce) -> None:
        """Tell that a service has changed its state."""
        for listener in self._listeners:
            listener(effect)
        service, now = self._engine.services[effect.service], self._now()
        times = self.times(effect.service)
        wall = time.time()
        if effect.new is State.STARTING:
            times.begun = now
        took = now - telling.began(service, effect, times.moment, times.begun)
        times.moment, times.since = now, wall
        if effect.new not in _IS_READY:
            times.ready_since = None
        elif times.ready_since is None:
            times.ready_since = wall
        waits = self._engine.waiting_on(effect.service)
        text, level = telling.transition(service, effect, took, now, waits)
        self._tell(effect, text)
        if telling.told_by_what_follows(service, effect):
            level = LogLevel.DEBUG
        self._journal.event(
            effect.service,
            text,
            level,
            {
                "state": str(effect.new),
                "from": str(effect.old),
                "reason": None if effect.reason is None else str(effect.reason.code),
                "pid": service.main,
            },
            output=_LAST_LINES if _has_failed_itself(effect) else 0,
        )

    def handed_over(self, effect: HandedOver) -> None:
        """Tell how far a restart without a gap is."""
        text, level = telling.handover(effect)
        service = self._engine.services[effect.service]
        if effect.stage is HandoverStage.TAKEN_OVER:
            self.times(effect.service).ready_since = time.time()
        fields = {"handover": str(effect.stage), "pid": effect.pid, "other_pid": effect.other}
        self._journal.event(effect.service, text, level, fields)
        self._tell(Announce(effect.service, service.state, service.state, effect.reason), text)

    def exited(self, name: str) -> None:
        """Note that the main process of a service has just ended."""
        self.times(name).exit_time = time.time()

    def _tell(self, effect: Announce, text: str) -> None:
        service = self._engine.services[effect.service]
        ended = None if effect.status is None else exit_info(effect.status, self.times(effect.service).exit_time)
        self._enter(
            EventEntry(
                kind=EventKind.STATE,
                time=timestamp(time.time()),
                service=effect.service,
                old=effect.old,
                new=effect.new,
                reason=reason_status(effect.reason),
                text=sendable(text),
                pid=service.main,
                exit=ended,
                restarts=service.restarts,
            )
        )

    def remark(self, text: str) -> None:
        """Write a line of asyncinit itself for who wants to know all (-v); followers are not told."""
        self._journal.event(None, text, LogLevel.DEBUG)

    def system(
        self,
        text: str,
        level: LogLevel = LogLevel.INFO,
        fields: Fields | None = None,
        kind: EventKind = EventKind.MESSAGE,
    ) -> None:
        """Tell something of asyncinit itself; `fields` are for programs that read its output."""
        self._journal.event(None, text, level, fields)
        moment = timestamp(time.time())
        self._enter(EventEntry(kind=kind, time=moment, service=None, old=None, new=None, reason=None, text=text))

    def note(self, name: str, text: str, level: LogLevel = LogLevel.INFO) -> None:
        """Tell something of a service that is no change of its state."""
        self._journal.event(name, text, level)
        moment, state = timestamp(time.time()), self._engine.services[name].state
        self._enter(EventEntry(time=moment, service=name, old=state, new=state, reason=None, text=text))

    def _enter(self, entry: EventEntry) -> None:
        """Remember an entry and tell everybody who follows."""
        self.recent.append(entry)
        for follower in tuple(self._followers.values()):
            follower(entry)


def _has_failed_itself(effect: Announce) -> bool:
    """Tell whether what a service wrote last may say why it is so; not where another one is the cause."""
    by_another = effect.reason is not None and effect.reason.service is not None
    return effect.new in {State.FAILED, State.BACKOFF} and not by_another
