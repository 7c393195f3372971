"""So many lines in so much time; the rest is dropped and counted. By the chunk; pure, knows no clock."""

from __future__ import annotations


class RateLimit:
    """Let `lines` pass in each `interval` of seconds, which begins with the first line of it."""

    __slots__ = ("_ends", "_left", "interval", "lines", "suppressed")

    def __init__(self, lines: int, interval: float) -> None:
        self.lines = lines
        self.interval = interval
        self.suppressed = 0
        """Lines that were dropped in this interval."""
        self._left = 0
        self._ends = 0.0

    def take(self, now: float, data: bytes) -> bytes:
        """Return what of `data`, whole lines or a piece of one, read at `now` (monotonic seconds), may pass.

        What was suppressed in an interval that is over has to be taken from `suppressed` before.
        """
        if now >= self._ends:
            self._ends = now + self.interval
            self._left = self.lines
        count = data.count(b"\n") or 1
        if count <= self._left:
            self._left -= count
            return data
        end = 0
        for _ in range(self._left):
            end = data.index(b"\n", end) + 1
        self.suppressed += count - self._left
        self._left = 0
        return data[:end]

    def ended(self, now: float) -> int:
        """Return how many lines the last interval suppressed, once, if it is over."""
        if not self.suppressed or now < self._ends:
            return 0
        count, self.suppressed = self.suppressed, 0
        return count

    @property
    def ends(self) -> float:
        """When the interval ends."""
        return self._ends
