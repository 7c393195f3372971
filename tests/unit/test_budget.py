"""How the time for a shutdown is shared out: the arithmetic, and services that use all that they are given."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncinit.config.spec import Command, Hook, Hooks, ServiceSpec, ServiceType, Stop, StopStep
from asyncinit.core import events as ev
from asyncinit.core.budget import UNHURRIED, Pace, longest_chain, pace, stop_time, usable
from asyncinit.core.service import Phase
from tests.unit.world import Body, World, service


def _nodes(size: int) -> st.SearchStrategy[tuple[set[int], ...]]:
    none: st.SearchStrategy[set[int]] = st.just(set())
    return st.tuples(none, *(st.sets(st.integers(0, index - 1), max_size=3) for index in range(1, size)))


DAGS = st.integers(1, 8).flatmap(_nodes)
"""For each of some nodes the earlier ones that it comes after."""


def test_the_reserve() -> None:
    """5 % are kept for the last kills and the flush, half a second at most."""
    assert usable(9.0) == pytest.approx(8.55)
    assert usable(90.0) == 89.5
    assert usable(0.0) == 0.0
    assert usable(math.inf) == math.inf


def test_the_time_of_a_stop() -> None:
    """T: the hooks around it, the stop timeout and every step of the escalation."""
    hooks = Hooks(*((Hook(Command(("true",)), timeout=seconds),) for seconds in (100.0, 200.0, 1.0, 2.0)))
    spec = service("x", hooks=hooks, stop=Stop(timeout=5.0, escalate=(StopStep(2, 3.0), StopStep(3, 4.0))))
    assert stop_time(spec) == 15.0
    assert stop_time(spec, most=3.5) == 1.0 + 2.0 + 3.5 + 3.0 + 3.5
    assert stop_time(service("x", stop=Stop(timeout=math.inf))) == math.inf
    assert stop_time(service("x", type=ServiceType.TARGET)) == 0.0


def test_the_pace() -> None:
    """min(T, (B - t) x T / L) as a factor of T: 1 where there is time for all, else what L has to be shrunk by."""
    assert pace(chain=4.0, left=8.0, budget=9.0) == Pace(1.0, 9.0)
    assert pace(chain=16.0, left=8.0, budget=9.0) == Pace(0.5, 9.0)
    assert pace(chain=0.0, left=8.0, budget=9.0) == Pace(1.0, 9.0)
    assert pace(chain=4.0, left=0.0, budget=9.0) == pace(chain=4.0, left=-1.0, budget=9.0) == Pace(0.0, 9.0)
    assert pace(chain=math.inf, left=math.inf, budget=math.inf) == UNHURRIED


def test_what_a_pace_grants() -> None:
    """Of a limit no more counts than there is; a limit of "none" is granted its share and never more."""
    assert Pace(0.5, 8.0).of(4.0) == 2.0
    assert Pace(0.5, 8.0).of(math.inf) == 4.0
    assert Pace(0.0, 0.0).of(math.inf) == 0.0
    assert UNHURRIED.of(math.inf) == math.inf
    assert UNHURRIED.of(7.0) == 7.0


@given(DAGS, st.data())
@settings(max_examples=50)
def test_the_longest_chain(dag: tuple[set[int], ...], data: st.DataObject) -> None:
    """L is the largest sum along any way through what comes later in the stop."""
    times = [data.draw(st.floats(0, 100)) for _ in dag]

    def longest(index: int) -> float:
        return times[index] + max((longest(earlier) for earlier in dag[index]), default=0.0)

    edges = {str(index): [str(earlier) for earlier in after] for index, after in enumerate(dag)}
    for index in range(len(dag)):
        found = longest_chain(str(index), edges.__getitem__, lambda name: times[int(name)])
        assert found == pytest.approx(longest(index))


def test_a_chain_as_long_as_the_house() -> None:
    """10,000 services one after another need no recursion."""
    assert longest_chain("9999", lambda name: [str(int(name) - 1)] if name != "0" else [], lambda _: 1.0) == 10_000.0


class Stubborn(World):
    """A world in which every service and every hook uses all the time that it is given, and then dies of KILL."""

    def __init__(self, specs: Mapping[str, ServiceSpec]) -> None:
        super().__init__(specs)
        self.hooks: dict[str, tuple[float, ev.HooksDone]] = {}
        self.ends: dict[str, float] = {}
        self.began: dict[str, float] = {}
        for spec in specs.values():
            self.start(spec.name)
        self.settle()

    def _effect(self, effect: ev.Effect, body: Body) -> None:
        if isinstance(effect, ev.EndHooks):
            self.hooks.pop(effect.service, None)
        if isinstance(effect, ev.RunHooks) and effect.stage in {ev.HookStage.PRE_STOP, ev.HookStage.POST_STOP}:
            if effect.stage is ev.HookStage.PRE_STOP:
                self._check_may_stop(effect.service, body)
            hooks = getattr(self[effect.service].spec.hooks, effect.stage)
            limit = sum(effect.pace.of(hook.timeout) for hook in hooks)
            self.hooks[effect.service] = (self.now + limit, ev.HooksDone(effect.stage))
        else:
            super()._effect(effect, body)

    def go_down(self, timeout: float) -> None:
        """Shut down, and let time pass from one deadline to the next until nothing has one any more."""
        self.shut_down(timeout)
        while True:
            self.settle()
            self._note()
            timers = [(body.timer[1], name) for name, body in self.bodies.items() if body.timer is not None]
            hooks = [(deadline, name) for name, (deadline, _) in self.hooks.items()]
            if not timers and not hooks:
                return
            deadline, name = min([*timers, *hooks])
            self.now = max(self.now, deadline)
            if (deadline, name) in hooks:
                self.tell(name, self.hooks.pop(name)[1])
            else:
                self.fire(name)

    def _note(self) -> None:
        for name in self.bodies:
            if self[name].phase is not Phase.UP:
                self.began.setdefault(name, self.now)
            if self[name].at_rest:
                self.ends.setdefault(name, self.now)


def chain(*specs: ServiceSpec) -> dict[str, ServiceSpec]:
    return {spec.name: spec for spec in specs}


def test_the_formula() -> None:
    """At whatever moment it may stop, a service gets min(T, (B - t) x T / L); no T counts more than B."""
    for own, later, moment in ((5.0, 5.0, 2.0), (2.0, 30.0, 0.0), (30.0, 2.0, 7.0), (1.0, 1.0, 0.0)):
        world = Stubborn(
            chain(
                service("a", stop=Stop(timeout=later)),
                service("b", stop=Stop(timeout=own), after=("a",)),
                service("c", stop=Stop(timeout=math.inf), after=("b",)),
            )
        )
        world.shut_down(10.0)
        world.now = moment
        world.exit("c")
        world.settle()
        asked, chained = min(own, 9.5), min(own, 9.5) + min(later, 9.5)
        granted = min(asked, (9.5 - moment) * asked / chained)
        assert world["b"].deadline == pytest.approx(moment + granted)


def test_a_chain_shares_in_proportion() -> None:
    """Each gets its part of what is left; the last ends with the budget, and nobody is in overrun."""
    world = Stubborn(
        chain(
            service("a", stop=Stop(timeout=5.0)),
            service("b", stop=Stop(timeout=8.0), requires=("a",)),
            service("c", stop=Stop(timeout=7.0), after=("b",)),
        )
    )
    world.go_down(10.0)
    assert world.ends == pytest.approx({"c": 9.5 * 7 / 20, "b": 9.5 * 15 / 20, "a": 9.5})
    assert not world.engine.overrun


def test_time_enough() -> None:
    """Where the sum of a chain fits, everybody has the own time, and not more."""
    world = Stubborn(chain(service("a"), service("b", requires=("a",))))
    world.go_down(90.0)
    assert world.ends == {"b": 5.0, "a": 10.0}


def test_unused_time_passes_on() -> None:
    """Who is quick leaves the time to those that stop after it."""
    world = Stubborn(chain(service("a", stop=Stop(timeout=8.0)), service("b", stop=Stop(timeout=8.0), after=("a",))))
    world.shut_down(10.0)
    world.now = 1.0
    world.exit("b")
    world.settle()
    assert world["a"].deadline == 1.0 + 8.0


def test_what_may_stop_at_once_stops_in_parallel() -> None:
    """Chains beside each other do not share with each other."""
    world = Stubborn(
        chain(
            service("a", stop=Stop(timeout=8.0)),
            service("b", stop=Stop(timeout=8.0), after=("a",)),
            service("free", stop=Stop(timeout=8.0)),
        )
    )
    world.go_down(10.0)
    assert world.ends == pytest.approx({"b": 4.75, "free": 8.0, "a": 9.5})


def test_who_would_wait_for_ever_takes_part_with_what_there_is() -> None:
    """A stop timeout of an hour, or of none, leaves the others a share."""
    for timeout in (3600.0, math.inf):
        patient = service("patient", stop=Stop(timeout=timeout), requires=("db",))
        world = Stubborn(chain(service("db", stop=Stop(timeout=9.5)), patient))
        world.go_down(10.0)
        assert world.ends == pytest.approx({"patient": 4.75, "db": 9.5})


def test_no_limit() -> None:
    """A shutdown without a time limit leaves everybody the own time."""
    world = Stubborn(chain(service("a"), service("b", requires=("a",))))
    world.go_down(math.inf)
    assert world.ends == {"b": 5.0, "a": 10.0}


def test_a_stop_that_was_under_way() -> None:
    """A service that was being stopped takes part from the beginning of the shutdown, and leaves the others a share."""
    world = Stubborn(chain(service("a", stop=Stop(timeout=9.5)), service("b", stop=Stop(timeout=60.0), after=("a",))))
    world.stop("b")
    world.go_down(10.0)
    assert world.ends == pytest.approx({"b": 4.75, "a": 9.5})


def test_what_a_crash_left_behind() -> None:
    """What outlives its main process while the shutdown begins is ended at the shutdown's pace too."""
    world = Stubborn(chain(service("a", stop=Stop(timeout=9.5)), service("b", stop=Stop(timeout=60.0), after=("a",))))
    world.exit("b", 1, leftovers=True)
    world.go_down(10.0)
    assert world.ends == pytest.approx({"b": 4.75, "a": 9.5})


