"""The wall clock's alarm: one deadline, never early, right however the clock is set; knows nothing of what is due.

Carried over a re-exec: nothing. A new one is as good, since it is armed by absolute moments.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable

from asyncinit.linux import timerfd
from asyncinit.runtime.timers import Timer, Timers


class WallAlarm:
    """Call `ring` once the wall clock has reached what `set` said, and `clock_set` when somebody has set the clock.

    Both are for whose alarm it is to fill in; `clock` gives wall-clock seconds. Without a descriptor to be had from the
    kernel it goes by the monotonic clock: then it notices only at its deadline that the clock was set, which `say` is
    told once.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timers: Timers,
        clock: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._timers = timers
        self._clock = clock
        self.ring: Callable[[], None] = lambda: None
        self.clock_set: Callable[[], None] = lambda: None
        self._say = say
        self._fd = -1
        self._stand_in: Timer | None = None
        self._told = False
        self._deadline = math.inf

    def set(self, deadline: float) -> None:
        """Ring at `deadline` (seconds since 1970), and no more for an earlier one; `math.inf`: only watch the clock."""
        self._deadline = deadline
        if self._fd < 0 and not self._open():
            self._arm_stand_in()
        else:
            timerfd.arm(self._fd, deadline)

    def _open(self) -> bool:
        try:
            self._fd = timerfd.timerfd_realtime()
        except OSError as error:
            if not self._told:
                self._told = True
                self._say(f"cannot watch the wall clock: {error.strerror}; timers go by the monotonic clock")
            return False
        self._forget_stand_in()
        self._loop.add_reader(self._fd, self._readable)
        return True

    def _arm_stand_in(self) -> None:
        self._forget_stand_in()
        self._stand_in = self._timers.after(self._deadline - self._clock(), self._look)

    def _readable(self) -> None:
        if timerfd.take(self._fd):
            self.clock_set()
        else:
            self._look()

    def _look(self) -> None:
        if self._clock() >= self._deadline:
            self._deadline = math.inf
            self.ring()
        else:  # the clock was set, and nobody could tell us
            self.set(self._deadline)

    def _forget_stand_in(self) -> None:
        if self._stand_in is not None:
            self._stand_in.cancel()
            self._stand_in = None

    def close(self) -> None:
        """Forget the deadline and the clock."""
        self._forget_stand_in()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
