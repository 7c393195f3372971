"""When timers elapse: tables of single cases, and walks through clocks that are set and processes that come and go."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from asyncinit.config.calendar import slot_after
from asyncinit.config.spec import Timer
from asyncinit.core import schedule
from asyncinit.core.schedule import LATE, Deadlines, Memory

HOUR = 3600.0
DAY = 24 * HOUR
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
HALF_PAST_THREE = MIDNIGHT + 3.5 * HOUR
NIGHTLY = Timer(cron=("30 3 * * *",))


def slots(expression: str, moment: float) -> float | None:
    return slot_after(expression, UTC, moment)


def armed(timer: Timer, wall: float = MIDNIGHT, now: float = 1000.0, draw: float = 0.0, **known: float) -> Memory:
    return schedule.begin(timer, known.get("stamp"), wall, now, draw, slots, known.get("boot", now))


def due(timer: Timer, memory: Memory, wall: float = MIDNIGHT) -> Deadlines:
    return schedule.deadlines(timer, memory, wall, slots)


def test_each_trigger_has_its_deadline() -> None:
    """Slots are on the wall clock, lengths on the monotonic one; chance makes each later."""
    assert due(NIGHTLY, armed(NIGHTLY)) == Deadlines(HALF_PAST_THREE, math.inf)
    every = Timer(every=600, random_delay=60)
    assert due(every, armed(every, draw=0.5)) == Deadlines(math.inf, 1630)
    once = Timer(after_boot=60)
    assert due(once, armed(once, boot=990)) == Deadlines(math.inf, 1050)
    several = Timer(cron=("30 3 * * *", "0 2 * * *"), every=600, after_boot=60, random_delay=10)
    assert due(several, armed(several, draw=0.5)) == Deadlines(MIDNIGHT + 2 * HOUR + 5, 1065)


def test_after_boot_is_once() -> None:
    """Once it has elapsed it does not come again, and it is over for a timer that comes later."""
    timer = Timer(after_boot=60)
    memory = armed(timer)
    memory = schedule.elapsed(timer, memory, due(timer, memory), MIDNIGHT, 1060, 0)
    assert due(timer, memory) == Deadlines()
    assert due(timer, schedule.begin(timer, None, MIDNIGHT, 1000, 0, slots, None)) == Deadlines()


def test_every_counts_from_the_last_start() -> None:
    """Whoever starts it moves the next one; an elapse that starts nothing keeps to the grid."""
    timer = Timer(every=600)
    memory = armed(timer)
    assert due(timer, schedule.started(memory, 1100)).monotonic == 1700
    for late, following in ((0, 2200), (1, 2200), (599, 2200), (601, 2800), (6000, 8200)):
        changed = schedule.elapsed(timer, memory, due(timer, memory), MIDNIGHT, 1600 + late, 0)
        assert due(timer, changed).monotonic == following


@pytest.mark.parametrize("seconds", [0.1, 0.3, 1 / 3, 600, 12345.678])
def test_every_never_elapses_twice_for_once(seconds: float) -> None:
    """However the sums are rounded, the next deadline is later than the moment at which the last one was reached."""
    timer = Timer(every=seconds)
    memory = armed(timer, now=1794.4600867)
    for _ in range(2000):
        now = due(timer, memory).monotonic
        memory = schedule.elapsed(timer, memory, due(timer, memory), MIDNIGHT, now, 0)
        assert due(timer, memory).monotonic > now


@pytest.mark.parametrize(
    ("stamp", "runs"),
    [
        (HALF_PAST_THREE - DAY, False),  # the last one was kept
        (HALF_PAST_THREE - DAY - 1, True),  # it was missed
        (HALF_PAST_THREE - 40 * DAY, True),
        (MIDNIGHT + 300 * DAY, False),  # a clock that was ahead, or is behind
        (None, False),  # never run: nothing was missed
    ],
)
def test_what_was_missed_is_made_up_for_once(stamp: float | None, runs: bool) -> None:
    """A persistent timer that missed a slot, or forty, elapses when asyncinit is there again, and then as ever."""
    timer = Timer(cron=("30 3 * * *",), persistent=True, random_delay=100)
    memory = schedule.begin(timer, stamp, MIDNIGHT, 1000, 0.5, slots, 1000)
    first = due(timer, memory)
    assert first == Deadlines(HALF_PAST_THREE + 50, 1050 if runs else math.inf)
    if runs:
        memory = schedule.elapsed(timer, memory, first, MIDNIGHT + 50, 1050, 0)
        assert due(timer, memory, MIDNIGHT + 50) == Deadlines(HALF_PAST_THREE)


def test_every_goes_on_over_a_restart_of_asyncinit() -> None:
    """With a stamp, what is left of the interval is waited for; one that is over is made up for at once."""
    timer = Timer(every=HOUR, persistent=True)
    assert due(timer, armed(timer, stamp=MIDNIGHT - 600)).monotonic == 1000 + 3000
    assert due(timer, armed(timer, stamp=MIDNIGHT - 7000)).monotonic == 1000
    assert due(timer, armed(timer, stamp=MIDNIGHT + 7000)).monotonic == 1000 + HOUR


def test_a_stamp_in_the_future_is_not_forgotten() -> None:
    """A board that boots in 1970 knows, once its clock is right, whether the night's run was missed."""
    timer = Timer(cron=("30 3 * * *",), persistent=True)
    for stamp, missed in ((HALF_PAST_THREE + 1, False), (HALF_PAST_THREE - 1, True)):
        memory = armed(timer, wall=20.0, stamp=stamp)
        assert due(timer, memory, 20.0).wall == 3.5 * HOUR
        noon = MIDNIGHT + 12 * HOUR
        memory = schedule.clock_set(memory, noon)
        assert (due(timer, memory, noon).wall <= noon) is missed


