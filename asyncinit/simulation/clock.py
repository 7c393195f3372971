"""Time that passes when everything that is due has happened, and not before."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count


class Due:
    """Something that is to happen at a moment, unless it is called off."""

    __slots__ = ("_call", "moment")

    def __init__(self, moment: float, call: Callable[[], None]) -> None:
        self.moment = moment
        self._call: Callable[[], None] | None = call

    @property
    def pending(self) -> bool:
        """Whether it is still to happen."""
        return self._call is not None

    def call_off(self) -> None:
        """Have it not happen; harmless if it has."""
        self._call = None

    def happen(self) -> None:
        """Let it happen."""
        call, self._call = self._call, None
        if call is not None:
            call()


class Clock:
    """Seconds since the beginning; what is due at one moment happens in the order in which it was asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Due]] = []
        self._order = count()

    def at(self, moment: float, call: Callable[[], None]) -> Due:
        """Have something happen at a moment, at once if that is over; never, if it is infinite."""
        due = Due(max(moment, self.now), call)
        if moment < math.inf:
            heapq.heappush(self._queue, (due.moment, next(self._order), due))
        return due

    def after(self, seconds: float, call: Callable[[], None]) -> Due:
        """Have something happen so long from now."""
        return self.at(self.now + seconds, call)

    def next(self) -> float:
        """Return when the next thing happens, `math.inf` if nothing will."""
        while self._queue and not self._queue[0][2].pending:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else math.inf

    def step(self) -> None:
        """Let the next thing happen."""
        self.now, _, due = heapq.heappop(self._queue)
        due.happen()
