"""Timers start services: with both clocks by hand, an engine in memory, and stamps in a dictionary."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from asyncinit.config.spec import Overlap, Ready, ReadyKind, Restart, RestartPolicy, ServiceSpec, ServiceType, Timer
from asyncinit.core.events import Effect
from asyncinit.core.status import State
from asyncinit.runtime.reexec.coding import decode, encode
from asyncinit.runtime.reexec.keep import Kept
from asyncinit.runtime.timing.schedules import Schedules, SchedulesState
from tests.unit.test_announcer import Told
from tests.unit.world import service

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
HOUR = 3600.0
NEVER = Restart(RestartPolicy.NEVER)


def job(name: str, timer: Timer, **keys: Any) -> ServiceSpec:
    return service(name, type=keys.pop("type", ServiceType.ONESHOT), restart=NEVER, timer=timer, **keys)


class Deadline:
    """A timer of the monotonic clock, or the alarm of the wall clock."""

    def __init__(self, moment: float, callback: Callable[[], None]) -> None:
        self.moment, self.callback = moment, callback

    def cancel(self) -> None:
        self.moment = math.inf


class Clockwork(Told):
    """A world with timers: what is due elapses as time passes; the clock can be set, asyncinit be replaced."""

    def __init__(self, *specs: ServiceSpec, stamps: Mapping[str, float] | None = None) -> None:
        super().__init__(*specs)
        self.now, self.wall = 1000.0, MIDNIGHT
        self.stamps = dict(stamps or {})
        self.reading: list[Callable[[], None]] = []
        self.monotonic: list[Deadline] = []
        self.alarm = math.inf
        self.watched = False
        self.specs = {spec.name: spec for spec in specs}
        self.schedules = self.make()

    def make(self) -> Schedules:
        self.draw = 0.0
        wall: Any = lambda: self.wall  # noqa: E731
        part: Any = self
        return Schedules(part, self.announcer, Deadlines(self), part, Disk(self), {}, wall=wall, draw=lambda: self.draw)

    def arm(self, *, at_start: bool = True) -> Clockwork:
        timers = {name: spec.timer for name, spec in self.specs.items() if spec.timer is not None}
        self.schedules.set(timers, at_start=at_start)
        while self.reading:
            self.reading.pop(0)()
        return self

    # Supervisor

    def request(self, request: Callable[[float], list[Effect]]) -> None:
        self.carry_out(request(self.now))

    # Alarm

    def set(self, deadline: float) -> None:
        self.alarm, self.watched = deadline, True

    def close(self) -> None:
        self.alarm, self.watched = math.inf, False

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks, and services answer at once."""
        end = self.now + seconds
        while True:
            self.settle()
            soonest = min((one.moment for one in self.monotonic), default=math.inf)
            moment = max(self.now, min(soonest, self.now + self.alarm - self.wall))
            if moment > end:
                break
            self.wall += moment - self.now
            self.now = moment
            if self.alarm <= self.wall:
                self.alarm = math.inf
                self.ring()
            for one in [one for one in self.monotonic if one.moment <= self.now]:
                one.cancel()
                one.callback()
        self.wall += end - self.now
        self.now = end

    def set_clock(self, wall: float) -> None:
        """Somebody sets the clock; the kernel tells whoever watches it."""
        self.wall = wall
        if self.watched:
            self.clock_set()

    def finish(self, name: str, code: int = 0) -> None:
        self.exit(name, code)
        self.settle()

    def started(self, name: str) -> list[float]:
        """When its main processes began: seconds since the start."""
        return [moment - 1000.0 for moment in self.bodies[name].started]

    ring: Callable[[], None]
    clock_set: Callable[[], None]


class Deadlines:
    """The monotonic clock of a world."""

    def __init__(self, world: Clockwork) -> None:
        self._world = world

    def now(self) -> float:
        return self._world.now

    def at(self, deadline: float, callback: Callable[[], None]) -> Deadline:
        self._world.monotonic.append(Deadline(deadline, callback))
        return self._world.monotonic[-1]


