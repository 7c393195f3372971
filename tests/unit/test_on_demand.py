"""Services that are started by the first connection, as stories."""

from __future__ import annotations

import pytest

from asyncinit.config.spec import Restart, RestartPolicy, ServiceSpec, Socket, SocketKind
from asyncinit.core import events as ev
from asyncinit.core.restart import TRIGGER_LIMIT
from asyncinit.core.status import Code, Reason, State
from tests.unit.world import World, service

SOCKETS = (Socket(SocketKind.TCP, "127.0.0.1:80", "http"),)
IDLE = Reason(Code.SUCCESS, "no connection for 5 min")


def web(**keys: object) -> ServiceSpec:
    return service("web", **{"sockets": SOCKETS, "on_demand": True, **keys})


def booted(*specs: ServiceSpec) -> World:
    world = World({spec.name: spec for spec in specs})
    world.carry_out(world.engine.boot(list(world.engine.services), 0.0))
    world.settle()
    return world


def test_it_listens_until_somebody_connects() -> None:
    """Its sockets are open and watched, it does not run, and asyncinit stays and is ready; then it starts."""
    world = booted(web())
    assert world.state("web") is State.LISTENING
    assert (world.open, world.watched) == ({"web"}, {"web"})
    assert not world.engine.idle
    assert world.engine.all_ready
    world.start("web")
    assert world.watched == set()
    world.settle()
    assert world.state("web") is State.READY


def test_the_first_connection_starts_what_it_requires() -> None:
    """As any start does."""
    world = booted(web(requires=("db",)), service("db", sockets=SOCKETS, on_demand=True))
    assert world.state("db") is State.LISTENING
    world.start("web")
    world.settle()
    assert (world.state("db"), world.state("web")) == (State.READY, State.READY)


def test_what_requires_it_starts_it() -> None:
    """At boot, and when it listens again by then."""
    world = booted(web(), service("front", requires=("web",)))
    assert world.state("web") is State.READY
    world.exit("web", 0)
    world.settle()
    assert world.state("web") is State.LISTENING
    world.exit("front", 1)
    world.settle()
    world.advance(1.0)
    world.settle()
    assert (world.state("web"), world.state("front")) == (State.READY, State.READY)


def test_who_only_awaits_it_does_not_wait() -> None:
    """To CMD, which waits for every service, one that listens is as good as ready."""
    world = booted(web(), service("command", awaits=("web",)))
    assert (world.state("web"), world.state("command")) == (State.LISTENING, State.READY)


def test_an_idle_service_listens_again() -> None:
    """It is stopped as by hand, but its sockets stay open and are watched."""
    world = booted(web())
    world.start("web")
    world.settle()
    world.carry_out(world.engine.idle_stop("web", IDLE, world.now))
    assert world.state("web") is State.STOPPING
    world.exit("web", 0)
    world.settle()
    assert world.state("web") is State.LISTENING
    assert world["web"].reason == IDLE
    assert (world.open, world.watched) == ({"web"}, {"web"})


def test_a_stop_by_hand_closes_its_sockets() -> None:
    """Whoever connects is refused; a start by hand brings all of it back, and then it is on demand as before."""
    world = booted(web())
    world.stop("web")
    assert (world.state("web"), world.open, world.watched) == (State.INACTIVE, set(), set())
    world.start("web")
    world.settle()
    world.stop("web")
    world.exit("web", 0)
    world.settle()
    assert (world.state("web"), world.open) == (State.INACTIVE, set())
    world.start("web")
    world.settle()
    world.exit("web", 0)
    world.settle()
    assert world.state("web") is State.LISTENING


@pytest.mark.parametrize("how", ["started", "restarted"])
@pytest.mark.parametrize("needed", [True, False])
def test_a_stop_that_is_called_off_leaves_it_on_demand(how: str, needed: bool) -> None:
    """Before the stop has begun (something that needs it goes first), and under way."""
    world = booted(web(), service("front", requires=("web",)))
    if not needed:
        world.stop("front")
        world.exit("front")
        world.settle()
    world.stop("web")
    getattr(world, how.removesuffix("ed"))("web")
    for name in ("front", "web"):
        if world[name].leaving:
            world.exit(name)
            world.settle()
    assert (world.state("web"), world.open) == (State.READY, {"web"})
    world.exit("web", 0)
    world.settle()
    assert (world.state("web"), world.open, world.watched) == (State.LISTENING, {"web"}, {"web"})


def test_room_that_is_not_needed_after_all_is_not_made() -> None:
    """A declaration that has another restarted, which conflicts with it, and something started that needs it."""
    world = booted(web(), service("other"))
    world.start("web")
    world.settle()
    before = world["web"]
    other = service("other", umask=0o22, conflicts=("web",))
    world.reconfigure({"web": web(), "other": other, "front": service("front", requires=("web",))})
    assert world["web"] == before and world["other"].leaving


