"""Feed events to the engine and have its effects carried out: the one place where the two meet; decides nothing.

Everything that happens is posted here: an exit, a timer, a request. Events wait in an inbox while effects are carried
out (an effect may post events itself), so that the engine is never entered twice. Once the inbox is empty the
watchers are told: they see the engine at rest between two happenings, never in the middle of one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from asyncinit.config.spec import ServiceSpec
from asyncinit.core import carried
from asyncinit.core.carried import EngineState
from asyncinit.core.engine import Engine
from asyncinit.core.events import Effect, Event
from asyncinit.errors import TransitionError

Request = Callable[[float], list[Effect]]


class Performer(Protocol):
    """What carries out effects (`runtime.performer.Performer`)."""

    def perform(self, effect: Effect) -> None:
        """Carry out one effect; never raises."""


class Supervisor:
    """The engine and its inbox.

    `now` gives monotonic seconds, `draw` random numbers in [0, 1); `report` is told of events that cannot happen: bugs.
    `call_soon` has something called in the loop's next turn.
    """

    def __init__(
        self,
        specs: Mapping[str, ServiceSpec],
        now: Callable[[], float],
        draw: Callable[[], float],
        report: Callable[[TransitionError], None],
        call_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self.engine = Engine(specs, draw, report)
        self.performer: Performer | None = None
        self._now = now
        self._call_soon = call_soon
        self._inbox: deque[Request] = deque()
        self._effects: deque[Effect] = deque()
        self._draining = False
        self._watchers: list[Callable[[], None]] = []

    def post(self, service: str, event: Event) -> None:
        """Let `event` happen to `service`, after what is already waiting."""
        self.request(lambda now: self.engine.handle(service, event, now))

    def request(self, request: Request) -> None:
        """Have the engine do something (`request` calls one of its methods), after what is already waiting."""
        self._inbox.append(request)
        if not self._draining:
            self._drain()

    def settle(self) -> None:
        """Carry out what an exception has left: the effects of the last request, and the requests that wait."""
        if self._inbox or self._effects:
            self._drain()

    def thaw(self, state: EngineState, others: Callable[[], None]) -> None:
        """Go on after a re-exec: the engine knows its services, then `others` take over what runs.

        What follows from that, and what the others tell, waits until each of them is there.
        """
        self._draining = True
        try:
            self._effects.extend(carried.thaw(self.engine, state, self._now()))
            others()
        finally:
            self._draining = False
        self._call_soon(self.settle)

    def later(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` in a later turn of the loop."""
        self._call_soon(watcher)

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call `watcher` whenever the engine has come to rest; return what ends that."""
        self._watchers.append(watcher)

        def unwatch() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return unwatch

    def _drain(self) -> None:
        assert self.performer is not None
        self._draining = True
        try:
            while self._inbox or self._effects:
                while self._inbox or self._effects:
                    if self._effects:
                        self.performer.perform(self._effects.popleft())
                    else:
                        self._effects.extend(self._inbox.popleft()(self._now()))
                for watcher in tuple(self._watchers):
                    watcher()
        finally:
            self._draining = False