@pytest.mark.parametrize(
    ("cron", "persistent", "jump", "runs_now"),
    [
        ("30 3 * * *", False, HOUR, True),
        ("30 3 * * *", False, LATE + 0.5 * HOUR - 1, True),
        ("30 3 * * *", False, LATE + 0.5 * HOUR, False),
        ("30 3 * * *", False, 300 * DAY, False),
        ("30 3 * * *", True, 300 * DAY, True),
        ("*/10 * * * *", False, HOUR, True),
        ("*/10 * * * *", False, 300 * DAY, True),  # one of them is never long ago
    ],
)
def test_the_clock_is_put_forward(cron: str, persistent: bool, jump: float, runs_now: bool) -> None:
    """What was jumped over runs now unless it is more than three hours late; then only if it is persistent."""
    timer = Timer(cron=(cron,), persistent=persistent)
    wall = HALF_PAST_THREE - 0.5 * HOUR
    memory = schedule.clock_set(armed(timer, wall=wall), wall + jump)
    deadline = due(timer, memory, wall + jump)
    assert (deadline.wall <= wall + jump) is runs_now
    memory = schedule.elapsed(timer, memory, deadline, wall + jump, 1000, 0)
    assert due(timer, memory, wall + jump).wall > wall + jump, "however many they were, it is one run"


@pytest.mark.parametrize(
    ("cron", "back", "following"),
    [
        ("30 3 * * *", HOUR, HALF_PAST_THREE + DAY),  # it has run, and does not run again
        ("30 3 * * *", LATE - 60, HALF_PAST_THREE + DAY),
        ("30 3 * * *", LATE + 60, HALF_PAST_THREE),  # the clock was wrong
        ("30 3 * * *", 300 * DAY, HALF_PAST_THREE - 299 * DAY),
        ("*/30 * * * *", HOUR, HALF_PAST_THREE - 0.5 * HOUR),
    ],
)
def test_the_clock_is_set_back(cron: str, back: float, following: float) -> None:
    """Moments of the day that have run do not come again within three hours; intervals follow the new time at once."""
    timer = Timer(cron=(cron,))
    memory = armed(timer)
    memory = schedule.elapsed(timer, memory, Deadlines(HALF_PAST_THREE), HALF_PAST_THREE, 1000, 0)
    wall = HALF_PAST_THREE + 30 - back
    assert due(timer, memory, wall).wall == following, "whether it was noticed that somebody set the clock"
    assert due(timer, schedule.clock_set(memory, wall), wall).wall == following, "or not"


def test_a_slot_that_waits_for_its_delay_is_not_lost() -> None:
    """Looked at anew between the slot and its deadline, however long the delay is, it is still to come."""
    timer = Timer(cron=("30 3 * * *",), random_delay=10 * HOUR)
    memory = armed(timer, draw=0.5)
    for later in (0.0, 1.0, HOUR, 4.9 * HOUR):
        wall = HALF_PAST_THREE + later
        memory = schedule.clock_set(memory, wall)
        assert due(timer, memory, wall).wall == HALF_PAST_THREE + 5 * HOUR


