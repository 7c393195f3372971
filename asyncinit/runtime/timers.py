"""Deadlines on the monotonic clock, never early; knows nothing of what they are for.

The loop's own timers are not enough: uvloop rounds to milliseconds and both loops may call back a little before the
deadline. Here one heap is served by one loop timer, and a callback runs only once the clock has reached its deadline.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Callable


class Timer:
    """A deadline that can be cancelled."""

    __slots__ = ("callback", "deadline")

    def __init__(self, deadline: float, callback: Callable[[], None]) -> None:
        self.deadline = deadline
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget it; harmless when it has fired already."""
        self.callback = None


class Timers:
    """All deadlines of the process.

    `clock` gives monotonic seconds; tests pass their own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.monotonic) -> None:
        self._loop = loop
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = math.inf

    def now(self) -> float:
        """Return the present moment in monotonic seconds."""
        return self._clock()

    def at(self, deadline: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once at `deadline` (monotonic seconds; `math.inf`: never) or as soon after as possible."""
        timer = Timer(deadline, callback)
        if deadline != math.inf:
            heapq.heappush(self._heap, (deadline, next(self._order), timer))
            if deadline < self._armed_for:
                self._arm()
        return timer

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, `seconds` from now."""
        return self.at(self._clock() + seconds, callback)

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        self._armed_for = self._heap[0][0] if self._heap else math.inf
        if self._heap:
            # A day at most: libuv and epoll count milliseconds in 32 bits; firing early only arms again.
            delay = min(max(0.0, self._armed_for - self._clock()), 86_400.0)
            self._handle = self._loop.call_later(delay, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._clock()
        due: list[Timer] = []
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].callback is None):
            due.append(heapq.heappop(self._heap)[2])
        self._armed_for = math.inf
        self._arm()
        for timer in due:
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