class Disk:
    """The stamps of a world; read when the world lets them."""

    def __init__(self, world: Clockwork) -> None:
        self._world = world

    def read(self, names: Iterable[str], done: Callable[[Mapping[str, float]], None]) -> None:
        world = self._world
        world.reading.append(lambda: done({name: world.stamps[name] for name in names if name in world.stamps}))

    def write(self, name: str, moment: float) -> None:
        self._world.stamps[name] = moment

    def bad(self, _name: str) -> bool:
        return False

    def freeze(self) -> dict[str, float]:
        return {}


def test_it_runs_at_its_time_and_again() -> None:
    """A job by the wall clock and one by intervals, each run over before the next."""
    world = Clockwork(job("nightly", Timer(cron=("30 3 * * *",))), job("poll", Timer(every=600, after_boot=60))).arm()
    assert world.engine.armed == {"nightly", "poll"}
    for _ in range(200):
        world.advance(300)
        for name in ("nightly", "poll"):
            if world.bodies[name].alive:
                world.finish(name)
    assert world.started("nightly") == [3.5 * HOUR]
    assert world.started("poll")[:4] == [60, 660, 1260, 1860]


def test_the_run_is_not_over_while_a_timer_is_armed() -> None:
    """Nothing runs, and yet there is something to stay for; without timers there is not. The whole is ready."""
    world = Clockwork(job("nightly", Timer(cron=("30 3 * * *",))))
    assert world.engine.idle
    assert not world.engine.all_ready
    world.arm()
    assert not world.engine.idle
    assert world.engine.all_ready
    world.schedules.set({})
    assert world.engine.idle


def test_runs_do_not_touch_the_readiness_of_the_whole() -> None:
    """While a job runs, and after it has failed, the whole is ready; a service without a timer counts."""
    world = Clockwork(job("poll", Timer(every=10)), service("web")).arm()
    world.advance(10)
    assert world["poll"].state is State.STARTING
    assert world.engine.all_ready
    world.finish("poll", 1)
    assert world["poll"].state is State.FAILED
    assert world.engine.all_ready
    assert world.engine.failed == ["poll"]
    world.start("web")
    assert not world.engine.all_ready
    world.settle()
    assert world.engine.all_ready


def test_a_failed_run_does_not_keep_the_next_one_back() -> None:
    """Failed is until the next time."""
    world = Clockwork(job("poll", Timer(every=10))).arm()
    for code, state in ((1, State.FAILED), (0, State.COMPLETED)):
        world.advance(10)
        world.finish("poll", code)
        assert world["poll"].state is state
    assert len(world.started("poll")) == 2


def test_stopping_ends_the_run_and_not_the_timer() -> None:
    """Started and stopped by hand, it comes again: `every` after the last start."""
    world = Clockwork(job("poll", Timer(every=10), type=ServiceType.SERVICE)).arm()
    world.advance(4)
    world.start("poll")
    world.settle()
    world.stop("poll")
    world.finish("poll")
    world.advance(9)
    assert world.started("poll") == [4]
    world.advance(1)
    assert world.started("poll") == [4, 14]


@pytest.mark.parametrize(
    ("overlap", "started"), [(Overlap.SKIP, [10, 40]), (Overlap.QUEUE, [10, 35]), (Overlap.RESTART, [10, 20, 30])]
)
def test_what_is_due_while_it_runs(overlap: Overlap, started: list[float]) -> None:
    """It never runs twice at the same time: left out, started once the run is over, or restarted."""
    world = Clockwork(job("slow", Timer(every=10, overlap=overlap))).arm()
    world.advance(10)
    for _ in range(2):
        world.advance(10)
        if overlap is Overlap.RESTART:
            assert world["slow"].state is State.STOPPING
            world.finish("slow", 0)
    if overlap is not Overlap.RESTART:
        world.advance(5)
        world.finish("slow")
        world.advance(6)
    assert world.started("slow") == started
    if overlap is Overlap.SKIP:
        status = world.schedules.status("slow")
        assert status is not None and status.skipped == 2


