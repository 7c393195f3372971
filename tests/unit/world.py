"""A world for the engine in memory: processes, hooks and timers that do as told; no clock, no kernel."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from asyncinit.config.spec import Command, ServiceSpec, ServiceType
from asyncinit.core import carried
from asyncinit.core import effects as fx
from asyncinit.core import events as ev
from asyncinit.core.engine import Engine
from asyncinit.core.handover import service_of
from asyncinit.core.reconfiguration import Reconfiguration
from asyncinit.core.service import STOPPABLE, WITHOUT_RUN, Phase, Service
from asyncinit.core.status import ExitStatus, State
from asyncinit.errors import TransitionError
from asyncinit.runtime.reexec.coding import decode, encode


def service(name: str, **keys: object) -> ServiceSpec:
    """Return a specification with a command (a target: without)."""
    command = None if keys.get("type") is ServiceType.TARGET else Command((name,))
    return ServiceSpec(name, command=command, **keys)  # type: ignore[arg-type]


@dataclass
class Body:
    """What exists of one service in the world."""

    alive: bool = False
    leftovers: bool = False
    watched: bool = False
    stops_itself: bool = False
    stop_begun: bool = False
    guarded: bool = False
    in_force: bool = False
    answers: deque[ev.Event] = field(default_factory=deque)
    timer: tuple[int, float] | None = None
    stale: list[int] = field(default_factory=list)
    started: list[float] = field(default_factory=list)


class Bodies(dict[str, Body]):
    """The bodies of all lives by their keys; asked by a service's name, that of its present life."""

    def __init__(self, engine: Engine) -> None:
        super().__init__((name, Body()) for name in engine.services)
        self.engine = engine

    def __missing__(self, key: str) -> Body:
        life = self.engine.lives.find(key)
        assert life is not None, f"{key} is forgotten"
        if life.key == key:
            # From its first run on a service with overlap has another key, and a successor is new.
            self[key] = self.pop(life.name, None) or Body()
        return self[life.key]

    def tidy(self) -> None:
        """Forget the bodies of lives that are over."""
        for key in [key for key in self if "~" in key and self.engine.lives.find(key) is None]:
            body = self.pop(key)
            assert body.timer is None and not body.alive and not body.leftovers, f"{key} was dropped too soon"


