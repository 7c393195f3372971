"""Say what is waited for when a start takes long: after 30 s, and at doubling intervals; decides nothing.

No time limit is hidden behind it: a start may take as long as [ready] timeout lets it, but never silently.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from asyncinit.config.spec import LogLevel
from asyncinit.control.types import EventEntry
from asyncinit.core.engine import Engine
from asyncinit.core.phrases import duration, few
from asyncinit.core.status import State
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.timers import Timer, Timers

FIRST = 30.0


class PatienceState(Struct):
    """What is carried over a re-exec: since when each service is waited for, and after how long it is told next."""

    waiting: dict[str, tuple[float, float]] = {}


class Patience:
    """Follow the changes of all services; `obstacle` gives what a starting service's readiness waits for."""

    def __init__(self, engine: Engine, timers: Timers, journal: Journal, obstacle: Callable[[str], str | None]) -> None:
        self._engine = engine
        self._timers = timers
        self._journal = journal
        self._obstacle = obstacle
        self._waiting: dict[str, Timer] = {}
        self._told_next: dict[str, tuple[float, float]] = {}

    def freeze(self, _keep: Keep) -> PatienceState:
        """Return what is carried over a re-exec."""
        return PatienceState({name: self._told_next[name] for name in self._waiting})

    def thaw(self, state: PatienceState) -> None:
        """Go on waiting."""
        for name, (since, after) in state.waiting.items():
            self._arm(name, since, after)

    def take(self, entry: EventEntry) -> None:
        """Take a change of state."""
        name = entry.service
        if name is None or entry.old is entry.new:
            return
        self.forget(name)
        if entry.new in {State.WAITING, State.STARTING}:
            self._arm(name, self._timers.now(), FIRST)

    def forget(self, name: str) -> None:
        """Wait for nothing more: the service is gone for good."""
        self._told_next.pop(name, None)
        timer = self._waiting.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _arm(self, name: str, since: float, after: float) -> None:
        self._told_next[name] = since, after
        self._waiting[name] = self._timers.at(since + after, partial(self._say, name, since, after))

    def _say(self, name: str, since: float, after: float) -> None:
        service = self._engine.services[name]
        others = self._engine.waiting_on(name)
        what = few(others) if others else self._obstacle(name)
        waits = f", waits for {what}" if what else ""
        self._journal.event(name, f"{service.state} for {duration(after)}{waits}", LogLevel.WARNING)
        self._arm(name, since, after * 2)
