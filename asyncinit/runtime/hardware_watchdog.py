"""Feed the machine's watchdog while the loop turns, so that an asyncinit that hangs is reset; knows no service.

It is fed by a timer of the loop and by nothing else: whatever keeps timers from firing keeps food from it. Over a live
re-exec the descriptor stays open, fed just before, and the exec has the whole time. At the end of a machine it is
handed to the last steps; where asyncinit ends otherwise it is left to run, since then nobody supervises any more.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable

from msgspec import Struct

from asyncinit.config.spec import InitSpec
from asyncinit.control.types import EventEntry
from asyncinit.core.phrases import duration
from asyncinit.core.status import State
from asyncinit.errors import why
from asyncinit.linux.watchdog import Watchdog, open_watchdog
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.timers import Timer, Timers

# Of its time: it gets two more chances where the loop is late.
_FED_EACH = 1 / 3
# Its driver may yet be loaded, and its device made.
_NOT_THERE = frozenset((errno.ENOENT, errno.ENODEV, errno.ENXIO))


class WatchdogState(Struct):
    """What is carried over a re-exec: the open device, or -1; `asked` is the time that it was to have."""

    fd: int = -1
    timeout: int = 0
    asked: float = math.inf
    identity: str = ""
    device: str = ""


class HardwareWatchdog:
    """The watchdog as [init] wants it; `say` tells a line about it, `warn` that it does not work."""

    def __init__(
        self,
        timers: Timers,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        open_device: Callable[[str, float], Watchdog] = open_watchdog,
    ) -> None:
        self._timers = timers
        self._say = say
        self._warn = warn
        self._open = open_device
        self._device = ""
        self._seconds = math.inf
        self._timer: Timer | None = None
        self.dog: Watchdog | None = None
        """The open one."""
        self.refusal = ""
        """Why there is none although it is wanted."""

    @property
    def wanted(self) -> bool:
        """Whether [init] has it used."""
        return self._seconds != math.inf

    def freeze(self, keep: Keep) -> WatchdogState:
        """Return what is carried over a re-exec; from now on the time of the exec runs."""
        self.feed()
        if self.dog is None:
            return WatchdogState()
        return WatchdogState(keep(self.dog.fd), self.dog.timeout, self._seconds, self.dog.identity, self._device)

    def thaw(self, state: WatchdogState) -> None:
        """Go on feeding the one of the program before."""
        if state.fd >= 0:
            self.dog, self._device = Watchdog(state.fd, state.timeout, state.identity), state.device
            self._seconds = state.asked
            self._feed_on()

    def configure(self, init: InitSpec) -> None:
        """Use it as [init] says now."""
        if init.watchdog == math.inf or init.watchdog_device != self._device:
            self.release()
        changed = init.watchdog != self._seconds
        self._device, self._seconds, self.refusal = init.watchdog_device, init.watchdog, ""
        if not self.wanted:
            return
        if self.dog is None:
            self.look()
        elif changed:
            self._set_timeout()

    def take(self, entry: EventEntry) -> None:
        """Look again for a device that was not there: what has come up may have loaded its driver."""
        if self.wanted and self.dog is None and entry.new in (State.READY, State.COMPLETED):
            self.look()

    def look(self) -> None:
        """Start it, if it is there."""
        try:
            self.dog = self._open(self._device, self._seconds)
        except OSError as error:
            before, self.refusal = self.refusal, f"{self._device}: {why(error.errno or 0)}"
            if error.errno not in _NOT_THERE and self.refusal != before:
                self._warn(f"the watchdog is not used: {self.refusal}")
            return
        self.refusal = ""
        self._say(self.described)
        self._feed_on()

    @property
    def described(self) -> str:
        """What is used, in words."""
        if self.dog is None:
            return f"none: {self.refusal}" if self.refusal else "not used"
        name = f" ({self.dog.identity})" if self.dog.identity else ""
        return f"{self._device}{name} resets this machine if asyncinit hangs for {duration(self.dog.timeout)}"

    def feed(self) -> None:
        """Give it its whole time from now on: something follows that keeps the loop from turning."""
        if self.dog is not None:
            try:
                self.dog.feed()
            except OSError as error:
                self._lost(error)

    def hand_over(self) -> Watchdog | None:
        """Give it to whoever feeds it from now on: the loop is over."""
        self.feed()
        self._stop_feeding()
        dog, self.dog = self.dog, None
        return dog

    def _feed_on(self) -> None:
        self._timer = None
        self.feed()
        if self.dog is not None:
            self._timer = self._timers.at(self._timers.now() + self.dog.timeout * _FED_EACH, self._feed_on)

    def _stop_feeding(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timeout(self) -> None:
        assert self.dog is not None
        try:
            self.dog.set_timeout(self._seconds)
        except OSError as error:
            self._lost(error)
            return
        self._say(self.described)
        self._stop_feeding()
        self._feed_on()

    def release(self) -> None:
        """Stop it, if it is open: nobody feeds it from now on."""
        self._stop_feeding()
        dog, self.dog = self.dog, None
        if dog is None:
            return
        try:
            dog.release()
        except OSError as error:
            self._warn(f"the watchdog {self._device} cannot be stopped: {why(error.errno or 0)}")
        else:
            self._say(f"the watchdog {self._device} is not used any more")

    def _lost(self, error: OSError) -> None:
        self._stop_feeding()
        if self.dog is not None:
            os.close(self.dog.fd)
        self.dog, self.refusal = None, f"{self._device}: {why(error.errno or 0)}"
        self._warn(f"the watchdog cannot be fed: {self.refusal}")
