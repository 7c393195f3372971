"""Simulate what asyncinit would do with a configuration: start it, let what the scenario says happen, and look on."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.spec import Configuration, ReadyKind, ServiceSpec, ServiceType
from asyncinit.core import at_start, shutdown_plan, telling, verdict
from asyncinit.core import effects as fx
from asyncinit.core import events as ev
from asyncinit.core.engine import Engine
from asyncinit.core.outcome import exit_code
from asyncinit.core.status import State
from asyncinit.errors import TransitionError
from asyncinit.simulation.clock import Clock
from asyncinit.simulation.scenario import Onset, Request, Scenario, Verb
from asyncinit.simulation.timeline import Entry, Outcome, Plan
from asyncinit.simulation.timers import Timers
from asyncinit.simulation.world import World

MOST = 200_000
"""Things that happen in one simulation at most: some seconds of work."""


def simulate(configuration: Configuration, scenario: Scenario, names: Sequence[str] = ()) -> Outcome:
    """Return what comes of `configuration` in `scenario`; `names` are started in the place of what is by itself."""
    simulation = _Simulation(configuration, scenario)
    simulation.begin(names)
    return simulation.outcome(simulation.go_on())


class _Times(Struct):
    """When a service came into its state, and when its last start began."""

    moment: float = 0.0
    begun: float = 0.0


class _Simulation:
    """One simulation under way."""

    def __init__(self, configuration: Configuration, scenario: Scenario) -> None:
        chance = random.Random(scenario.seed)
        self._configuration = configuration
        self._scenario = scenario
        self._clock = Clock()
        self._engine = Engine(configuration.services, chance.random, self._bug)
        self._world = World(self._engine, self._clock, scenario, self._told, self._note)
        self._timers = Timers(
            self._engine, self._clock, scenario.wall, chance.random, self._world.carry_out, self._note
        )
        self._entries: list[Entry] = []
        self._times: dict[str, _Times] = {}
        self._states: dict[str, State] | None = None
        self._shutdown: float | None = None
        self._plan: Plan | None = None
        self._requested = False
        self._down: float | None = None

    def begin(self, names: Sequence[str]) -> None:
        """Start what is to be started, and have the rest of the scenario happen."""
        if names:
            self._world.carry_out(self._engine.start(names, 0.0))
        else:
            self._timers.arm(at_start.armed(self._configuration))
            self._world.carry_out(self._engine.boot(at_start.started(self._configuration), 0.0))
        for request in self._scenario.requests:
            self._clock.at(request.moment, lambda request=request: self._ask(request))  # type: ignore[misc]
        if self._scenario.shutdown is not None:
            self._clock.at(self._scenario.shutdown, lambda: self._shut_down("somebody asks for it", requested=True))
        self._look()

    def go_on(self) -> str:
        """Let everything happen, until nothing is left to or it is enough; return why it is cut off, if it is."""
        happened = 0
        while self._clock.next() <= self._scenario.until and self._down is None:
            self._clock.step()
            self._look()
            happened += 1
            if happened >= MOST:
                return f"cut off: {MOST} things have happened; end it earlier (--until)"
        return ""

    def outcome(self, cut: str) -> Outcome:
        """Return what it has come to."""
        engine, clock = self._engine, self._clock
        facts = verdict.facts(engine, requested=self._requested)
        open_ = clock.next() < math.inf and self._down is None
        return Outcome(
            end=self._scenario.until if open_ and not cut else clock.now,
            entries=tuple(self._entries),
            states=self._states if self._states is not None else self._all_states(),
            restarts={name: service.restarts for name, service in engine.services.items()},
            shutdown=self._shutdown,
            plan=self._plan,
            took=self._down - self._shutdown if self._down is not None and self._shutdown is not None else None,
            exit_status=exit_code(facts, self._configuration.init.exit_codes) if self._down is not None else None,
            cut=cut,
            open=open_,
            notes=tuple(_notes(self._configuration.services, self._scenario)),
        )

    # -----------------------------------------------------------------------------------------------------------------
    # What happens

    def _ask(self, request: Request) -> None:
        now, names = self._clock.now, [request.name]
        self._tell(request.name, f"somebody asks for a {request.verb}")
        match request.verb:
            case Verb.START:
                effects = self._engine.start(names, now)
            case Verb.STOP:
                effects = self._engine.stop(names, now)
            case Verb.RESTART:
                effects = self._engine.restart(names, now)
        self._world.carry_out(effects)

    def _look(self) -> None:
        """Shut down if there is a reason to, and note when all is down."""
        engine = self._engine
        if not engine.shutting_down:
            reason = verdict.reason_to_end(engine, self._configuration.init.keep_running)
            if reason:
                self._shut_down(reason)
        if engine.shutting_down and engine.all_down:
            self._down = self._clock.now

    def _shut_down(self, reason: str, *, requested: bool = False) -> None:
        if self._engine.shutting_down:
            return
        now, timeout = self._clock.now, self._configuration.init.shutdown_timeout
        self._requested = requested
        self._shutdown, self._states = now, self._all_states()
        self._entries.append(Entry(now, None, f"shutting down: {reason}", begins=True))
        shares = tuple(shutdown_plan.plan(self._engine, timeout))
        self._timers.close()
        self._world.carry_out(self._engine.shut_down(now, timeout))
        self._plan = Plan(timeout, self._engine.budget, shares)
        self._clock.at(self._engine.stop_deadline, self._budget_spent)

    def _budget_spent(self) -> None:
        if not self._engine.all_down:
            self._tell(None, "the time for the shutdown is used up; killing what is left")
            self._world.carry_out(self._engine.hurry(self._clock.now))

    # -----------------------------------------------------------------------------------------------------------------
    # What is told

    def _all_states(self) -> dict[str, State]:
        return {name: service.state for name, service in self._engine.services.items()}

    def _told(self, effect: ev.Announce | fx.HandedOver) -> None:
        if isinstance(effect, fx.HandedOver):
            self._tell(effect.service, _without_pids(effect))
            return
        self._timers.take(effect)
        service, now = self._engine.services[effect.service], self._clock.now
        times = self._times.setdefault(effect.service, _Times())
        if effect.new is State.STARTING:
            times.begun = now
        took = now - telling.began(service, effect, times.moment, times.begun)
        times.moment = now
        waits = tuple(self._engine.waiting_on(effect.service))
        # Its pid is made up.
        text, _ = telling.transition(replace(service, main=None), effect, took, now, waits)
        if effect.new is State.WAITING and waits:
            text = text.replace("waiting", f"waiting for {', '.join(waits)}", 1)
        self._entries.append(
            Entry(
                time=now,
                service=effect.service,
                text=text,
                old=effect.old,
                new=effect.new,
                code=None if effect.reason is None else effect.reason.code,
                waiting_on=waits,
                minor=telling.told_by_what_follows(service, effect),
                killed=service.killed and effect.old is State.STOPPING,
            )
        )

    def _tell(self, name: str | None, text: str) -> None:
        state = None if name is None else self._engine.services[name].state
        self._entries.append(Entry(self._clock.now, name, text, state, state))

    def _note(self, name: str, text: str) -> None:
        self._tell(name, text)

    def _bug(self, error: TransitionError) -> None:
        self._tell(error.service, f"this cannot happen; it is a bug of asyncinit: {error}")


def _without_pids(effect: fx.HandedOver) -> str:
    match effect.stage:
        case fx.HandoverStage.BEGUN:
            return "another instance is started; this one goes on until that is ready"
        case fx.HandoverStage.TAKEN_OVER:
            return "the other instance takes over, and this one is stopped"
        case fx.HandoverStage.FAILED:
            why = f": {effect.reason.text}" if effect.reason is not None else ""
            return f"the other instance did not get ready{why}; this one goes on"
        case _:
            return telling.handover(effect)[0]


def _notes(services: Mapping[str, ServiceSpec], scenario: Scenario) -> list[str]:
    """Return what of a scenario has no effect, and why."""
    notes = []
    for name in scenario.ready:
        spec = services[name]
        if not spec.has_process:
            notes.append(f"{name} has no process: it is ready at once, however slow it is said to be")
        elif spec.type is not ServiceType.ONESHOT and spec.ready.kind is ReadyKind.EXEC:
            notes.append(f"{name} has no [ready]: it counts as ready once it runs, however slow it is said to be")
    for fault in scenario.faults:
        if not services[fault.name].has_process:
            notes.append(f"{fault.name} has no process that could end as {fault.said} has it")
        elif fault.onset is Onset.READY and services[fault.name].type is ServiceType.ONESHOT:
            notes.append(f"{fault.name} is a oneshot, which is never ready: {fault.said.replace('@ready', '@start')}")
    for name in dict.fromkeys(one.name for one in scenario.illnesses):
        if services[name].health is None:
            notes.append(f"{name} has no [health]: nobody notices that it is ill")
    return notes
