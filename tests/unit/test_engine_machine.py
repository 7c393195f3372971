"""Random lives of random sets of services: what must hold whatever happens, in whatever order."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from asyncinit.config.spec import (
    Command,
    Handover,
    Health,
    HealthAction,
    Hook,
    Hooks,
    Ready,
    ReadyKind,
    Reload,
    Restart,
    RestartPolicy,
    ServiceSpec,
    ServiceType,
    Socket,
    SocketKind,
    Stop,
    StopStep,
)
from asyncinit.core import events as ev
from asyncinit.core.explain import explain
from asyncinit.core.graph import Graph
from asyncinit.core.handover import service_of
from asyncinit.core.service import GOING_DOWN, IS_UP, STOPPABLE, WITHOUT_RUN, Phase, Service
from asyncinit.core.status import Code, Reason
from tests.unit.world import World, service

_HOOK = (Hook(Command(("hook",))),)
_HEALTH = [Health(kind=ReadyKind.FILE, address="/x", threshold=2, action=action) for action in HealthAction]
_NAMES = ["a", "b", "c", "d", "e"]


_SOCKETS = (Socket(SocketKind.TCP, "127.0.0.1:80", "http"),)
_SERVING = st.sampled_from(
    [
        {},
        {"handover": Handover.OVERLAP},
        {"sockets": _SOCKETS},
        {"sockets": _SOCKETS, "on_demand": True},
        {"sockets": _SOCKETS, "on_demand": True, "handover": Handover.OVERLAP},
    ]
)


@st.composite
def specifications(draw: st.DrawFn) -> dict[str, ServiceSpec]:
    """Services in some order, whose edges point to earlier ones only, so that there is no cycle."""
    specs: dict[str, ServiceSpec] = {}
    anyone = st.one_of(st.just([]), st.lists(st.sampled_from(_NAMES), unique=True, max_size=2))
    for name in draw(st.permutations(_NAMES))[: draw(st.integers(1, len(_NAMES)))]:
        earlier = st.lists(st.sampled_from(list(specs)), unique=True, max_size=2) if specs else st.just([])
        kind = draw(st.sampled_from(list(ServiceType)))
        specs[name] = service(
            name,
            type=kind,
            umask=draw(st.sampled_from([None, 0o22])),
            enabled=draw(st.booleans()),
            essential=draw(st.booleans()) and draw(st.booleans()),
            requires=tuple(draw(earlier)),
            wants=tuple(draw(earlier)),
            after=tuple(draw(earlier)),
            binds_to=tuple(draw(earlier)),
            conflicts=tuple(draw(st.one_of(st.just([]), earlier))),
            on_failure=tuple(draw(anyone)),
            on_success=tuple(draw(anyone)),
            awaits=tuple(draw(earlier)),
            ready=Ready(draw(st.sampled_from([ReadyKind.EXEC, ReadyKind.NOTIFY, ReadyKind.PID_FILE])), timeout=20),
            restart=Restart(
                draw(st.sampled_from(list(RestartPolicy))),
                delay=draw(st.sampled_from([0.0, 0.1])),
                limit=draw(st.sampled_from([None, 2])),
            ),
            stop=Stop(
                command=draw(st.sampled_from([None, Command(("stop",))])),
                escalate=draw(st.sampled_from([(), (StopStep(2, 1.0),)])),
            ),
            reload=Reload(command=draw(st.sampled_from([None, Command(("reload",))]))),
            hooks=draw(st.sampled_from([Hooks(), Hooks(_HOOK, _HOOK, _HOOK, _HOOK)])),
            health=draw(st.sampled_from([None, *_HEALTH])) if kind is ServiceType.SERVICE else None,
            **(draw(_SERVING) if kind is ServiceType.SERVICE else {}),
        )
    return specs


def was_displaced(service: Service) -> bool:
    """Tell whether a service goes down for a rival, or with one that does."""
    return not service.wanted and service.reason is not None and service.reason.code in {Code.CONFLICT, Code.DEPENDENCY}


class Lives(RuleBasedStateMachine):
    """The engine in a world where anything may happen at any moment."""

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.world = World(data.draw(self.first()))
        self.tolerated: set[frozenset[str]] = set()

    def first(self) -> st.SearchStrategy[dict[str, ServiceSpec]]:
        return specifications()

    @property
    def names(self) -> list[str]:
        return sorted(self.world.engine.services)

    def pick(self, index: int) -> str:
        return self.names[index % len(self.names)]

    @property
    def keys(self) -> list[str]:
        """What things happen to: the present life of each service, and those beside."""
        return [*self.names, *sorted(self.world.engine.lives.beside)]

    def life(self, index: int) -> str:
        return self.keys[index % len(self.keys)]

    @rule(specs=specifications(), kept=st.sets(st.sampled_from(_NAMES)))
    def reconfigure(self, specs: dict[str, ServiceSpec], kept: set[str]) -> None:
        """Other declarations: what is unchanged is left alone, what is gone ends, what is new comes."""
        world = self.world
        if world.engine.shutting_down or not self._may_be_declared(specs, kept):
            return
        before = dict(world.engine.services)
        plan = world.reconfigure(specs)
        self.tolerated |= self.rivals_up()  # a declaration stops neither of two that are up already
        concerned = {*plan.added, *plan.removed, *plan.changed, *plan.restarted, *plan.affected, *plan.started}
        displaced = [name for name, service in world.engine.services.items() if was_displaced(service)]
        # What is bound to them goes down with them; to what is new by files that named what there was not.
        concerned |= set(world.engine.graph.torn_down([*displaced, *plan.added]))
        for name in set(before) - concerned:
            if before[name].phase in STOPPABLE and not before[name].leaving:
                assert world[name] == before[name], f"{name} was touched"
        for name in plan.removed:
            assert name not in world.engine.services or world[name].gone

    @rule()
    def re_exec(self) -> None:
        """Another program goes on where this one was: nothing happens by that alone."""
        before = dict(self.world.engine.services)
        effects = len(self.world.log)
        self.world.re_exec()
        assert self.world.engine.services == before and len(self.world.log) == effects

    def _may_be_declared(self, specs: dict[str, ServiceSpec], kept: set[str]) -> bool:
        """Keep some as they are, if that makes no cycle."""
        for name in kept & set(specs) & set(self.names):
            specs[name] = self.world[name].declared
        graph = Graph(specs)
        left = dict(graph.after)
        while free := [name for name, edges in left.items() if not set(edges) & set(left)]:
            for name in free:
                del left[name]
        return not left

    @rule(index=st.integers(0, 4))
    def start(self, index: int) -> None:
        self.world.start(self.pick(index))

    @rule()
    def start_all(self) -> None:
        self.world.start(*self.names)

    @rule(index=st.integers(0, 4))
    def stop(self, index: int) -> None:
        self.world.stop(self.pick(index))

    @rule(index=st.integers(0, 4), only=st.booleans())
    def restart(self, index: int, only: bool) -> None:
        self.world.restart(self.pick(index), only=only)

    @rule(index=st.integers(0, 4))
    def reload(self, index: int) -> None:
        self.world.carry_out(self.world.engine.reload([self.pick(index)], self.world.now))

    @rule()
    def boot(self) -> None:
        engine = self.world.engine
        self.world.carry_out(engine.boot([n for n in self.names if not engine.services[n].gone], self.world.now))

    @rule(index=st.integers(0, 4))
    def somebody_connects(self, index: int) -> None:
        if self.pick(index) in self.world.watched:
            self.world.start(self.pick(index))

    @rule(index=st.integers(0, 4))
    def cannot_listen(self, index: int) -> None:
        if self.pick(index) in self.world.watched:
            self.world.watched.remove(self.pick(index))
            self.world.tell(self.pick(index), ev.ListenFailed(Reason(Code.RESOURCES, "no")))

    @rule(index=st.integers(0, 4))
    def nobody_uses_it(self, index: int) -> None:
        world = self.world
        world.carry_out(world.engine.idle_stop(self.pick(index), Reason(Code.SUCCESS, "idle"), world.now))

    @rule(index=st.integers(0, 6))
    def answer_one(self, index: int) -> None:
        name = self.life(index)
        if self.world.bodies[name].answers:
            self.world.answer(name)

    @rule()
    def answer_all(self) -> None:
        self.world.settle()

    @rule(index=st.integers(0, 6), code=st.sampled_from([0, 1]), leftovers=st.booleans())
    def exits(self, index: int, code: int, leftovers: bool) -> None:
        name = self.life(index)
        if self.world.bodies[name].alive and self.world[name].main is not None:
            self.world.exit(name, code, leftovers=leftovers)

    @rule(index=st.integers(0, 6))
    def vanishes(self, index: int) -> None:
        self.world.vanish(self.life(index))

    @rule(
        index=st.integers(0, 6),
        event=st.sampled_from(
            [
                *(ev.BecameReady(), ev.Reloading(), ev.Stopping(), ev.BecameReady()),
                *(ev.ExtendTimeout(2.0), ev.ExtendTimeout(1000.0), ev.WatchdogMissed("late")),
            ]
        ),
    )
    def says(self, index: int, event: ev.Event) -> None:
        name = self.life(index)
        if self.world.bodies[name].alive:
            self.world.tell(name, event)

    @rule(index=st.integers(0, 6), obstacle=st.sampled_from(["", "refused", "refused"]), times=st.integers(1, 3))
    def is_probed(self, index: int, obstacle: str, times: int) -> None:
        name = self.life(index)
        for _ in range(times):
            if self.world.bodies[name].guarded:
                self.world.tell(name, ev.Probed(obstacle))

    @rule(index=st.integers(0, 6))
    def preparation_fails(self, index: int) -> None:
        answers = self.world.bodies[self.life(index)].answers
        if answers and isinstance(answers[0], ev.Prepared):
            answers[0] = ev.Prepared(Reason(Code.HOOK, "no"))

    @rule(index=st.integers(0, 6))
    def condition_does_not_hold(self, index: int) -> None:
        answers = self.world.bodies[self.life(index)].answers
        if answers and isinstance(answers[0], ev.Prepared):
            answers[0] = ev.Unmet(Reason(Code.CONDITION, "no"))

    @rule(index=st.integers(0, 6))
    def spawn_fails(self, index: int) -> None:
        name = self.life(index)
        body = self.world.bodies[name]
        if body.alive and body.answers and isinstance(body.answers[0], ev.Executed):
            body.answers[0] = ev.SpawnFailed(Reason(Code.SPAWN, "no"))
            body.alive = False
            self.world._look_at_tree(name)

    @rule(index=st.integers(0, 6))
    def stale_timer(self, index: int) -> None:
        name = self.life(index)
        for epoch in self.world.bodies[name].stale:
            if epoch != self.world[name].epoch:
                before = self.world[name]
                self.world.tell(name, ev.TimerFired(epoch))
                assert self.world[name] == before

    @rule(seconds=st.sampled_from([0.01, 0.2, 3.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @precondition(lambda self: not self.world.engine.shutting_down)
    @rule(timeout=st.sampled_from([1.0, 9.0]), rare=st.integers(0, 9))
    def shut_down(self, timeout: float, rare: int) -> None:
        if rare == 0:
            self.world.shut_down(timeout)

    @precondition(lambda self: self.world.engine.shutting_down)
    @rule()
    def hurry(self) -> None:
        self.world.hurry()

    @invariant()
    def who_may_start_has_started(self) -> None:
        """Nobody is left waiting whom nothing holds, and nobody is left up who could stop."""
        engine = self.world.engine
        for name in self.names:
            life = self.world[name]
            if life.phase is Phase.WAITING or (life.leaving and life.phase in STOPPABLE):
                assert engine.waiting_on(name) or life.stuck

    @invariant()
    def what_runs_is_what_is_declared(self) -> None:
        """Nobody is up whose process should be another; between two runs the declaration is the newest."""
        for name in self.names:
            life = self.world[name]
            if life.phase in WITHOUT_RUN:
                assert life.next_spec is None
            elif life.phase in STOPPABLE and life.wanted and not life.leaving:
                lives = self.world.engine.lives
                assert not life.outdated or name in lives.successors or name in lives.failures

    @invariant()
    def what_is_gone_is_forgotten(self) -> None:
        assert {service_of(key) for key in self.world.bodies} == set(self.names)
        for name in self.names:
            life = self.world[name]
            assert not life.gone or (not life.wanted and (not life.at_rest or life.stuck))

    @invariant()
    def sockets_are_open_while_somebody_may_come(self) -> None:
        """From before the first start until it is down for good; watched where a connection starts it, only there."""
        for name in self.names:
            life = self.world[name]
            assert (name in self.world.watched) == life.listening
            assert (name in self.world.open) == life.serving
            assert life.serving or life.off or not life.spec.sockets or life.phase in WITHOUT_RUN
            assert not (life.serving and life.off), f"{name} is down, and takes connections"

    @invariant()
    def who_is_wanted_on_demand_is_armed(self) -> None:
        """Whatever way it came to be wanted: it listens again when it has ended well."""
        for life in self.world.engine.lives.all():
            assert not life.wanted or life.armed == life.spec.on_demand

    @invariant()
    def who_is_beside_comes_or_goes(self) -> None:
        """A life beside the present one is a successor, or it is leaving for good."""
        lives = self.world.engine.lives
        for key, life in lives.beside.items():
            assert key == life.key and life is not lives.present[life.name]
            goes = life.stuck or not (life.wanted or life.at_rest)
            assert goes or life.key == lives.successors.get(life.name)
        for name, key in lives.successors.items():
            assert lives.beside[key].name == name
            assert lives.present[name].replaceable or not lives.beside[key].wanted

    @invariant()
    def every_state_can_be_explained(self) -> None:
        """Whatever has come about: there are words for it, and what is waited for is part of the chain."""
        for name in self.names:
            told = explain(self.world.engine, name, self.world.now)
            assert told.chain[0].service == name
            assert all(link.text for link in told.chain)
            assert set(self.world.engine.waiting_on(name)) <= {link.service for link in told.chain}

    @invariant()
    def rivals_are_not_up_together(self) -> None:
        self.tolerated &= self.rivals_up()
        assert self.rivals_up() <= self.tolerated

    def rivals_up(self) -> set[frozenset[str]]:
        """Return the pairs of rivals of both of which something runs."""
        conflicts = self.world.engine.graph.conflicts
        up = {name for name in self.names if self.world[name].phase not in WITHOUT_RUN}
        return {frozenset((name, other)) for name in up for other in conflicts[name] if other in up}

    @invariant()
    def nothing_impossible_happened(self) -> None:
        assert not self.world.bugs

    @invariant()
    def what_is_up_has_what_it_is(self) -> None:
        for name in self.names:
            life, body = self.world[name], self.world.bodies[name]
            if life.phase in IS_UP and life.spec.type is ServiceType.SERVICE and not body.answers:
                assert life.main is not None or life.spec.ready.kind is ReadyKind.PID_FILE
            if life.phase in {Phase.DOWN, Phase.WAITING, Phase.BACKOFF} and not life.stuck:
                assert not body.alive and not body.leftovers
            if life.phase is Phase.BACKOFF:
                assert life.next_start is not None

    @invariant()
    def who_is_up_is_guarded(self) -> None:
        for name in self.names:
            life = self.world[name]
            assert self.world.bodies[name].guarded == life.guarded == (life.spec.guarded and life.phase in IS_UP)

    @invariant()
    def no_unhealthy_service_stays(self) -> None:
        for name in self.names:
            life = self.world[name]
            if life.unhealthy is not None:
                assert life.phase in IS_UP
                marked_only = life.spec.health is not None and life.spec.health.action is HealthAction.NONE
                assert marked_only or life.leaving

    @invariant()
    def target_down_ends_at_rest(self) -> None:
        for name in self.names:
            life = self.world[name]
            if not life.wanted and life.phase not in {Phase.DOWN}:
                assert life.leaving or life.phase in GOING_DOWN or (life.armed and life.phase is Phase.BACKOFF)

    def teardown(self) -> None:
        """Whatever has happened: a shutdown ends with everything at rest, all answers given and time passing."""
        if not hasattr(self, "world"):
            return
        self.world.shut_down(9.0)
        for _ in range(60):
            self.world.settle()
            for name in self.names:
                self.world.vanish(name)
            self.world.advance(1.0)
        assert self.world.engine.all_down
        assert not any(self.world[name].gone for name in self.names)
        assert not any(body.alive for body in self.world.bodies.values())
        assert all(body.timer is None for body in self.world.bodies.values())


@st.composite
def stacks(draw: st.DrawFn) -> dict[str, ServiceSpec]:
    """A service that is handed over, between one that it needs and one that needs it."""
    ready = Ready(draw(st.sampled_from([ReadyKind.EXEC, ReadyKind.NOTIFY])), timeout=20)
    web = service(
        "web",
        handover=Handover.OVERLAP,
        ready=ready,
        restart=Restart(draw(st.sampled_from(list(RestartPolicy))), limit=draw(st.sampled_from([None, 1]))),
        hooks=draw(st.sampled_from([Hooks(), Hooks(_HOOK, _HOOK, _HOOK, _HOOK)])),
        essential=draw(st.booleans()),
        requires=("db",),
        sockets=_SOCKETS,
        on_demand=draw(st.booleans()),
    )
    front = service("front", **{draw(st.sampled_from(["requires", "binds_to", "wants"])): ("web",)})
    return {"db": service("db", handover=draw(st.sampled_from(list(Handover)))), "web": web, "front": front}


class Handovers(Lives):
    """The same, with restarts without a gap at every turn."""

    def first(self) -> st.SearchStrategy[dict[str, ServiceSpec]]:
        return stacks()

    @rule()
    def all_come_up(self) -> None:
        self.world.start(*self.names)
        self.world.settle()
        for key in self.keys:
            if self.world[key].awaiting_ready:
                self.world.ready(key)
        self.world.settle()

    @rule()
    def web_is_restarted(self) -> None:
        """Who needs it does not notice, and it is there all the time."""
        if "web" not in self.names or not self.world["web"].replaceable:
            return
        # What it needs, and is down, is started with it as always.
        before = {name: self.world[name] for name in self.names if not self.world.engine.must_be_asked(name)}
        self.world.restart("web")
        assert {name: self.world[name] for name in before} == before
        assert self.world.engine.lives.successor("web") is not None or self.world.engine.shutting_down

    @rule(umask=st.integers(0, 7))
    def reconfigure(self, umask: int) -> None:  # type: ignore[override]
        """web is declared otherwise: what runs it is handed over, and nobody else is touched."""
        world = self.world
        if world.engine.shutting_down or "web" not in self.names:
            return
        specs = {name: life.declared for name, life in world.engine.services.items()}
        specs["web"] = replace(specs["web"], umask=umask)
        before = {name: world[name] for name in self.names if name != "web"}
        plan = world.reconfigure(specs)
        if plan.handed_over:
            untouched = before.keys() - set(plan.started)
            assert {name: world[name] for name in untouched} == {name: before[name] for name in untouched}


for machine in (Lives, Handovers):
    machine.TestCase.settings = settings(
        max_examples=60, stateful_step_count=50, suppress_health_check=list(HealthCheck)
    )
TestLives = Lives.TestCase
TestHandovers = Handovers.TestCase
