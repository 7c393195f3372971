"""How a shutdown would share out its time, before it begins."""

from __future__ import annotations

import math

import pytest
from hypothesis import given

from asyncinit.config.spec import Restart, RestartPolicy, ServiceSpec, ServiceType, Stop
from asyncinit.core.shutdown_plan import Share, plan
from tests.unit.test_engine_machine import specifications
from tests.unit.world import World, service

NEVER = Restart(RestartPolicy.NEVER)


def planned(*specs: ServiceSpec, timeout: float = 10.0) -> dict[str, Share]:
    """The plan of a world in which all of these are up."""
    world = World({spec.name: spec for spec in specs})
    world.start(*world.bodies)
    world.settle()
    return {share.name: share for share in plan(world.engine, timeout)}


def test_a_chain_shares_the_budget() -> None:
    """Each gets its part in proportion, and may begin when those before it are down at the latest."""
    shares = planned(
        service("db", stop=Stop(timeout=30.0)),
        service("web", requires=("db",), stop=Stop(timeout=10.0)),
        timeout=10.0,
    )
    assert list(shares) == ["web", "db"]
    web, db = shares["web"], shares["db"]
    # No time limit counts for more than the budget, 9.5 s: each of the two has the same share of that.
    assert (web.begins, web.granted, web.declared) == (0.0, pytest.approx(4.75), 10.0)
    assert (db.begins, db.granted, db.declared) == (pytest.approx(4.75), pytest.approx(4.75), 30.0)
    assert db.waits_for == ("web",)


def test_enough_time() -> None:
    """Nobody gets more than its own time limits."""
    shares = planned(service("db", stop=Stop(timeout=1.0)), service("web", requires=("db",), stop=Stop(timeout=2.0)))
    assert (shares["web"].granted, shares["db"].begins, shares["db"].granted) == (2.0, 2.0, 1.0)


def test_without_limit() -> None:
    """Each has its own time limits, and who has none may take for ever."""
    shares = planned(
        service("db", stop=Stop(timeout=5.0)),
        service("web", requires=("db",), stop=Stop(timeout=math.inf)),
        timeout=math.inf,
    )
    assert (shares["web"].granted, shares["db"].begins, shares["db"].granted) == (math.inf, math.inf, 5.0)


def test_what_is_at_rest_takes_no_part() -> None:
    """Neither what was never started nor what has completed; a target takes no time."""
    world = World(
        {
            "off": service("off", enabled=False),
            "once": service("once", type=ServiceType.ONESHOT, restart=NEVER),
            "web": service("web", stop=Stop(timeout=2.0)),
            "all": service("all", type=ServiceType.TARGET, requires=("web",)),
        }
    )
    world.start("once", "all")
    world.settle()
    world.exit("once", 0)
    world.settle()
    shares = plan(world.engine, 9.0)
    assert [(share.name, share.granted) for share in shares] == [("all", 0.0), ("web", 2.0)]
    assert plan(World({"off": service("off")}).engine, 9.0) == []


@given(specifications())
def test_the_plan_is_within_the_budget(specs: dict[str, ServiceSpec]) -> None:
    """If each takes all that it gets, the last one is down in time, and nobody begins before those it waits for."""
    world = World(specs)
    world.start(*specs)
    world.settle()
    shares = {share.name: share for share in plan(world.engine, 9.0)}
    assert shares.keys() == {name for name in specs if not world[name].at_rest}
    for share in shares.values():
        assert share.ends <= 9.0 * 0.95 + 1e-9
        assert all(shares[other].ends <= share.begins + 1e-9 for other in share.waits_for)