class World:
    """An engine and what its effects have brought about; checks what must hold at every effect."""

    def __init__(self, specs: Mapping[str, ServiceSpec]) -> None:
        self.now = 0.0
        self.bugs: list[TransitionError] = []
        self.engine = Engine(specs, lambda: 0.5, self.bugs.append)
        self.bodies = Bodies(self.engine)
        self.born: deque[tuple[str, int]] = deque()
        self.log: list[tuple[str, str]] = []
        self.states: list[tuple[str, State]] = []
        self.handovers: list[tuple[str, fx.HandoverStage]] = []
        self.open: set[str] = set()
        self.watched: set[str] = set()

    def __getitem__(self, name: str) -> Service:
        life = self.engine.lives.find(name)
        assert life is not None
        return life

    def state(self, name: str) -> State:
        return self.engine.services[name].state

    # What people and the world do

    def start(self, *names: str) -> None:
        self.carry_out(self.engine.start(names, self.now))

    def stop(self, *names: str) -> None:
        self.carry_out(self.engine.stop(names, self.now))

    def restart(self, *names: str, only: bool = False) -> None:
        self.carry_out(self.engine.restart(names, self.now, only=only))

    def reconfigure(self, specs: Mapping[str, ServiceSpec], *shall_run: str) -> Reconfiguration:
        """Declare `specs`; without `shall_run`, what is enabled shall run."""
        plan = self.engine.plan(specs, shall_run or [name for name, spec in specs.items() if spec.enabled])
        effects = self.engine.reconfigure(plan, self.now)
        for name in plan.added:
            if not any(service_of(key) == name for key in self.bodies):
                self.bodies[name] = Body()
        self.carry_out(effects)
        return plan

    def re_exec(self) -> None:
        """Have another engine go on with what this one would write down of itself."""
        state = decode(encode(carried.freeze(self.engine)), carried.EngineState)
        declared = {name: life.declared for name, life in self.engine.services.items() if not life.gone}
        self.engine = self.bodies.engine = Engine(declared, lambda: 0.5, self.bugs.append)
        self.carry_out(carried.thaw(self.engine, state, self.now))

    def shut_down(self, timeout: float) -> None:
        self.carry_out(self.engine.shut_down(self.now, timeout))

    def hurry(self) -> None:
        self.carry_out(self.engine.hurry(self.now))

    def tell(self, name: str, event: ev.Event) -> None:
        self.bodies[name].stops_itself |= isinstance(event, ev.Stopping)
        self.carry_out(self.engine.handle(name, event, self.now))

    def exit(self, name: str, code: int | None = 0, signal: int | None = None, leftovers: bool = False) -> None:
        """Let the main process end."""
        body = self.bodies[name]
        assert body.alive
        body.alive, body.leftovers = False, leftovers
        self.tell(name, ev.Exited(ExitStatus(code if signal is None else None, signal)))
        self._look_at_tree(name)

    def ready(self, name: str) -> None:
        self.tell(name, ev.BecameReady())

    def vanish(self, name: str) -> None:
        """Let what was left behind end."""
        self.bodies[name].leftovers = False
        self._look_at_tree(name)

    def answer(self, name: str) -> None:
        """Deliver the oldest answer to an effect."""
        self.tell(name, self.bodies[name].answers.popleft())

    def settle(self) -> None:
        """Deliver all answers."""
        while pending := [name for name, body in self.bodies.items() if body.answers]:
            for name in pending:
                if self.bodies[name].answers:
                    self.answer(name)

    def advance(self, seconds: float) -> None:
        """Let time pass, firing each timer at its deadline and never before."""
        end = self.now + seconds
        while True:
            due = [(b.timer[1], n) for n, b in self.bodies.items() if b.timer is not None and b.timer[1] <= end]
            if not due:
                break
            deadline, name = min(due)
            self.now = max(self.now, deadline)
            self.fire(name)
        self.now = end

    def fire(self, name: str) -> None:
        timer = self.bodies[name].timer
        assert timer is not None and timer[1] <= self.now
        self.bodies[name].timer = None
        self.tell(name, ev.TimerFired(timer[0]))

    # What the engine does

    def carry_out(self, effects: list[ev.Effect]) -> None:
        for effect in effects:
            assert service_of(effect.service) in self.engine.services, f"it is forgotten, and then {effect}"
            if isinstance(effect, fx.HandedOver):
                self.handovers.append((effect.service, effect.stage))
                continue
            self.log.append((effect.service, type(effect).__name__))
            self._effect(effect, self.bodies[effect.service])
        while self.born:
            name, pid = self.born.popleft()
            self.tell(name, ev.Spawned(pid))
        self.bodies.tidy()

    def _effect(self, effect: ev.Effect, body: Body) -> None:  # one branch for each effect
        name = effect.service
        match effect:
            case ev.Prepare():
                assert not self.engine.shutting_down, f"{name} starts in the shutdown"
                self._check_may_start(name)
                for other in self.engine.graph.conflicts[service_of(name)]:
                    assert self[other].phase in WITHOUT_RUN, f"{name} starts beside {other}"
                    assert not self.bodies[other].alive
                if self[name].spec.sockets:
                    self.open.add(service_of(name))
                body.answers.append(ev.Prepared())
            case ev.Spawn():
                assert not body.alive, f"{name}: two main processes"
                assert not body.in_force, f"{name}: done again, and not undone"
                assert not self[name].leaving, f"{name}: spawned although it shall go down"
                body.alive = True
                body.started.append(self.now)
                self.born.append((name, 1000 + len(body.started) + 100 * self[name].generation))
                body.answers.append(ev.Executed())
            case ev.RunHooks():
                if effect.stage in {ev.HookStage.PRE_STOP, ev.HookStage.UNDO}:
                    self._check_may_stop(name, body)
                if effect.stage is ev.HookStage.UNDO:
                    assert body.in_force, f"{name}: undone twice, or not done"
                    body.in_force = False
                body.answers.append(ev.HooksDone(effect.stage))
            case ev.EndHooks():
                body.answers = deque(
                    a for a in body.answers if not isinstance(a, (ev.HooksDone, ev.Prepared, ev.ReloadDone))
                )
            case ev.RunReload():
                if self[name].spec.reload.command is not None:
                    body.answers.append(ev.ReloadDone())
            case ev.WatchTree():
                body.watched = True
                self._look_at_tree(name)
            case ev.KillTree():
                body.leftovers = False
                if body.alive:
                    body.alive = False
                    body.answers.append(ev.Exited(ExitStatus(signal=9)))
                self._look_at_tree(name)
            case ev.ArmTimer():
                if body.timer is not None:
                    body.stale.append(body.timer[0])
                body.timer = (effect.epoch, effect.deadline)
            case ev.DisarmTimer():
                if body.timer is not None:
                    body.stale.append(body.timer[0])
                body.timer = None
            case ev.CleanUp():
                assert not body.alive and not body.leftovers, f"{name}: cleaned up while something lives"
                assert not body.guarded, f"{name}: guarded although nothing of it is left"
                assert not body.in_force or self[name].hurried, f"{name}: forgotten, and not undone"
                body.in_force = False
                body.watched = body.stops_itself = body.stop_begun = False
            case ev.Adopt():
                assert body.alive or body.answers or body.leftovers or effect.spec.type is not ServiceType.SERVICE
            case ev.Forget():
                key = self[name].key
                if self.engine.forget(name) and key in self.bodies:
                    assert body.timer is None and not body.alive and not body.leftovers
                    late = self.bodies.pop(key).answers
                    assert not any(self.engine.handle(name, answer, self.now) for answer in late)
            case ev.Announce():
                body.in_force = body.in_force or self[name].in_force
                self.states.append((name, effect.new))
            case ev.SendSignal() | ev.RunStopCommand():
                self._check_may_stop(name, body)
            case ev.Guard():
                assert body.alive and not body.guarded, f"{name}: guarded twice, or while it does not run"
                body.guarded = True
            case ev.Unguard():
                body.guarded = False
            case fx.OpenSockets():
                self.open.add(name)
            case fx.CloseSockets():
                self.open.discard(name)
                assert name not in self.watched, f"{name}: closed while it is watched"
            case fx.AwaitConnection():
                self.open.add(name)
                self.watched.add(name)
            case fx.ForgetConnection():
                self.watched.remove(name)
            case ev.AwaitReady() | ev.ForgetReady():
                pass

    def _look_at_tree(self, name: str) -> None:
        body = self.bodies[name]
        if body.watched and not body.alive and not body.leftovers:
            body.watched = False
            body.answers.append(ev.TreeGone())

    def _check_may_start(self, name: str) -> None:
        for other in self.engine.graph.hard[service_of(name)]:
            there = self[other].satisfied or (other in self[name].spec.awaits and self[other].at_rest)
            assert there or self[name].phase is not Phase.PREPARING, f"{name} starts before {other}"

    def _check_may_stop(self, name: str, body: Body) -> None:
        me = self[name]
        asked = me.leaving and me.failure is None and not body.stops_itself and not body.stop_begun
        there = me.main is not None or body.in_force
        if asked and not self.engine.overrun and there and name not in self.engine.lives.beside:
            body.stop_begun = True
            for other in self.engine.graph.before[me.name]:
                later = self[other]
                assert all(life.at_rest for life in self.engine.lives.beside_of(other)), f"{name} before all {other}"
                held = later.leaving and later.phase in STOPPABLE
                assert not held, f"{name} is stopped before {other}"