def test_one_trigger_does_not_swallow_another() -> None:
    """An interval that elapses while a slot waits for its delay leaves the slot as it is."""
    timer = Timer(cron=("30 3 * * *",), every=60, random_delay=600)
    memory = armed(timer, draw=0.5)
    deadline = due(timer, memory)
    memory = schedule.elapsed(timer, memory, deadline, HALF_PAST_THREE + 10, deadline.monotonic, 0.9)
    assert due(timer, memory, HALF_PAST_THREE + 10).wall == HALF_PAST_THREE + 540


class Clocks(RuleBasedStateMachine):
    """A persistent timer, asked as the runtime asks it, while clocks are set and asyncinit comes and goes.

    What the wall clock shows goes up and down by less than three hours at a time, and never below where it began.
    """

    @initialize(
        cron=st.sampled_from(["30 3 * * *", "0,30 1-23 * * *", "15 12 * * MON-FRI", "5 0 1 * *"]),
        delay=st.sampled_from([0.0, 90.0, 2 * HOUR]),
    )
    def begin(self, cron: str, delay: float) -> None:
        self.timer = Timer(cron=(cron,), persistent=True, random_delay=delay)
        self.wall, self.now = MIDNIGHT, 1000.0
        self.highest = self.wall
        self.memory = schedule.begin(self.timer, None, self.wall, self.now, 0.3, slots, self.now)
        self.stamp: float | None = None
        self.runs: list[float] = []
        self.begun = self.wall

    def look(self) -> None:
        """What the runtime does whenever it wakes up."""
        for _ in range(3):
            deadline = schedule.deadlines(self.timer, self.memory, self.wall, slots)
            if deadline.wall > self.wall and deadline.monotonic > self.now:
                return
            before = slots(self.timer.cron[0], self.runs[-1] if self.runs else self.begun)
            assert before is not None and before <= max(self.wall, self.highest), "early, or twice for one slot"
            self.memory = schedule.elapsed(self.timer, self.memory, deadline, self.wall, self.now, 0.7)
            self.stamp = max(self.wall, self.stamp or 0.0)
            self.runs.append(self.stamp)
        raise AssertionError("it does not come to rest")

    def missing(self) -> bool:
        """Tell whether a slot, with all its delay, is over and has had no run."""
        slot = slots(self.timer.cron[0], self.runs[-1] if self.runs else self.begun)
        return slot is not None and slot + self.timer.random_delay <= self.wall

    @rule(seconds=st.sampled_from([0.001, 1.0, 59.0, 600.0, HOUR, 5 * HOUR, DAY, 40 * DAY]))
    def time_passes(self, seconds: float) -> None:
        self.wall += seconds
        self.now += seconds
        self.highest = max(self.highest, self.wall)
        self.look()
        assert not self.missing(), "lost"

    @rule(seconds=st.floats(1.0, LATE - 1))
    def set_forward(self, seconds: float) -> None:
        self.wall += seconds
        self.highest = max(self.highest, self.wall)
        self.memory = schedule.clock_set(self.memory, self.wall)
        self.look()
        assert not self.missing(), "lost"

    @rule(seconds=st.floats(1.0, LATE - 1))
    def set_back(self, seconds: float) -> None:
        if self.wall - seconds >= max(self.begun, self.highest - LATE + 1):
            self.wall -= seconds
            self.memory = schedule.clock_set(self.memory, self.wall)
            self.look()

    @rule(seconds=st.sampled_from([1.0, HOUR, 3 * DAY]), draw=st.floats(0, 0.99))
    def away(self, seconds: float, draw: float) -> None:
        """asyncinit ends, and is started again so much later: the stamp is all that is left."""
        self.wall += seconds
        self.now = 1000.0
        self.highest = max(self.highest, self.wall)
        if self.stamp is None:
            self.begun = self.wall
        self.memory = schedule.begin(self.timer, self.stamp, self.wall, self.now, draw, slots, self.now)
        self.look()
        if self.memory.owed is not None:
            self.now, self.wall = self.memory.owed, self.wall + self.memory.owed - self.now
            self.highest = max(self.highest, self.wall)
            self.look()
        assert not self.missing(), "lost"


Clocks.TestCase.settings = settings(max_examples=60, stateful_step_count=40, suppress_health_check=list(HealthCheck))
TestClocks = Clocks.TestCase
