"""The world around the engine, made up: processes that become ready, end and fail as a scenario says.

Takes the place of the runtime: carries out effects, and answers with events as real processes would. Each run of a
service has a body; what was to happen to one of an earlier run is called off with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

from asyncinit.config.spec import ServiceSpec, ServiceType
from asyncinit.core import effects as fx
from asyncinit.core import events as ev
from asyncinit.core.engine import Engine
from asyncinit.core.events import Effect, Event, HookStage
from asyncinit.core.handover import service_of
from asyncinit.core.phrases import duration
from asyncinit.core.service import Service
from asyncinit.core.status import ExitStatus, State
from asyncinit.simulation.clock import Clock, Due
from asyncinit.simulation.scenario import READY, STOP, Fault, Onset, Scenario

_KILLED = ExitStatus(signal=9)


@dataclass(slots=True)
class _Body:
    """What exists of one life of a service: its main process, and what is going to happen to it."""

    alive: bool = False
    watched: bool = False
    begun: float = 0.0
    run: int = 0
    ready: Due | None = None
    ends: Due | None = None
    stops: Due | None = None
    activity: Due | None = None
    probe: Due | None = None
    timer: Due | None = None
    gone: Due | None = None


class World:
    """Carry out the engine's effects; `told` is given what it announces, `note` a service and a remark about it."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        scenario: Scenario,
        told: Callable[[ev.Announce | fx.HandedOver], None],
        note: Callable[[str, str], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._scenario = scenario
        self._told = told
        self._note = note
        self._bodies: dict[str, _Body] = {}
        self._pids = count(100)
        self._faults: dict[str, list[Fault]] = {}
        for fault in scenario.faults:
            self._faults.setdefault(fault.name, []).append(fault)
            if fault.onset is Onset.BEGINNING:
                clock.at(fault.after, partial(self._fail_now, fault))

    # -----------------------------------------------------------------------------------------------------------------
    # What is assumed

    def _time_to_ready(self, spec: ServiceSpec) -> float:
        return self._scenario.ready.get(spec.name, READY)

    def _time_to_stop(self, name: str) -> float:
        return self._scenario.stop.get(name, STOP)

    def _ill(self, name: str) -> bool:
        now = self._clock.now
        return any(one.name == name and one.begins <= now < one.ends for one in self._scenario.illnesses)

    # -----------------------------------------------------------------------------------------------------------------
    # Effects

    def carry_out(self, effects: list[Effect]) -> None:
        """Carry out effects, in order."""
        for effect in effects:
            self._perform(effect)

    def _tell(self, key: str, event: Event) -> None:
        self.carry_out(self._engine.handle(key, event, self._clock.now))

    def _soon(self, key: str, event: Event) -> Due:
        return self._clock.after(0.0, partial(self._tell, key, event))

    def _life(self, key: str) -> Service:
        life = self._engine.lives.find(key)
        assert life is not None, f"{key} is forgotten"
        return life

    def _perform(self, effect: Effect) -> None:  # noqa: PLR0912 - one branch for each effect, nothing else
        key = effect.service
        body = self._bodies.setdefault(key, _Body())
        match effect:
            case ev.Announce():
                self._told(effect)
                if effect.new is State.READY and effect.old is State.STARTING:
                    self._fail_from(Onset.READY, self._engine.services[key].key)
            case fx.HandedOver():
                self._told(effect)
            case ev.Prepare():
                body.activity = self._soon(key, ev.Prepared())
            case ev.Spawn():
                self._spawn(key, body)
            case ev.AwaitReady():
                wait = self._time_to_ready(self._life(key).spec)
                body.ready = self._clock.at(body.begun + wait, partial(self._tell, key, ev.BecameReady()))
            case ev.ForgetReady():
                _call_off(body.ready)
            case ev.RunHooks():
                body.activity = self._run_hooks(effect)
            case ev.EndHooks():
                _call_off(body.activity)
            case ev.RunReload():
                if self._life(key).spec.reload.command is not None:
                    body.activity = self._soon(key, ev.ReloadDone())
            case ev.SendSignal() | ev.RunStopCommand():
                self._ask_to_end(key, body)
            case ev.KillTree():
                self._exit(key, body, _KILLED)
            case ev.WatchTree():
                body.watched = True
                self._look_at_tree(key, body)
            case ev.ArmTimer():
                _call_off(body.timer)
                body.timer = self._clock.at(effect.deadline, partial(self._fire, key, effect.epoch))
            case ev.DisarmTimer():
                _call_off(body.timer)
            case ev.Guard():
                self._guard(key, body)
            case ev.Unguard():
                _call_off(body.probe)
            case ev.Forget():
                self._engine.forget(key)
                self._bodies.pop(key, None)

    def _fire(self, key: str, epoch: int) -> None:
        self._tell(key, ev.TimerFired(epoch, "as the scenario has it"))

    def _spawn(self, key: str, body: _Body) -> None:
        spec = self._life(key).spec
        body.alive, body.begun, body.stops = True, self._clock.now, None
        body.run += 1
        self._soon(key, ev.Spawned(next(self._pids)))
        self._soon(key, ev.Executed())
        if spec.type is ServiceType.ONESHOT:
            body.ends = self._clock.after(self._time_to_ready(spec), partial(self._exit, key, body, ExitStatus(0)))
        self._fail_from(Onset.START, key)

    def _run_hooks(self, effect: ev.RunHooks) -> Due:
        """Hooks take no time; the stop command that undoes what a oneshot did takes that of a stop."""
        key, wait = effect.service, 0.0
        if effect.stage is HookStage.UNDO:
            limit = effect.pace.of(self._life(key).spec.stop.timeout)
            wait = min(self._time_to_stop(service_of(key)), limit)
        return self._clock.after(wait, partial(self._hooks_done, key, effect.stage, wait))

    def _hooks_done(self, key: str, stage: HookStage, took: float) -> None:
        if stage is HookStage.UNDO and took < self._time_to_stop(service_of(key)):
            self._note(service_of(key), f"its stop command was killed after {duration(took)}; the stop goes on")
        self._tell(key, ev.HooksDone(stage))

    def _ask_to_end(self, key: str, body: _Body) -> None:
        if body.alive and body.stops is None:
            wait = self._time_to_stop(service_of(key))
            body.stops = self._clock.after(wait, partial(self._exit, key, body, ExitStatus(0)))

    def _exit(self, key: str, body: _Body, status: ExitStatus) -> None:
        """Let the main process end, if there is one."""
        if not body.alive:
            return
        body.alive = False
        for due in (body.ends, body.stops, body.ready):
            _call_off(due)
        self._soon(key, ev.Exited(status))
        self._look_at_tree(key, body)

    def _look_at_tree(self, key: str, body: _Body) -> None:
        told = body.gone is not None and body.gone.pending
        if body.watched and not body.alive and not told:
            body.watched = False
            body.gone = self._soon(key, ev.TreeGone())

    # -----------------------------------------------------------------------------------------------------------------
    # What goes wrong

    def _fail_from(self, onset: Onset, key: str) -> None:
        """Have this run fail as it shall, counted from now."""
        body = self._bodies.setdefault(key, _Body())
        for fault in self._faults.get(service_of(key), ()):
            if fault.onset is onset:
                self._clock.after(fault.after, partial(self._fail_run, key, body.run, fault))

    def _fail_run(self, key: str, run: int, fault: Fault) -> None:
        body = self._bodies.get(key)
        if body is not None and body.alive and body.run == run:
            self._fail(key, body, fault)

    def _fail_now(self, fault: Fault) -> None:
        service = self._engine.services[fault.name]
        body = self._bodies.get(service.key)
        if body is None or not body.alive:
            self._note(fault.name, f"does not run, so that it cannot end as {fault.said} has it")
        else:
            self._fail(service.key, body, fault)

    def _fail(self, key: str, body: _Body, fault: Fault) -> None:
        self._note(fault.name, f"{fault.status}, as {fault.said} has it")
        self._exit(key, body, fault.status)

    def _guard(self, key: str, body: _Body) -> None:
        health = self._life(key).spec.health
        _call_off(body.probe)
        if health is not None:
            body.probe = self._clock.after(health.interval, partial(self._probe, key, body))

    def _probe(self, key: str, body: _Body) -> None:
        """Answer a probe; once all probes to come would be answered alike, there are no more."""
        service = self._life(key)
        health = service.spec.health
        assert health is not None
        name, ill = service.name, self._ill(service.name)
        to_come = any(one.name == name and one.ends > self._clock.now for one in self._scenario.illnesses)
        if ill or to_come or service.unhealthy is not None or health.success_threshold > service.checks.successes + 1:
            begins = [one.begins for one in self._scenario.illnesses if one.name == name]
            wait = health.interval
            if not ill and service.unhealthy is None and service.checks.proven:
                # On the grid of its probes, the last one before something changes.
                next_change = min((begin for begin in begins if begin > self._clock.now), default=math.inf)
                if next_change < math.inf:
                    wait *= max(1, math.ceil((next_change - self._clock.now) / health.interval))
            body.probe = self._clock.after(wait, partial(self._probe, key, body))
        self._tell(key, ev.Probed("as the scenario has it" if ill else ""))


def _call_off(due: Due | None) -> None:
    if due is not None:
        due.call_off()
