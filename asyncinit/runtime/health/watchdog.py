"""The watchdog of one service instance: it has to say often enough that it is alive; knows no socket and no process.

A message costs nothing but a new deadline: the timer that is armed stays, and is armed anew when it finds that it has
come too early. So the loop is woken once in an interval, however often the service speaks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from asyncinit.runtime.timers import Timer, Timers


class WatchdogState(Struct):
    """What is carried over a re-exec; `deadline` None: nothing is expected at present."""

    interval: float = math.inf
    deadline: float | None = None


class Watchdog:
    """Expect a sign of life every `interval` seconds (`math.inf`: none is expected), once it was begun.

    `hear` reads what the service has sent and we have not: when we ourselves were held up, it is not the service that
    is late. `late` is told at most once a beginning, in words.
    """

    def __init__(
        self, timers: Timers, interval: float, hear: Callable[[], object], late: Callable[[str], None]
    ) -> None:
        self._timers = timers
        self._hear = hear
        self._late = late
        self._interval = interval
        self._deadline: float | None = None
        self._timer: Timer | None = None

    @property
    def interval(self) -> float:
        """Return how often it has to speak, in seconds."""
        return self._interval

    def begin(self) -> None:
        """Expect signs of life from now on."""
        self._expect(self._timers.now() + self._interval)

    def end(self) -> None:
        """Expect none any more; harmless at any time."""
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def alive(self) -> None:
        """Take a sign of life."""
        if self._deadline is not None:
            self._deadline = self._timers.now() + self._interval

    def change(self, interval: float) -> None:
        """Have it speak every `interval` seconds from now on."""
        self._interval = interval
        if self._deadline is not None:
            self.begin()

    def extend(self, seconds: float) -> None:
        """Have the next sign of life come within `seconds` from now, where that is later than it has to be."""
        if self._deadline is not None:
            self._deadline = max(self._deadline, self._timers.now() + seconds)

    def freeze(self) -> WatchdogState:
        """Return what is carried over a re-exec."""
        return WatchdogState(self._interval, self._deadline)

    def thaw(self, state: WatchdogState) -> None:
        """Go on as the one before; messages that came in between wait in the kernel, and are heard in time."""
        self._interval = state.interval
        if state.deadline is not None:
            self._expect(state.deadline)

    def _expect(self, deadline: float) -> None:
        self.end()
        self._deadline = deadline
        self._timer = self._timers.at(deadline, self._due)

    def _due(self) -> None:
        if self._is_over():
            self._hear()  # which may end this
        if self._deadline is None:
            return
        if self._is_over():
            self._deadline = None
            self._late(f"no WATCHDOG=1 within {self._interval:g} s")
        else:
            self._timer = self._timers.at(self._deadline, self._due)

    def _is_over(self) -> bool:
        return self._deadline is not None and self._timers.now() >= self._deadline