@pytest.mark.parametrize("overlap", [Overlap.QUEUE, Overlap.RESTART])
def test_what_is_due_while_it_still_waits_for_others(overlap: Overlap) -> None:
    """The run that is to come is the one that is due: nothing is restarted, queued or told."""
    slow = job("slow", Timer(every=10, overlap=overlap), requires=("db",))
    world = Clockwork(service("db", ready=Ready(ReadyKind.NOTIFY)), slow).arm()
    world.advance(35)
    assert world["slow"].state is State.WAITING and world.started("slow") == []
    assert not any("restarted" in line or "again" in line for line in world.lines)
    world.ready("db")
    world.advance(1)
    world.finish("slow")
    assert len(world.started("slow")) == 1


def test_a_queued_run_is_called_off_by_a_stop() -> None:
    """Who stops the run that goes on does not want another one right after it."""
    world = Clockwork(job("slow", Timer(every=10, overlap=Overlap.QUEUE))).arm()
    world.advance(25)
    world.stop("slow")
    world.finish("slow")
    world.advance(4)
    assert world.started("slow") == [10]


def test_nothing_is_started_in_a_shutdown() -> None:
    """What elapses then is for the next asyncinit to make up for."""
    world = Clockwork(job("poll", Timer(every=10, persistent=True))).arm()
    world.shut_down(9)
    world.advance(50)
    assert world.started("poll") == []
    assert world.stamps == {}


def test_what_was_missed_runs_once_and_is_written_down() -> None:
    """Two nights without asyncinit: one run, and a stamp of now."""
    timer = Timer(cron=("30 3 * * *",), persistent=True)
    world = Clockwork(job("nightly", timer), stamps={"nightly": MIDNIGHT - 50 * HOUR}).arm()
    world.advance(1)
    assert world.started("nightly") == [0]
    assert world.stamps == {"nightly": MIDNIGHT}
    world.finish("nightly")
    world.advance(3.4 * HOUR)
    assert len(world.started("nightly")) == 1


def test_the_clock_is_set_back_an_hour() -> None:
    """The night's run is not run again, and the interval in disguise goes on by the new time, at once."""
    world = Clockwork(job("nightly", Timer(cron=("30 3 * * *",))), job("often", Timer(cron=("*/10 * * * *",)))).arm()

    def pass_time(hours: float) -> None:
        for _ in range(int(hours * 20)):
            world.advance(180)
            for name in ("nightly", "often"):
                if world.bodies[name].alive:
                    world.finish(name)

    pass_time(3.6)
    world.set_clock(world.wall - HOUR)
    pass_time(2)
    assert world.started("nightly") == [3.5 * HOUR]
    often = world.started("often")
    assert [later - earlier for earlier, later in pairwise(often)] == [600.0] * (len(often) - 1)
    pass_time(24)
    assert world.started("nightly") == [3.5 * HOUR, 28.5 * HOUR]


def test_the_clock_is_put_forward() -> None:
    """What was jumped over runs at once; intervals do not notice."""
    world = Clockwork(job("nightly", Timer(cron=("30 3 * * *",))), job("poll", Timer(every=600))).arm()
    world.advance(60)
    world.set_clock(MIDNIGHT + 4 * HOUR)
    world.advance(1)
    assert world.started("nightly") == [60]
    assert world.started("poll") == []
    world.advance(540)
    assert world.started("poll") == [600]


def test_only_what_goes_by_the_wall_clock_watches_it() -> None:
    """Without a cron expression there is no alarm, and so no descriptor."""
    world = Clockwork(job("poll", Timer(every=600))).arm()
    assert not world.watched
    world.schedules.set({"poll": Timer(cron=("@daily",))})
    assert world.watched
    assert world.alarm == MIDNIGHT + 24 * HOUR
    world.schedules.set({})
    assert not world.watched


