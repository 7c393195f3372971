"""When a change may have its consequence: at once, or later where each consequence brings the next change. Pure.

A service that writes into what it has watched restarts for ever. That looks like this: a change soon after each
consequence, many times in a row. A person who saves a file again and again is slower.
"""

from __future__ import annotations

_SOON = 3.0
"""Seconds after a consequence within which another change looks as if it came from it."""
_IN_A_ROW = 5
_WAIT = 5.0
_WAIT_AT_MOST = 60.0


class Brake:
    """The memory of one service; all times are monotonic seconds."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._row = 0
        self._held = 0
        self.until = float("-inf")

    def hold(self, now: float) -> float:
        """Return for how many seconds a change at `now` is to wait; each time longer while it goes on."""
        if now < self.until:
            return self.until - now
        if now - max(self._last, self.until) > _SOON:
            self._row = self._held = 0
        if self._row < _IN_A_ROW:
            return 0.0
        self._row = _IN_A_ROW - 1  # one is let through after the wait
        wait: float = min(_WAIT * 2**self._held, _WAIT_AT_MOST)
        self._held += 1
        self.until = now + wait
        return wait

    def acted(self, now: float) -> None:
        """Take in that a change had its consequence."""
        self._last = now
        self._row += 1
