"""The machine's watchdog is fed by the loop alone, carried over a re-exec, handed on and given back."""

from __future__ import annotations

import errno
import math
import os

import msgspec
import pytest

from asyncinit.config.spec import InitSpec
from asyncinit.control.types import EventEntry
from asyncinit.core.status import State
from asyncinit.linux.watchdog import Watchdog
from asyncinit.runtime.hardware_watchdog import HardwareWatchdog, WatchdogState
from tests.unit.test_patience import FakeTimers

DEVICE = "/dev/watchdog0"


class FakeDog(Watchdog):
    """A watchdog that notes what is done to it; of its times the longest is a minute."""

    def __init__(self, seconds: float, timers: FakeTimers) -> None:
        super().__init__(os.open(os.devnull, os.O_WRONLY), 0, "Fake")
        self._timers = timers
        self.fed: list[float] = []
        self.released = False
        self.fault = 0
        self.set_timeout(seconds)

    def feed(self) -> None:
        if self.fault:
            raise OSError(self.fault, "broken")
        self.fed.append(self._timers.now())

    def set_timeout(self, seconds: float) -> None:
        self.timeout = min(60, round(seconds))
        self.feed()

    def release(self) -> None:
        self.released = True
        os.close(self.fd)


class Kennel:
    """A HardwareWatchdog with its surroundings; `refuses` is the errno with which the device cannot be opened."""

    def __init__(self) -> None:
        self.timers = FakeTimers()
        self.said: list[str] = []
        self.warned: list[str] = []
        self.refuses = 0
        self.opened: list[tuple[str, FakeDog]] = []
        self.watchdog = HardwareWatchdog(self.timers, self.said.append, self.warned.append, self._open)  # type: ignore[arg-type]

    def _open(self, path: str, seconds: float) -> FakeDog:
        if self.refuses:
            raise OSError(self.refuses, os.strerror(self.refuses))
        self.opened.append((path, FakeDog(seconds, self.timers)))
        return self.opened[-1][1]

    @property
    def dog(self) -> FakeDog:
        return self.opened[-1][1]

    def configure(self, seconds: float = 30, device: str = DEVICE) -> None:
        self.watchdog.configure(InitSpec(watchdog=seconds, watchdog_device=device))

    def comes_up(self, state: State = State.READY) -> None:
        self.watchdog.take(EventEntry(time="", service="modules", old=State.STARTING, new=state, reason=None, text=""))


def test_it_is_fed_three_times_in_its_time() -> None:
    """As long as timers fire, and no more often."""
    kennel = Kennel()
    kennel.configure()
    kennel.timers.advance(95)
    assert sorted(set(kennel.dog.fed)) == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert len(kennel.timers.waiting) == 1
    assert kennel.said == [f"{DEVICE} (Fake) resets this machine if asyncinit hangs for 30 s"]


def test_it_is_fed_by_the_time_that_it_has() -> None:
    """Not by the one that it was to have."""
    kennel = Kennel()
    kennel.configure(600)
    kennel.timers.advance(20)
    assert kennel.dog.fed[-1] == 20


def test_without_the_wish_there_is_no_timer() -> None:
    """An asyncinit without a watchdog is not woken for it, and opens nothing."""
    kennel = Kennel()
    kennel.configure(math.inf)
    kennel.comes_up()
    assert not kennel.opened and not kennel.timers.waiting and not kennel.said


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENODEV, errno.ENXIO])
def test_it_is_found_once_its_driver_is_there(number: int) -> None:
    """Looked for as services come up, without a word and without a timer."""
    kennel = Kennel()
    kennel.refuses = number
    kennel.configure()
    kennel.comes_up()
    assert not kennel.warned and not kennel.timers.waiting
    kennel.refuses = 0
    kennel.comes_up(State.STARTING)
    assert not kennel.opened
    kennel.comes_up(State.COMPLETED)
    kennel.comes_up()
    assert len(kennel.opened) == 1 and kennel.dog.fed


def test_one_that_another_has_is_told_once() -> None:
    """However often it is tried."""
    kennel = Kennel()
    kennel.refuses = errno.EBUSY
    kennel.configure()
    kennel.comes_up()
    assert kennel.warned == [f"the watchdog is not used: {DEVICE}: device or resource busy"]
    assert kennel.watchdog.described == f"none: {DEVICE}: device or resource busy"


def test_a_reload_changes_its_time_and_gives_it_back() -> None:
    """A new time is set on the open device; `none` and another device release it."""
    kennel = Kennel()
    kennel.configure()
    kennel.configure(45)
    assert (kennel.dog.timeout, len(kennel.opened)) == (45, 1)
    kennel.timers.advance(15)
    assert kennel.dog.fed[-1] == 15
    kennel.configure(45, "/dev/watchdog1")
    assert kennel.opened[0][1].released and kennel.opened[1][0] == "/dev/watchdog1"
    kennel.configure(math.inf)
    assert kennel.dog.released and not kennel.timers.waiting and kennel.watchdog.described == "not used"


def test_it_goes_over_a_re_exec_fed() -> None:
    """The descriptor is kept, with what is known of it; the next program feeds it at once, and opens nothing."""
    before, after = Kennel(), Kennel()
    before.configure(600)
    before.timers.advance(7)
    kept: list[int] = []

    def keep(fd: int) -> int:
        kept.append(fd)
        return fd

    state = before.watchdog.freeze(keep)
    assert kept == [before.dog.fd] and before.dog.fed[-1] == 7
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=WatchdogState)
    reader, state.fd = os.pipe()
    after.watchdog.thaw(state)
    after.configure(600)
    assert os.read(reader, 8) == b"\0" and not after.opened and not after.said
    after.timers.advance(20)
    assert os.read(reader, 8) == b"\0"
    after.configure(math.inf)
    assert os.read(reader, 8) == b"V" and os.read(reader, 8) == b""
    os.close(reader)


def test_nothing_is_carried_where_there_is_none() -> None:
    """The next program looks for itself."""
    before, after = Kennel(), Kennel()
    before.refuses = errno.ENOENT
    before.configure()
    after.watchdog.thaw(before.watchdog.freeze(lambda fd: fd))
    after.configure()
    assert len(after.opened) == 1


def test_it_is_handed_over_fed() -> None:
    """Whoever gets it has its whole time; the timer is gone."""
    kennel = Kennel()
    kennel.configure()
    kennel.timers.advance(5)
    assert kennel.watchdog.hand_over() is kennel.dog
    assert kennel.dog.fed[-1] == 5 and not kennel.timers.waiting
    assert kennel.watchdog.hand_over() is None


def test_one_that_is_lost_is_told_and_looked_for() -> None:
    """A device that went away is not fed any more, and found again when it is back."""
    kennel = Kennel()
    kennel.configure()
    kennel.dog.fault = errno.ENODEV
    kennel.timers.advance(100)
    assert kennel.warned == [f"the watchdog cannot be fed: {DEVICE}: no such device"]
    assert not kennel.timers.waiting
    kennel.comes_up()
    assert len(kennel.opened) == 2