def test_a_run_by_the_clock_has_its_variables_and_one_by_hand_has_none() -> None:
    """They are there for the run that the timer started, restarts of it included, and gone with it."""
    world = Clockwork(job("poll", Timer(every=10))).arm()
    world.start("poll")
    world.settle()
    assert world.schedules.variables("poll") == {}
    world.finish("poll")
    world.advance(10)
    variables = world.schedules.variables("poll")
    assert variables["TRIGGER_TIMER_REALTIME_USEC"] == str(int((MIDNIGHT + 10) * 1_000_000))
    assert variables["TRIGGER_TIMER_MONOTONIC_USEC"] == "1010000000"
    assert variables["TRIGGER_UNIT"] == "poll"
    world.finish("poll")
    assert world.schedules.variables("poll") == {}


def test_other_timers_are_armed_in_place() -> None:
    """What is unchanged goes on untouched; what has changed remembers what is over; what is gone is not armed."""
    world = Clockwork(job("a", Timer(every=600)), job("b", Timer(every=600)), job("c", Timer(every=600))).arm()
    world.advance(300)
    world.schedules.set({"a": Timer(every=600), "b": Timer(every=400)})
    assert world.engine.armed == {"a", "b"}
    world.advance(100)
    assert (world.started("a"), world.started("b"), world.started("c")) == ([], [400], [])
    world.advance(200)
    assert world.started("a") == [600]
    later = Timer(every=600, after_boot=1)
    world.schedules.set({"c": later})
    world.advance(599)
    assert world.started("c") == [], "after_boot is over, and every counts from now"
    world.advance(1)
    assert world.started("c") == [1200]


def test_a_timer_that_is_over_is_nothing_to_stay_for() -> None:
    """after_boot alone elapses once: then it is not armed any more, and with its run the whole may end."""
    world = Clockwork(job("once", Timer(after_boot=5))).arm()
    assert not world.engine.idle
    world.advance(5)
    assert not world.engine.idle
    assert world.engine.armed == set()
    world.finish("once")
    assert world.engine.idle
    status = world.schedules.status("once")
    assert status is not None and not status.armed


def test_what_is_owed_survives_a_reload() -> None:
    """A missed run that waits for its delay, and an after_boot that is still to come, are not lost to other rules."""
    timer = Timer(cron=("30 3 * * *",), persistent=True, random_delay=600)
    world = Clockwork(job("nightly", timer), stamps={"nightly": MIDNIGHT - 50 * HOUR})
    world.draw = 0.5
    world.arm()
    world.schedules.set({"nightly": Timer(cron=("45 3 * * *",), persistent=True)})
    world.advance(300)
    assert world.started("nightly") == [300]
    world = Clockwork(job("once", Timer(after_boot=60))).arm()
    world.advance(10)
    world.schedules.set({"once": Timer(after_boot=30)})
    world.advance(20)
    assert world.started("once") == [30]


def test_a_long_run_is_told_once() -> None:
    """However often it is due meanwhile, the log says once that runs are left out; of the next long run, again."""
    world = Clockwork(job("slow", Timer(every=1))).arm()
    for _ in range(2):
        world.advance(50.5)
        world.finish("slow")
    assert len([line for line in world.lines if "left out" in line]) == 2


