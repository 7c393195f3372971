"""Start services when their timers elapse, and know when that is; what elapses when is `core.schedule`'s to say.

A timer stays armed whatever becomes of the runs: stopping a service ends its run, and the next one comes all the same.

Carried over a re-exec: what each timer remembers, with the delay that chance has given it; a run's variables.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.spec import LogLevel, Timer
from asyncinit.control.types import EventEntry, TimerStatus, timestamp
from asyncinit.core import schedule, telling
from asyncinit.core.events import Effect
from asyncinit.core.phrases import duration
from asyncinit.core.schedule import Deadlines, Elapse, Memory, what_elapse_does
from asyncinit.core.service import Service
from asyncinit.core.status import State
from asyncinit.runtime import timers
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.supervisor import Supervisor
from asyncinit.runtime.timing.alarm import WallAlarm
from asyncinit.runtime.timing.stamps import Stamps

# States in which a run, if there was one, is over.
_AT_REST = frozenset({State.INACTIVE, State.LISTENING, State.COMPLETED, State.FAILED})


@dataclass(slots=True)
class _Armed:
    """A timer that is armed; `memory` is None until its stamp is read.

    `skipped` counts runs that were left out; `told`: that was said of the run that goes on.
    """

    name: str
    timer: Timer
    zone: tzinfo = UTC
    memory: Memory | None = None
    due: Deadlines = field(default_factory=Deadlines)
    queued: bool = False
    skipped: int = 0
    told: bool = False
    last: float | None = None
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether it will never elapse again."""
        return self.memory is not None and self.due == Deadlines()

    def slots(self, expression: str, moment: float) -> float | None:
        from asyncinit.config.calendar import slot_after

        return slot_after(expression, self.zone, moment)


class TimerState(Struct):
    """What is carried of one timer."""

    timer: Timer = Timer()
    memory: Memory | None = None
    queued: bool = False
    skipped: int = 0
    last: float | None = None
    variables: dict[str, str] = {}


class SchedulesState(Struct):
    """What is carried of all timers; `unwritten` are stamps that may not be on disk yet."""

    timers: dict[str, TimerState] = {}
    boot: float = 0.0
    unwritten: dict[str, float] = {}


