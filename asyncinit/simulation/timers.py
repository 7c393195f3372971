"""The timers of services in a simulation: what elapses when is `core.schedule`'s to say, as it is in earnest."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from asyncinit.config.calendar import slot_after, zone_of
from asyncinit.config.spec import Timer
from asyncinit.core import events as ev
from asyncinit.core import schedule
from asyncinit.core.engine import Engine
from asyncinit.core.events import Effect
from asyncinit.core.schedule import Deadlines, Elapse, Memory
from asyncinit.core.status import State
from asyncinit.simulation.clock import Clock, Due

_AT_REST = frozenset({State.INACTIVE, State.LISTENING, State.COMPLETED, State.FAILED})


@dataclass(slots=True)
class _Armed:
    timer: Timer
    zone: tzinfo
    memory: Memory = field(default_factory=Memory)
    due: Deadlines = field(default_factory=Deadlines)
    queued: bool = False
    next: Due = field(default_factory=lambda: Due(math.inf, lambda: None))

    def slots(self, expression: str, moment: float) -> float | None:
        return slot_after(expression, self.zone, moment)


class Timers:
    """Have the engine start services when their timers elapse; `wall` is the time of day at the beginning.

    A time zone that is not declared is UTC, and nothing ran before the beginning. `note` takes a remark.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        wall: float,
        draw: Callable[[], float],
        carry_out: Callable[[list[Effect]], None],
        note: Callable[[str, str], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._wall = wall
        self._draw = draw
        self._carry_out = carry_out
        self._note = note
        self._armed: dict[str, _Armed] = {}

    def arm(self, timers: Mapping[str, Timer]) -> None:
        """Arm timers at the beginning."""
        for name, timer in timers.items():
            zone = UTC if timer.time_zone is None else zone_of(timer.time_zone, {})
            armed = self._armed[name] = _Armed(timer, zone)
            memory = schedule.begin(timer, None, self._now(), self._clock.now, self._draw(), armed.slots, 0.0)
            self._remember(name, armed, memory)

    def _now(self) -> float:
        return self._wall + self._clock.now

    def _remember(self, name: str, armed: _Armed, memory: Memory) -> None:
        armed.memory, armed.due = memory, schedule.deadlines(armed.timer, memory, self._now(), armed.slots)
        armed.next.call_off()
        moment = min(armed.due.monotonic, armed.due.wall - self._wall)
        armed.next = self._clock.at(moment, lambda: self._elapse(name, armed))
        self._engine.armed = frozenset(one for one, other in self._armed.items() if other.due != Deadlines())

    def _elapse(self, name: str, armed: _Armed) -> None:
        now, wall = self._clock.now, self._now()
        memory = schedule.elapsed(armed.timer, armed.memory, armed.due, wall, now, self._draw())
        self._remember(name, armed, memory)
        if self._engine.shutting_down:
            return
        match schedule.what_elapse_does(armed.timer, self._engine.services[name]):
            case Elapse.START:
                self._note(name, "started by its timer")
                self._carry_out(self._engine.start([name], now))
            case Elapse.RESTART:
                self._note(name, "restarted by its timer")
                self._carry_out(self._engine.restart([name], now))
            case Elapse.QUEUE:
                armed.queued = True
                self._note(name, "due again while its last run is still going on; it is started once that is over")
            case Elapse.SKIP:
                self._note(name, "due again while its last run is still going on; this run is left out")
            case Elapse.COMING:
                pass

    def take(self, effect: ev.Announce) -> None:
        """Take a change of state: a start that `every` counts from, or the end of a run that another one waits for."""
        armed = self._armed.get(effect.service)
        if armed is None or effect.old is effect.new:
            return
        if effect.new is State.STARTING and armed.timer.every is not None:
            self._remember(effect.service, armed, schedule.started(armed.memory, self._clock.now))
        elif effect.new in _AT_REST:
            again, armed.queued = armed.queued and effect.new is not State.INACTIVE, False
            if again:
                self._clock.after(0.0, lambda: self._carry_out(self._engine.start([effect.service], self._clock.now)))

    def close(self) -> None:
        """Let nothing elapse any more."""
        for armed in self._armed.values():
            armed.next.call_off()
