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

# So many cancelled timers may wait in the heap for their deadline before it is looked through.
_FEW = 64


class Timer:
    """A deadline that can be cancelled."""

    __slots__ = ("_cancelled", "callback", "deadline")

    def __init__(self, deadline: float, callback: Callable[[], None], cancelled: Callable[[], None]) -> None:
        self.deadline = deadline
        self.callback: Callable[[], None] | None = callback
        self._cancelled = cancelled

    def cancel(self) -> None:
        """Forget it; harmless when it has fired already."""
        if self.callback is not None:
            self.callback = None
            self._cancelled()


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
        self._dead = 0

    def now(self) -> float:
        """Return the present moment in monotonic seconds."""
        return self._clock()

    def at(self, deadline: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once at `deadline` (monotonic seconds; `math.inf`: never) or as soon after as possible."""
        timer = Timer(deadline, callback, self._forget_one)
        if deadline != math.inf:
            heapq.heappush(self._heap, (deadline, next(self._order), timer))
            if deadline < self._armed_for:
                self._arm()
        return timer

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, `seconds` from now."""
        return self.at(self._clock() + seconds, callback)

    def _forget_one(self) -> None:
        """Count a cancelled timer, and throw them all away once they are most of the heap.

        The loop is not woken for one that it would have been woken for next: a probe's time limit, when it is answered.
        """
        self._dead += 1
        if self._dead > _FEW and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._dead = 0
        if self._handle is not None and (not self._heap or self._heap[0][2].callback is None):
            self._arm()

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
                try:
                    callback()
                except Exception as error:  # the others that are due must not be lost with it
                    self._loop.call_exception_handler({"message": "a timer's callback failed", "exception": error})