class Schedules:
    """The timers that are armed, by service.

    `wall` gives wall-clock seconds, `draw` random numbers in [0, 1); `environment` is what asyncinit was given.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        announcer: Announcer,
        deadlines: timers.Timers,
        alarm: WallAlarm,
        stamps: Stamps,
        environment: Mapping[str, str],
        *,
        wall: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._supervisor = supervisor
        self._engine = supervisor.engine
        self._announcer = announcer
        self._deadlines = deadlines
        self._stamps = stamps
        self._environment = environment
        self._wall = wall
        self._draw = draw
        self._boot = deadlines.now()
        self._armed: dict[str, _Armed] = {}
        self._timer: timers.Timer | None = None
        self._alarm = alarm
        alarm.ring, alarm.clock_set = self._look, self._clock_set
        announcer.follow(self._take)

    # -----------------------------------------------------------------------------------------------------------------
    # What is armed

    def set(self, wanted: Mapping[str, Timer], *, at_start: bool = False) -> None:
        """Arm these timers and no others; one that is armed as it is wanted goes on untouched.

        One that has changed remembers what is over. `at_start`: asyncinit has just been started, and `after_boot` is
        still to come.
        """
        for name in self._armed.keys() - wanted.keys():
            del self._armed[name]
        unknown = []
        for name, timer in wanted.items():
            before = self._armed.get(name)
            if before is not None and before.timer == timer:
                continue
            armed = self._armed[name] = _Armed(name, timer) if before is None else before
            armed.timer, armed.zone = timer, self._zone(name, timer)
            if armed.memory is not None:
                self._remember(armed, self._changed(armed.memory, timer))
            elif timer.persistent:
                unknown.append(name)
            else:
                self._begin(armed, None, self._boot if at_start else None)
        self._supervisor.request(self._tell_engine)
        self._read_stamps(unknown, at_start)
        self._look()

    def _changed(self, memory: Memory, timer: Timer) -> Memory:
        """Return what is remembered where a timer has other rules now: what is over, and what is still to come."""
        pending = memory.first is not None and timer.after_boot is not None
        first = self._boot + timer.after_boot if pending and timer.after_boot is not None else None
        return replace(memory, delay=self._draw() * timer.random_delay, first=first)

    def _tell_engine(self, _now: float) -> list[Effect]:
        self._engine.armed = self._alive()
        return []

    def _alive(self) -> frozenset[str]:
        return frozenset(name for name, armed in self._armed.items() if not armed.over)

    def _zone(self, name: str, timer: Timer) -> tzinfo:
        if not timer.cron:
            return UTC
        from asyncinit.config.calendar import zone_of

        try:
            return zone_of(timer.time_zone, self._environment)
        except (OSError, LookupError, ValueError):  # it was there when the configuration was read
            text = f"the time zone {timer.time_zone} cannot be read any more; its timer goes by UTC"
            self._announcer.note(name, text, LogLevel.ERROR)
            return UTC

    def _read_stamps(self, names: list[str], at_start: bool) -> None:
        if names:
            self._stamps.read(names, lambda found: self._stamps_read(names, found, at_start))

    def _stamps_read(self, names: list[str], found: Mapping[str, float], at_start: bool) -> None:
        for name in names:
            armed = self._armed.get(name)
            if armed is not None and armed.memory is None:
                armed.last = found.get(name)
                memory = self._begin(armed, armed.last, self._boot if at_start else None)
                if memory.owed is not None:
                    self._announcer.note(name, "a run was missed while asyncinit was not there; it is made up for")
        self._look()

    def _begin(self, armed: _Armed, stamp: float | None, boot: float | None) -> Memory:
        now = self._deadlines.now()
        memory = schedule.begin(armed.timer, stamp, self._wall(), now, self._draw(), armed.slots, boot)
        self._remember(armed, memory)
        return memory

    def _remember(self, armed: _Armed, memory: Memory) -> None:
        armed.memory = memory
        try:
            armed.due = schedule.deadlines(armed.timer, memory, self._wall(), armed.slots)
        except Exception as error:  # a bug of ours, or of the library: the other timers must not be lost with it
            armed.due = Deadlines()
            self._announcer.note(armed.name, f"internal error, its timer is not armed: {error!r}", LogLevel.ERROR)

    # -----------------------------------------------------------------------------------------------------------------
    # What is due

    def _look(self) -> None:
        """Let elapse what is due, and wait for what is next."""
        wall, now = self._wall(), self._deadlines.now()
        for name, armed in list(self._armed.items()):
            if armed.memory is not None and (armed.due.wall <= wall or armed.due.monotonic <= now):
                memory = schedule.elapsed(armed.timer, armed.memory, armed.due, wall, now, self._draw())
                self._remember(armed, memory)
                self._elapse(name, armed, wall, now)
        if self._engine.armed != self._alive():
            self._supervisor.request(self._tell_engine)
        self._wait()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        armed = self._armed.values()
        self._timer = self._deadlines.at(min((one.due.monotonic for one in armed), default=math.inf), self._look)
        if any(one.timer.cron for one in armed):
            self._alarm.set(min(one.due.wall for one in armed))
        else:
            self._alarm.close()

    def _clock_set(self) -> None:
        """The wall clock is another one: everything that goes by it is looked at anew."""
        self._announcer.system("the wall clock was set; timers are looked at anew", LogLevel.DEBUG)
        wall = self._wall()
        for armed in self._armed.values():
            if armed.memory is not None and armed.timer.cron:
                self._remember(armed, schedule.clock_set(armed.memory, wall))
        self._look()

    def _elapse(self, name: str, armed: _Armed, wall: float, now: float) -> None:
        service = self._engine.services.get(name)
        if service is None or self._engine.shutting_down:
            return
        if armed.timer.persistent:
            self._stamps.write(name, wall)
        variables = {
            "TRIGGER_UNIT": name,
            "TRIGGER_TIMER_REALTIME_USEC": str(int(wall * 1_000_000)),
            "TRIGGER_TIMER_MONOTONIC_USEC": str(int(now * 1_000_000)),
        }
        does = what_elapse_does(armed.timer, service)
        armed.variables = armed.variables if does is Elapse.SKIP else variables
        match does:
            case Elapse.START:
                self._announcer.note(name, "started by its timer", LogLevel.DEBUG)
                self._start(name)
            case Elapse.COMING:
                pass  # it is the run that is to come
            case Elapse.RESTART:
                self._announcer.note(name, "restarted by its timer")
                self._supervisor.request(lambda at: self._engine.restart([name], at))
            case Elapse.QUEUE:
                armed.queued = True
                self._tell_overlap(name, armed, "it is started once that is over")
            case Elapse.SKIP:
                armed.skipped += 1
                self._tell_overlap(name, armed, "this run is left out")

    def _tell_overlap(self, name: str, armed: _Armed, what: str) -> None:
        level = LogLevel.DEBUG if armed.told else LogLevel.INFO  # of a long run that is due every second, once
        armed.told = True
        self._announcer.note(name, f"due again while its last run is still going on; {what}", level)

    def _start(self, name: str) -> None:
        self._supervisor.request(lambda now: self._engine.start([name], now))

    def _take(self, entry: EventEntry) -> None:
        """Take a change of state: a start that `every` counts from, or the end of a run that another one waits for."""
        armed = self._armed.get(entry.service or "")
        if armed is None or entry.service is None or entry.old is entry.new:
            return
        if entry.new is State.STARTING:
            armed.last = self._wall()
            if armed.memory is not None and armed.timer.every is not None:
                self._remember(armed, schedule.started(armed.memory, self._deadlines.now()))
                self._wait()
        elif entry.new in _AT_REST:
            armed.told = False
            # Stopped by somebody's wish, it is not started again at once by an older one.
            again, armed.queued = armed.queued and entry.new is not State.INACTIVE, False
            if again:
                self._start(entry.service)
            else:
                armed.variables = {}

    # -----------------------------------------------------------------------------------------------------------------
    # What others ask

    def variables(self, name: str) -> Mapping[str, str]:
        """Return the variables of a service's run that its timer has started, under systemd's names; else none."""
        armed = self._armed.get(name)
        return armed.variables if armed is not None else {}

    def next(self, name: str) -> float | None:
        """Return when (wall) the timer of a service elapses next, None if it has none that will."""
        armed = self._armed.get(name)
        if armed is None:
            return None
        moment = min(armed.due.wall, self._wall() + armed.due.monotonic - self._deadlines.now())
        return None if moment == math.inf else moment

    def without_stamp(self, name: str) -> bool:
        """Tell whether what a persistent timer has to remember cannot be kept on disk."""
        return self._stamps.bad(name)

    def status(self, name: str) -> TimerStatus | None:
        """Return what there is to say of a service's timer, None if it has none."""
        service = self._engine.services[name]
        timer = service.spec.timer
        if timer is None:
            return None
        armed = self._armed.get(name)
        last = armed.last if armed is not None else None
        following = self.next(name)
        return TimerStatus(
            name=name,
            armed=armed is not None and not armed.over,
            schedule=_in_words(timer),
            next=None if following is None else timestamp(following),
            last=None if last is None else timestamp(last),
            result=_result(service),
            skipped=armed.skipped if armed is not None else 0,
        )

    # -----------------------------------------------------------------------------------------------------------------
    # The end

    def close(self) -> None:
        """Let nothing elapse any more."""
        self._armed.clear()
        self._wait()

    def freeze(self, _keep: Keep) -> SchedulesState:
        """Return what a re-exec carries; there is no descriptor in it."""
        frozen = {
            name: TimerState(one.timer, one.memory, one.queued, one.skipped, one.last, one.variables)
            for name, one in self._armed.items()
        }
        return SchedulesState(frozen, self._boot, self._stamps.freeze())

    def thaw(self, state: SchedulesState) -> None:
        """Go on where `freeze` left off."""
        self._boot = state.boot
        for name, moment in state.unwritten.items():
            self._stamps.write(name, moment)
        for name, one in state.timers.items():
            armed = _Armed(name, one.timer, self._zone(name, one.timer))
            armed.queued, armed.skipped, armed.last, armed.variables = one.queued, one.skipped, one.last, one.variables
            if one.memory is not None:
                self._remember(armed, one.memory)
            self._armed[name] = armed
        self._engine.armed = self._alive()
        self._read_stamps([name for name, one in state.timers.items() if one.memory is None], at_start=True)
        self._wait()


def _in_words(timer: Timer) -> list[str]:
    zone = f" {timer.time_zone}" if timer.time_zone is not None else ""
    parts = [expression + zone for expression in timer.cron]
    if timer.every is not None:
        parts.append(f"every {duration(timer.every)}")
    if timer.after_boot is not None:
        parts.append(f"{duration(timer.after_boot)} after the start")
    return parts


def _result(service: Service) -> str | None:
    if not service.at_rest:
        return str(service.state)
    if service.run_exit is None and service.reason is None:
        return None
    return telling.outcome(service)