def test_it_ends_well_and_listens_whatever_the_policy() -> None:
    """A service that has served all ends by itself: nobody needs it now."""
    for policy in RestartPolicy:
        world = booted(web(restart=Restart(policy)))
        world.start("web")
        world.settle()
        world.exit("web", 0)
        world.settle()
        assert world.state("web") is State.LISTENING


def test_the_limit_of_restarts_holds() -> None:
    """One that crashes is restarted while its connections wait; failed for good, it refuses them."""
    world = booted(web(restart=Restart(limit=2)))
    world.start("web")
    for _ in range(3):
        world.settle()
        assert world.open == {"web"}
        world.exit("web", 1)
        world.settle()
        world.advance(1.0)
    assert (world.state("web"), world.open, world.watched) == (State.FAILED, set(), set())


def test_one_that_does_not_take_its_connection_is_no_loop() -> None:
    """It ends well, the connection still waits, it is started again: that has a limit."""
    world = booted(web())
    for _ in range(TRIGGER_LIMIT):
        world.start("web")
        world.settle()
        world.exit("web", 0)
        world.settle()
        assert world.state("web") is State.LISTENING
    world.start("web")
    assert (world.state("web"), world.open) == (State.FAILED, set())
    assert world["web"].reason is not None and world["web"].reason.code is Code.START_LIMIT_HIT


def test_connections_now_and_then_are_no_loop() -> None:
    """The limit is for what comes at once."""
    world = booted(web())
    for _ in range(3 * TRIGGER_LIMIT):
        world.start("web")
        world.settle()
        world.exit("web", 0)
        world.settle()
        world.advance(0.2)
    assert world.state("web") is State.LISTENING


@pytest.mark.parametrize("policy", [RestartPolicy.ALWAYS, RestartPolicy.NEVER])
def test_sockets_that_cannot_be_opened(policy: RestartPolicy) -> None:
    """It is tried again as a start would be, without a start; or it has failed, with the reason."""
    world = booted(web(restart=Restart(policy, delay=1.0)))
    world.watched.clear()
    world.tell("web", ev.ListenFailed(Reason(Code.RESOURCES, "the address is in use")))
    if policy is RestartPolicy.NEVER:
        assert world.state("web") is State.FAILED
        return
    assert world.state("web") is State.BACKOFF
    assert not world.engine.idle
    world.advance(2.0)
    assert world.state("web") is State.LISTENING
    assert not world.bodies["web"].started


def test_a_shutdown_ends_the_listening() -> None:
    """What listens is at rest, and closed."""
    world = booted(web())
    world.shut_down(9.0)
    assert world.engine.all_down
    assert (world.state("web"), world.open) == (State.INACTIVE, set())


def test_a_declaration_that_is_on_demand_no_more_starts_it() -> None:
    """It was to be there for whoever connects, and now is to be there; and the other way round it goes on."""
    world = booted(web())
    world.reconfigure({"web": web(on_demand=False)})
    world.settle()
    assert world.state("web") is State.READY
    world.reconfigure({"web": web()})
    assert world.state("web") is State.READY
    world.exit("web", 0)
    world.settle()
    assert world.state("web") is State.LISTENING
    world.reconfigure({"web": web(sockets=(*SOCKETS, Socket(SocketKind.UDP, "127.0.0.1:80", "udp")))})
    assert world.state("web") is State.LISTENING
    world.reconfigure({})
    assert (world.open, world.watched) == (set(), set())


def test_one_that_is_on_demand_no_more_gets_what_it_requires() -> None:
    """The plan says that it starts, with what that takes: as if somebody had asked for it."""
    world = World({"web": web(requires=("db",)), "db": service("db", enabled=False)})
    world.carry_out(world.engine.boot(["web"], 0.0))
    plan = world.reconfigure({"web": web(on_demand=False, requires=("db",)), "db": service("db", enabled=False)})
    assert set(plan.started) == {"web", "db"} and plan.restarted == ()
    world.settle()
    assert (world.state("db"), world.state("web")) == (State.READY, State.READY)


def test_sockets_of_a_service_that_is_not_on_demand() -> None:
    """They are open from before its first start until it is down for good, through crashes and restarts."""
    world = booted(service("db"), service("web", sockets=SOCKETS, requires=("db",)))
    world = World({"db": service("db"), "web": service("web", sockets=SOCKETS, requires=("db",))})
    world.start("web")
    assert world.state("web") is State.WAITING
    assert world.open == {"web"}, "others can connect while it waits for what it needs"
    world.settle()
    world.exit("web", 1)
    world.settle()
    assert (world.state("web"), world.open) == (State.BACKOFF, {"web"})
    world.advance(5.0)
    world.settle()
    world.restart("web")
    world.exit("web", 0)
    assert world.open == {"web"}
    world.settle()
    world.stop("web")
    world.exit("web", 0)
    world.settle()
    assert world.open == set()