def test_a_calendar_that_fails_takes_no_other_timer_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer whose next slot cannot be told is not armed any more, and says so; the others go on."""
    world = Clockwork(job("bad", Timer(cron=("@hourly",))), job("good", Timer(cron=("30 0 * * *",)))).arm()

    def fail(expression: str, *_: object) -> float | None:
        if expression == "@hourly":
            raise RuntimeError("a bug")
        return MIDNIGHT + 24.5 * HOUR

    world.advance(10)
    monkeypatch.setattr("asyncinit.config.calendar.slot_after", fail)
    world.advance(2 * HOUR)
    assert world.started("bad") == [HOUR], "the one that was known"
    assert world.started("good") == [0.5 * HOUR]
    assert world.engine.armed == {"good"}
    assert any("internal error" in line for line in world.lines)


def test_a_reload_while_the_stamp_is_read() -> None:
    """A timer that is not wanted any more when its stamp comes is left alone."""
    world = Clockwork(job("nightly", Timer(cron=("@daily",), persistent=True)), stamps={"nightly": 1.0})
    world.schedules.set({"nightly": Timer(cron=("@daily",), persistent=True)}, at_start=True)
    world.schedules.set({})
    world.reading.pop()()
    world.advance(48 * HOUR)
    assert world.started("nightly") == []


def test_status() -> None:
    """What comes next, when it was started last, and what came of it."""
    timers = {
        "nightly": Timer(cron=("30 3 * * *",), time_zone="Europe/Berlin"),
        "poll": Timer(every=600, random_delay=60),
        "off": Timer(after_boot=5),
    }
    world = Clockwork(*(job(name, timer) for name, timer in timers.items()), service("web"))
    world.draw = 0.5
    world.schedules.set({name: timers[name] for name in ("nightly", "poll")}, at_start=True)
    assert world.schedules.status("web") is None
    off, nightly, poll = (world.schedules.status(name) for name in ("off", "nightly", "poll"))
    assert off is not None and nightly is not None and poll is not None
    assert (off.armed, off.next, off.schedule) == (False, None, ["5 s after the start"])
    assert nightly.schedule == ["30 3 * * * Europe/Berlin"]
    assert (nightly.next, nightly.last, nightly.result) == ("2026-11-23T02:30:00.000Z", None, None)
    assert poll.next == "2026-11-23T00:10:30.000Z"
    world.advance(630)
    running = world.schedules.status("poll")
    assert running is not None
    assert (running.last, running.result) == ("2026-11-23T00:10:30.000Z", "starting")
    world.finish("poll", 3)
    failed = world.schedules.status("poll")
    assert failed is not None and failed.result == "failed: exited with 3"


def test_carried_over_a_re_exec() -> None:
    """The next program goes on with the same deadlines, the delay that chance has given, what is queued and known."""
    world = Clockwork(
        job("nightly", Timer(cron=("30 3 * * *",), random_delay=HOUR, persistent=True)),
        job("slow", Timer(every=600, overlap=Overlap.QUEUE)),
    )
    world.draw = 0.25
    world.arm()
    world.advance(1300)
    state = world.schedules.freeze(Kept())
    again = decode(encode(state), SchedulesState)
    assert again == state
    before = {name: world.schedules.status(name) for name in ("nightly", "slow")}
    world.schedules.close()
    world.monotonic.clear()
    world.announcer._followers.clear()
    world.schedules = world.make()
    world.draw = 0.75
    world.schedules.thaw(again)
    assert {name: world.schedules.status(name) for name in ("nightly", "slow")} == before
    assert world.engine.armed == {"nightly", "slow"}
    assert world.schedules.variables("slow")["TRIGGER_UNIT"] == "slow"
    world.finish("slow")
    world.settle()
    assert world.started("slow") == [600, 1300], "the queued run"
    world.advance(3.75 * HOUR - 1300)
    assert world.started("nightly") == [3.75 * HOUR]


def test_a_re_exec_while_a_stamp_is_read() -> None:
    """It is read again, and what was missed is made up for."""
    world = Clockwork(job("nightly", Timer(cron=("@daily",), persistent=True)), stamps={"nightly": MIDNIGHT - 90000})
    world.schedules.set({"nightly": Timer(cron=("@daily",), persistent=True)}, at_start=True)
    state = decode(encode(world.schedules.freeze(Kept())), SchedulesState)
    world.reading.clear()
    world.schedules = world.make()
    world.schedules.thaw(state)
    world.reading.pop()()
    world.advance(1)
    assert world.started("nightly") == [0]
