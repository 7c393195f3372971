"""Deadlines on both loops: never early, in order, none lost."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from asyncinit.runtime.timers import Timers


class Clock:
    """A clock that goes at a speed of its own, and can be set."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._begun = time.monotonic()
        self.offset = 1000.0

    def __call__(self) -> float:
        return self.offset + (time.monotonic() - self._begun) * self._speed


def turn(loop: asyncio.AbstractEventLoop, until: Callable[[], Any], timeout: float = 10.0) -> None:
    """Run the loop until `until` holds."""
    deadline = time.monotonic() + timeout

    def look() -> None:
        if until() or time.monotonic() > deadline:
            loop.stop()
        else:
            loop.call_later(0.001, look)

    loop.call_soon(look)
    loop.run_forever()
    assert until()


@pytest.mark.parametrize("speed", [1.0, 0.3])
def test_never_early(loop: asyncio.AbstractEventLoop, speed: float) -> None:
    """No callback runs before the clock has reached its deadline, even where the loop calls back too soon."""
    clock = Clock(speed)
    timers = Timers(loop, clock)
    late: list[float] = []
    dice = random.Random(1)
    for _ in range(200):
        deadline = clock() + dice.uniform(-0.01, 0.05)
        timers.at(deadline, lambda deadline=deadline: late.append(clock() - deadline))  # type: ignore[misc]
    turn(loop, lambda: len(late) == 200)
    assert min(late) >= 0


def test_in_order(loop: asyncio.AbstractEventLoop) -> None:
    """What is due at once is called by deadline, and for the same one in the order in which it was asked for."""
    clock = Clock()
    timers = Timers(loop, clock)
    now, called = clock(), []
    for name, deadline in (("c", 3), ("a", 1), ("b1", 2), ("b2", 2), ("b3", 2)):
        timers.at(now + deadline, lambda name=name: called.append(name))  # type: ignore[misc]
    assert not called
    clock.offset += 5
    timers.at(now, lambda: called.append("first"))
    turn(loop, lambda: len(called) == 6)
    assert called == ["first", "a", "b1", "b2", "b3", "c"]


def test_an_earlier_one_is_not_held_up(loop: asyncio.AbstractEventLoop) -> None:
    """A deadline that comes in later but is due sooner is served at its time."""
    timers = Timers(loop)
    called: list[str] = []
    timers.after(100.0, lambda: called.append("late"))
    timers.after(0.005, lambda: called.append("soon"))
    turn(loop, lambda: called)
    assert called == ["soon"]


def test_cancelled(loop: asyncio.AbstractEventLoop) -> None:
    """It is not called, and cancelling it again, or after it was called, is harmless."""
    timers = Timers(loop)
    called: list[str] = []
    timer = timers.after(0.0, lambda: called.append("cancelled"))
    timer.cancel()
    timer.cancel()
    other = timers.after(0.002, lambda: called.append("called"))
    turn(loop, lambda: called)
    other.cancel()
    assert called == ["called"]


def test_cancelled_by_another_that_is_due_too(loop: asyncio.AbstractEventLoop) -> None:
    """Even when both are due in the same moment."""
    timers = Timers(loop)
    called: list[str] = []
    now = timers.now()
    timers.at(now, lambda: second.cancel())  # noqa: PLW0108  (it is made below)
    second = timers.at(now, lambda: called.append("cancelled"))
    timers.at(now, lambda: called.append("called"))
    turn(loop, lambda: called)
    assert called == ["called"]


def test_cancelled_ones_are_thrown_away(loop: asyncio.AbstractEventLoop) -> None:
    """A million deadlines that are set and cancelled keep neither themselves nor what they would have called."""
    timers = Timers(loop)

    class Thing:
        def call(self) -> None:
            raise AssertionError("it was cancelled")

    thing = Thing()
    alive = weakref.ref(thing)
    called: list[str] = []
    timers.after(0.001, lambda: called.append("kept"))
    for _ in range(10_000):
        timers.after(3600.0, thing.call).cancel()
    del thing
    gc.collect()
    assert alive() is None
    assert len(timers._heap) < 200
    turn(loop, lambda: called)


def test_never(loop: asyncio.AbstractEventLoop) -> None:
    """A deadline of never is no deadline: the loop is not woken for it, and it can be cancelled."""
    timers = Timers(loop)
    timers.at(math.inf, lambda: None).cancel()
    timers.after(math.inf, lambda: None)
    assert timers._handle is None


def test_nothing_wakes_the_loop_when_all_is_cancelled(loop: asyncio.AbstractEventLoop) -> None:
    """After the last deadline has passed there is no timer in the loop any more."""
    timers = Timers(loop)
    called: list[str] = []
    timers.after(0.001, lambda: called.append("x"))
    for _ in range(10):
        timers.after(0.002, lambda: None).cancel()
    turn(loop, lambda: called and timers._handle is None)


def test_the_loop_is_not_woken_for_a_cancelled_one(loop: asyncio.AbstractEventLoop) -> None:
    """When the next deadline is cancelled the loop sleeps until the one after it; when that is the last, it sleeps."""
    timers = Timers(loop)
    far = timers.after(1000, lambda: None)
    near = timers.after(0.5, lambda: None)
    near.cancel()
    assert timers._handle is not None
    assert timers._handle.when() - loop.time() > 500
    far.cancel()
    assert timers._handle is None


def test_a_deadline_in_the_distance(loop: asyncio.AbstractEventLoop) -> None:
    """Years from now is more milliseconds than a loop can count."""
    timers = Timers(loop)
    called: list[str] = []
    timers.after(1e9, lambda: called.append("early"))
    timers.after(0.001, lambda: called.append("x"))
    turn(loop, lambda: called)
    assert called == ["x"]


def test_a_callback_that_fails(loop: asyncio.AbstractEventLoop) -> None:
    """It is told, and those that are due with it are called all the same."""
    told: list[object] = []
    loop.set_exception_handler(lambda _loop, context: told.append(context.get("exception")))
    timers = Timers(loop)
    called: list[str] = []
    now = timers.now()

    def fail() -> None:
        raise ValueError("no")

    timers.at(now, lambda: called.append("before"))
    timers.at(now, fail)
    timers.at(now, lambda: called.append("after"))
    turn(loop, lambda: len(called) == 2)
    assert [type(error) for error in told] == [ValueError]


def test_a_callback_that_asks_for_more(loop: asyncio.AbstractEventLoop) -> None:
    """One that is due at once comes in a later turn: nobody else waits for a chain of them."""
    timers = Timers(loop)
    called: list[str] = []

    def again() -> None:
        called.append("chain")
        if len(called) < 50:
            timers.after(0.0, again)

    timers.after(0.0, again)
    timers.after(0.0, lambda: called.append("other"))
    turn(loop, lambda: len(called) >= 50)
    assert called.index("other") == 1
