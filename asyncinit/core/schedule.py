"""When a timer elapses next, and what it has to remember for that; pure: no clock, no calendar, no chance of its own.

Theory of operation
===================

A timer has up to three triggers, and each elapses on its own. `cron` names slots on the wall clock; `every` and
`after_boot` are lengths of monotonic time. What is due is never computed from the present moment alone: a timer
remembers up to which moment its slots are over (`done`), and the next one is the first after that. So a slot that
passes while nobody looks (the clock jumps, the machine sleeps, PID 1 is stopped by a debugger) is seen as late, and run
once, however many of them there were.

The wall clock may be set at any time. With `done` the last moment that counted and `wall` the present one:

- forward by up to LATE: the first slot that was jumped over is late; it runs now. By more: it is missed, as if nothing
  had run meanwhile, and only a persistent timer makes up for it.
- back by up to LATE: expressions that name moments of the day go on after `done`, and run nothing twice; intervals in
  disguise ("*/5 * * * *") follow the new time at once.
- back by more: the clock was wrong before; the new time is believed.

This is what Debian's cron does, with its three hours. A timer whose stamp lies in the future (a board without a battery
boots in 1970) keeps it: once the clock is right, it says what was missed.

Chance: `delay` is added to every trigger and drawn anew at each elapse, not at each look, so that looking again never
moves it. Nothing elapses before its slot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.spec import Overlap, Timer, names_moments
from asyncinit.core.service import Phase, Service

# Debian's cron takes what is more than three hours off for a correction of the clock, not for lost or doubled time.
LATE = 3 * 3600.0

Slots = Callable[[str, float], float | None]
"""The first slot of a cron expression after a moment (both wall), None if there is none; the calendar's arithmetic."""


class Memory(Struct, frozen=True):
    """What a timer remembers from one elapse to the next.

    `done`: up to this moment (wall) its slots are over; `named_done`: the same for expressions that name moments of the
    day, which a clock that is set back does not take back. `counted_from` (monotonic): the start from which `every`
    counts. `delay`: the seconds that chance adds to the next elapse. `first` (monotonic): when `after_boot` elapses,
    None if it has. `owed` (monotonic): when a run that was missed while asyncinit was not there is made up for.
    """

    done: float = 0.0
    named_done: float = 0.0
    counted_from: float = 0.0
    delay: float = 0.0
    first: float | None = None
    owed: float | None = None


class Deadlines(Struct, frozen=True):
    """When a timer elapses: at whichever of these comes first. Never is `math.inf`."""

    wall: float = math.inf
    monotonic: float = math.inf


def begin(
    timer: Timer, stamp: float | None, wall: float, now: float, draw: float, slots: Slots, boot: float | None
) -> Memory:
    """Return what a timer remembers that is armed at `now` (monotonic) and `wall`.

    `stamp` is the wall clock of its last elapse if that is known of an earlier asyncinit. `boot` is when asyncinit was
    started, None if the timer came later: `after_boot` is over then.
    """
    first = None if boot is None or timer.after_boot is None else boot + timer.after_boot
    fresh = Memory(wall, wall, now if boot is None else boot, draw * timer.random_delay, first)
    if stamp is None:
        return fresh
    known = replace(fresh, done=stamp, named_done=stamp, counted_from=now - max(0.0, wall - stamp))
    overdue = timer.every is not None and known.counted_from + timer.every <= now
    if overdue or next_slot(timer, known, wall, slots) <= wall:
        return replace(fresh, counted_from=now, owed=now + fresh.delay)
    return known


def next_slot(timer: Timer, memory: Memory, wall: float, slots: Slots) -> float:
    """Return the first slot that is not over yet, as the wall clock stands; it may lie in the past: then it is late."""
    found = math.inf
    for expression in timer.cron:
        slot = slots(expression, _over_until(timer, memory, expression, wall))
        if slot is not None:
            found = min(found, slot)
    return found


def _over_until(timer: Timer, memory: Memory, expression: str, wall: float) -> float:
    named = names_moments(expression)
    done = memory.named_done if named else memory.done
    if done <= wall:
        return done if timer.persistent else max(done, wall - LATE - memory.delay)
    return done if named and done - wall <= LATE else wall


def deadlines(timer: Timer, memory: Memory, wall: float, slots: Slots) -> Deadlines:
    """Return when the timer elapses next."""
    monotonic = [math.inf if memory.owed is None else memory.owed]
    if memory.first is not None:
        monotonic.append(memory.first + memory.delay)
    if timer.every is not None:
        monotonic.append(memory.counted_from + timer.every + memory.delay)
    return Deadlines(next_slot(timer, memory, wall, slots) + memory.delay, min(monotonic))


def elapsed(timer: Timer, memory: Memory, due: Deadlines, wall: float, now: float, draw: float) -> Memory:
    """Return what the timer remembers once it has elapsed: what of `due` is reached is over."""
    changed = replace(memory, delay=draw * timer.random_delay)
    made_up_for = memory.owed is not None and memory.owed <= now
    if due.wall <= wall or made_up_for:
        kept = wall < memory.named_done <= wall + LATE
        changed = replace(changed, done=wall, named_done=memory.named_done if kept else wall)
    if made_up_for:
        changed = replace(changed, owed=None)
    if memory.first is not None and memory.first + memory.delay <= now:
        changed = replace(changed, first=None)
    if timer.every is not None and memory.counted_from + timer.every + memory.delay <= now:
        # On the grid of the last start: an elapse that finds the service running does not move the following ones.
        times = max(1, math.floor((now - memory.counted_from) / timer.every))
        changed = replace(changed, counted_from=memory.counted_from + times * timer.every)
    return changed


class Elapse(Enum):
    """What an elapse does: start the service, or, while its last run goes on: nothing but to be the run that is to
    come, restart it, have it started once that is over, or nothing at all.
    """

    START = "start"
    COMING = "coming"
    RESTART = "restart"
    QUEUE = "queue"
    SKIP = "skip"


def what_elapse_does(timer: Timer, service: Service) -> Elapse:
    """Return what is to be done when the timer of a service elapses."""
    if service.at_rest:
        return Elapse.START
    if service.phase is Phase.WAITING and timer.overlap is not Overlap.SKIP:
        return Elapse.COMING  # what is due has not begun yet
    return {Overlap.RESTART: Elapse.RESTART, Overlap.QUEUE: Elapse.QUEUE}.get(timer.overlap, Elapse.SKIP)


def started(memory: Memory, now: float) -> Memory:
    """Return what the timer remembers once the service was started, by whomever: `every` counts from here."""
    return replace(memory, counted_from=now)


def clock_set(memory: Memory, wall: float) -> Memory:
    """Return what the timer remembers once the clock was set to `wall`: time that was taken back comes again."""
    named = memory.named_done if memory.named_done <= wall + LATE else wall
    return replace(memory, done=min(memory.done, wall), named_done=named)
