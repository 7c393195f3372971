"""The wall clock's alarm on both loops: never early, right after the clock was set, and with nothing to wait with."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import select
import time
from collections.abc import Callable, Iterator

import pytest

from asyncinit.linux import timerfd
from asyncinit.runtime.timing.alarm import WallAlarm
from tests.linux.running import Running, descriptors


def readable(fd: int, seconds: float = 0.0) -> bool:
    return bool(select.select([fd], [], [], seconds)[0])


@pytest.fixture
def fd() -> Iterator[int]:
    made = timerfd.timerfd_realtime()
    yield made
    os.close(made)


def test_a_timer_of_the_kernel(fd: int) -> None:
    """It is readable at its moment and not before, once; it does not block and is not inherited."""
    assert not os.get_blocking(fd)
    assert not os.get_inheritable(fd)
    moment = time.time() + 0.05
    timerfd.arm(fd, moment)
    assert not readable(fd)
    assert timerfd.take(fd) is False
    assert readable(fd, 20)
    assert time.time() >= moment
    assert timerfd.take(fd) is False
    assert not readable(fd)


@pytest.mark.parametrize(("moment", "due"), [(0, True), (-1e12, True), (1.5, True), (math.inf, False), (1e300, False)])
def test_any_moment_can_be_armed(fd: int, moment: float, due: bool) -> None:
    """What is past is due at once; what never comes, or after the kernel's time, is not."""
    timerfd.arm(fd, moment)
    assert readable(fd) is due


class ClockInTheWay:
    """A wall clock that tests set: timers are armed by the machine's clock, and told when this one is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offset = 0.0
        self.fds: list[int] = []
        self._cancelled: set[int] = set()
        self._arm, self._take, self._make = timerfd.arm, timerfd.take, timerfd.timerfd_realtime
        monkeypatch.setattr(timerfd, "arm", lambda fd, moment: self._arm(fd, moment - self.offset))
        monkeypatch.setattr(timerfd, "take", self._taken)
        monkeypatch.setattr(timerfd, "timerfd_realtime", self._made)

    def __call__(self) -> float:
        return time.time() + self.offset

    def set(self, offset: float) -> None:
        self.offset = offset
        for fd in self.fds:
            self._cancelled.add(fd)
            self._arm(fd, 0)  # readable, as the kernel makes it

    def _made(self) -> int:
        self.fds.append(self._make())
        return self.fds[-1]

    def _taken(self, fd: int) -> bool:
        cancelled = fd in self._cancelled
        self._cancelled.discard(fd)
        self._take(fd)
        return cancelled


class Heard:
    """What an alarm told, in order."""

    def __init__(self, running: Running, clock: Callable[[], float]) -> None:
        self.calls: list[str] = []
        self.said: list[str] = []
        self.late: list[float] = []
        self.deadline = math.inf
        self.alarm = WallAlarm(running.loop, running.timers, clock, self.said.append)
        self.alarm.ring = self._ring
        self.alarm.clock_set = lambda: self.calls.append("set")
        self._clock = clock

    def set(self, deadline: float) -> None:
        self.deadline = deadline
        self.alarm.set(deadline)

    def _ring(self) -> None:
        self.calls.append("ring")
        self.late.append(self._clock() - self.deadline)


def test_it_rings_never_early_and_once(loop: asyncio.AbstractEventLoop) -> None:
    """At its deadline; another deadline replaces it; nothing is left of it."""
    running, before = Running(loop), descriptors()
    heard = Heard(running, time.time)
    heard.set(time.time() + 3600)
    for _ in range(20):
        heard.set(time.time() + 0.01)
        count = len(heard.calls)
        running.until(lambda count=count: len(heard.calls) > count)
    assert heard.calls == ["ring"] * 20
    assert min(heard.late) >= 0
    heard.alarm.close()
    heard.alarm.close()
    assert descriptors() == before


def test_it_tells_when_the_clock_was_set(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a deadline is set or not; with the new time it waits as if nothing had been."""
    running, clock = Running(loop), ClockInTheWay(monkeypatch)
    heard = Heard(running, clock)
    heard.set(math.inf)
    clock.set(1000.0)
    running.until(lambda: heard.calls)
    assert heard.calls == ["set"]
    heard.set(clock() + 3600)
    clock.set(1000.0 + 3600)
    running.until(lambda: len(heard.calls) == 2)
    assert heard.calls == ["set", "set"], "what is due now is for who is told to say"
    heard.set(heard.deadline)
    running.until(lambda: len(heard.calls) == 3)
    assert heard.calls[-1] == "ring"
    heard.alarm.close()


def test_a_clock_that_is_set_in_silence(loop: asyncio.AbstractEventLoop) -> None:
    """Where no kernel tells it, the deadline that comes too early is waited for again."""
    running, offset = Running(loop), [0.0]
    heard = Heard(running, lambda: time.time() + offset[0])
    heard.set(time.time() + 0.05)
    offset[0] = -0.1
    running.until(lambda: heard.calls)
    assert heard.late[0] >= 0
    heard.alarm.close()


def test_without_a_descriptor(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none is to be had it rings all the same, says so once, and takes one as soon as there is one."""
    running = Running(loop)
    heard = Heard(running, time.time)

    def fail() -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as context:
        context.setattr(timerfd, "timerfd_realtime", fail)
        for number in (1, 2):
            heard.set(time.time() + 0.02)
            running.until(lambda number=number: len(heard.calls) == number)
        heard.set(time.time() + 3600)
    assert len(heard.said) == 1
    assert min(heard.late) >= 0
    heard.set(time.time() + 0.02)
    running.until(lambda: len(heard.calls) == 3)
    heard.alarm.close()


def test_a_kernel_that_cannot_tell(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What refuses TFD_TIMER_CANCEL_ON_SET is armed without."""
    call = timerfd.call

    def refuse(name: str, *arguments: int) -> int:
        if arguments[1] & 2:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
        return call(name, *arguments)

    monkeypatch.setattr(timerfd, "call", refuse)
    timerfd.arm(fd, time.time() - 1)
    assert readable(fd)
