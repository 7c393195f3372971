"""Services that are skipped because a condition does not hold, and what becomes of those that need them."""

from __future__ import annotations

from asyncinit.config.spec import Command, Hook, Hooks, ServiceSpec, ServiceType
from asyncinit.core import events as ev
from asyncinit.core.service import Phase
from asyncinit.core.status import Code, Reason, State
from tests.unit.life import Life
from tests.unit.world import World, service

UNMET = Reason(Code.CONDITION, 'path_exists = "/x" does not hold')
HOOK = (Hook(Command(("hook",))),)


def world(*specs: ServiceSpec, skipped: str) -> World:
    """Return a world of services that have been started, of which one was skipped."""
    made = World({spec.name: spec for spec in specs})
    made.start(*(spec.name for spec in specs if spec.enabled))
    skip(made, skipped)
    return made


def skip(world: World, name: str) -> None:
    """Let a service that is being prepared be skipped."""
    assert world[name].phase is Phase.PREPARING
    world.bodies[name].answers[0] = ev.Unmet(UNMET)
    world.settle()


def test_a_skipped_service_rests_and_nothing_of_it_was_done() -> None:
    """It is inactive, says why, runs no hook, and is not restarted."""
    life = Life(hooks=Hooks(HOOK, HOOK, HOOK, HOOK))
    life.tell(ev.Start(), ev.MayStart(), ev.Unmet(UNMET))
    assert (life.phase, life.state, life.service.reason) == (Phase.DOWN, State.INACTIVE, UNMET)
    assert not life.did(ev.RunHooks)
    assert life.did(ev.CleanUp)
    assert life.did(ev.DisarmTimer)


def test_what_requires_it_starts_as_if_it_were_there() -> None:
    """And all is ready; nothing has failed."""
    made = world(service("db"), service("web", requires=("db",)), service("log", wants=("db",)), skipped="db")
    assert [made.state(name) for name in ("db", "web", "log")] == [State.INACTIVE, State.READY, State.READY]
    assert made.engine.all_ready
    assert made.engine.failed == []


def test_what_is_bound_to_it_fails_and_comes_when_it_comes() -> None:
    """It could not be told from one that has gone."""
    made = world(service("vpn"), service("web", binds_to=("vpn",)), skipped="vpn")
    reason = made["web"].reason
    assert made.state("web") is State.FAILED
    assert reason is not None
    assert reason == Reason(Code.DEPENDENCY, 'bound to vpn, which was skipped: path_exists = "/x" does not hold', "vpn")
    made.start("vpn")
    made.settle()
    assert [made.state(name) for name in ("vpn", "web")] == [State.READY, State.READY]


def test_a_start_of_what_needs_it_looks_again() -> None:
    """Conditions are looked at before each start, also of one that is only needed."""
    made = world(service("db"), service("web", enabled=False, requires=("db",)), skipped="db")
    made.start("web")
    assert made["db"].phase is Phase.PREPARING
    made.settle()
    assert [made.state(name) for name in ("db", "web")] == [State.READY, State.READY]


def test_what_was_restarted_goes_down_with_whom_it_was_bound_to() -> None:
    """A condition that holds no more ends a service with its next start."""
    made = World({"vpn": service("vpn"), "web": service("web", binds_to=("vpn",))})
    made.start("web")
    made.settle()
    made.exit("vpn", 1)
    made.exit("web", signal=15)
    made.settle()
    made.advance(1.0)
    skip(made, "vpn")
    assert [made.state(name) for name in ("vpn", "web")] == [State.INACTIVE, State.FAILED]


def test_a_stop_of_what_was_skipped_is_a_stop() -> None:
    """What requires it waits for it no longer as for one that is there."""
    made = world(service("db"), service("web", enabled=False, requires=("db",)), skipped="db")
    made.stop("db")
    assert made["db"].reason is None
    assert made["db"].hopeless


def test_a_stop_during_the_look_ends_in_rest() -> None:
    """Whatever comes first."""
    for events in ([ev.Stop(), ev.Unmet(UNMET)], [ev.Unmet(UNMET), ev.Stop()]):
        life = Life()
        life.tell(ev.Start(), ev.MayStart(), *events)
        assert (life.phase, life.state, life.service.wanted) == (Phase.DOWN, State.INACTIVE, False)


def test_a_skipped_oneshot_is_no_completed_one() -> None:
    """What follows it starts, and it runs once it can."""
    made = world(service("migrate", type=ServiceType.ONESHOT), service("web", requires=("migrate",)), skipped="migrate")
    assert [made.state(name) for name in ("migrate", "web")] == [State.INACTIVE, State.READY]
    made.start("migrate")
    made.settle()
    made.exit("migrate", 0)
    made.settle()
    assert made.state("migrate") is State.COMPLETED
