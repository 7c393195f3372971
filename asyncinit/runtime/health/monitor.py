"""Probe one service instance again and again while it is up, and tell each answer; counts nothing, decides nothing.

The first probe comes at a random moment within the first interval, each further one an interval after the last began:
a hundred services that have started together are not all probed in the same moment. A probe that takes longer than the
interval delays the next one; two never overlap.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from asyncinit.config.spec import Health
from asyncinit.runtime.health.round import Asked, make_asked
from asyncinit.runtime.ready.probes import Cancellable, ProbeContext

# A probe that took longer than the interval is followed by the next one, but not at once.
_LEAST = 0.01


class MonitorState(Struct):
    """What is carried over a re-exec: when the next probe is due, and what is shown of the last one."""

    next: float | None = None
    obstacle: str = ""
    asked_at: float | None = None


class Monitor:
    """Ask for `health`, whose texts have each `${NAME}` expanded; `tell` is given the obstacle, "" for none.

    `draw` gives random numbers in [0, 1), `wall` the time of day in seconds. `obstacle` and `asked_at` are what came of
    the last probe and when. Raises AddressError for an address without meaning.
    """

    def __init__(
        self,
        context: ProbeContext,
        health: Health,
        tell: Callable[[str], None],
        *,
        draw: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._timers = context.timers
        self._interval = health.interval
        self._asked: Asked = make_asked(context, health, health.probe_timeout)
        self._tell = tell
        self._draw = draw
        self._wall = wall
        self._pending: Cancellable | None = None
        self._next: float | None = None
        self.obstacle = ""
        self.asked_at: float | None = None

    def begin(self) -> None:
        """Probe from now on."""
        self.end()
        self._wait(self._timers.now() + self._interval * self._draw())

    def end(self) -> None:
        """Probe no more, and tell nothing of the probe that is under way; harmless at any time."""
        self._next = None
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def freeze(self) -> MonitorState:
        """Return what is carried over a re-exec; a probe that is under way is begun again."""
        return MonitorState(self._next, self.obstacle, self.asked_at)

    def thaw(self, state: MonitorState) -> None:
        """Go on as the one before."""
        self.obstacle, self.asked_at = state.obstacle, state.asked_at
        if state.next is not None:
            self._wait(state.next)

    def _wait(self, moment: float) -> None:
        self._next = moment
        self._pending = self._timers.at(moment, self._ask)

    def _ask(self) -> None:
        begun = self._timers.now()
        self._next = begun  # a re-exec while it is asked asks again
        self._pending = self._asked.start(lambda obstacle: self._answered(begun, obstacle))

    def _answered(self, begun: float, obstacle: str) -> None:
        self.obstacle, self.asked_at = self._asked.told(obstacle), self._wall()
        self._wait(max(begun + self._interval, self._timers.now() + _LEAST))
        self._tell(self.obstacle)  # last: what follows from it may end this