TIMES = st.sampled_from([0.0, 0.5, 5.0, 30.0, math.inf])


@st.composite
def stacks(draw: st.DrawFn) -> dict[str, ServiceSpec]:
    specs = {}
    for index, after in enumerate(draw(DAGS)):
        hook = (Hook(Command(("hook",)), timeout=draw(TIMES)),)
        name = f"s{index}"
        specs[name] = service(
            name,
            type=draw(st.sampled_from([ServiceType.SERVICE, ServiceType.SERVICE, ServiceType.TARGET])),
            after=tuple(f"s{earlier}" for earlier in after),
            stop=Stop(timeout=draw(TIMES), escalate=draw(st.sampled_from([(), (StopStep(2, 1.0),)]))),
            hooks=Hooks(pre_stop=draw(st.sampled_from([(), hook])), post_stop=draw(st.sampled_from([(), hook]))),
        )
    return specs


@given(stacks(), st.sampled_from([0.0, 1.0, 9.0, 90.0]), st.data())
@settings(max_examples=50)
def test_shares_never_exceed_the_budget(specs: dict[str, ServiceSpec], timeout: float, data: st.DataObject) -> None:
    """However slow everybody is, along every chain all have had their share by the end of the budget, in order."""
    world = Stubborn(specs)
    names = list(specs)
    for name in data.draw(st.lists(st.sampled_from(names), max_size=2)):
        world.stop(name)  # it is being stopped when the shutdown comes
    world.go_down(timeout)
    assert world.engine.all_down
    assert max(world.ends.values()) <= usable(timeout) + 1e-6
    for name, spec in specs.items():
        for earlier in spec.after:
            if world.began[earlier] > 0.0:
                assert world.ends[name] <= world.began[earlier]
