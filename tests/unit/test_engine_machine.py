"""Random lives of random sets of services: what must hold whatever happens, in whatever order."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from asyncinit.config.spec import (
    Command,
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
    Stop,
    StopStep,
)
from asyncinit.core import events as ev
from asyncinit.core.explain import explain
from asyncinit.core.graph import Graph
from asyncinit.core.service import GOING_DOWN, IS_UP, STOPPABLE, WITHOUT_RUN, Phase, Service
from asyncinit.core.status import Code, Reason
from tests.unit.world import World, service

_HOOK = (Hook(Command(("hook",))),)
_HEALTH = [Health(kind=ReadyKind.FILE, address="/x", threshold=2, action=action) for action in HealthAction]
_NAMES = ["a", "b", "c", "d", "e"]


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
            stop=Stop(escalate=draw(st.sampled_from([(), (StopStep(2, 1.0),)]))),
            reload=Reload(command=draw(st.sampled_from([None, Command(("reload",))]))),
            hooks=draw(st.sampled_from([Hooks(), Hooks(_HOOK, _HOOK, _HOOK, _HOOK)])),
            health=draw(st.sampled_from([None, *_HEALTH])) if kind is ServiceType.SERVICE else None,
        )
    return specs


def was_displaced(service: Service) -> bool:
    """Tell whether a service goes down for a rival, or with one that does."""
    return not service.wanted and service.reason is not None and service.reason.code in {Code.CONFLICT, Code.DEPENDENCY}


class Lives(RuleBasedStateMachine):
    """The engine in a world where anything may happen at any moment."""

    @initialize(specs=specifications())
    def begin(self, specs: dict[str, ServiceSpec]) -> None:
        self.world = World(specs)
        self.tolerated: set[frozenset[str]] = set()

    @property
    def names(self) -> list[str]:
        return sorted(self.world.engine.services)

    def pick(self, index: int) -> str:
        return self.names[index % len(self.names)]

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
        concerned |= {name for name, service in world.engine.services.items() if was_displaced(service)}
        for name in set(before) - concerned:
            if set(before[name].spec.binds_to) & set(plan.added):
                continue  # files cannot name what there is not
            if before[name].phase in STOPPABLE and not before[name].leaving:
                assert world[name] == before[name], f"{name} was touched"
        for name in plan.removed:
            assert name not in world.engine.services or world[name].gone

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

    @rule(index=st.integers(0, 4))
    def answer_one(self, index: int) -> None:
        name = self.pick(index)
        if self.world.bodies[name].answers:
            self.world.answer(name)

    @rule()
    def answer_all(self) -> None:
        self.world.settle()

    @rule(index=st.integers(0, 4), code=st.sampled_from([0, 1]), leftovers=st.booleans())
    def exits(self, index: int, code: int, leftovers: bool) -> None:
        name = self.pick(index)
        if self.world.bodies[name].alive and self.world[name].main is not None:
            self.world.exit(name, code, leftovers=leftovers)

    @rule(index=st.integers(0, 4))
    def vanishes(self, index: int) -> None:
        self.world.vanish(self.pick(index))

    @rule(
        index=st.integers(0, 4),
        event=st.sampled_from(
            [
                *(ev.BecameReady(), ev.Reloading(), ev.Stopping(), ev.BecameReady()),
                *(ev.ExtendTimeout(2.0), ev.ExtendTimeout(1000.0), ev.WatchdogMissed("late")),
            ]
        ),
    )
    def says(self, index: int, event: ev.Event) -> None:
        name = self.pick(index)
        if self.world.bodies[name].alive:
            self.world.tell(name, event)

    @rule(index=st.integers(0, 4), obstacle=st.sampled_from(["", "refused", "refused"]), times=st.integers(1, 3))
    def is_probed(self, index: int, obstacle: str, times: int) -> None:
        name = self.pick(index)
        for _ in range(times):
            if self.world.bodies[name].guarded:
                self.world.tell(name, ev.Probed(obstacle))

    @rule(index=st.integers(0, 4))
    def preparation_fails(self, index: int) -> None:
        answers = self.world.bodies[self.pick(index)].answers
        if answers and isinstance(answers[0], ev.Prepared):
            answers[0] = ev.Prepared(Reason(Code.HOOK, "no"))

    @rule(index=st.integers(0, 4))
    def condition_does_not_hold(self, index: int) -> None:
        answers = self.world.bodies[self.pick(index)].answers
        if answers and isinstance(answers[0], ev.Prepared):
            answers[0] = ev.Unmet(Reason(Code.CONDITION, "no"))

    @rule(index=st.integers(0, 4))
    def spawn_fails(self, index: int) -> None:
        name = self.pick(index)
        body = self.world.bodies[name]
        if body.alive and body.answers and isinstance(body.answers[0], ev.Executed):
            body.answers[0] = ev.SpawnFailed(Reason(Code.SPAWN, "no"))
            body.alive = False
            self.world._look_at_tree(name)

    @rule(index=st.integers(0, 4))
    def stale_timer(self, index: int) -> None:
        name = self.pick(index)
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
                assert not life.outdated

    @invariant()
    def what_is_gone_is_forgotten(self) -> None:
        assert set(self.world.bodies) == set(self.names)
        for name in self.names:
            life = self.world[name]
            assert not life.gone or (not life.wanted and (not life.at_rest or life.stuck))

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
                assert life.leaving or life.phase in GOING_DOWN

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


Lives.TestCase.settings = settings(
    max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLives = Lives.TestCase
