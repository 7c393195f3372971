"""All services together: who starts when, who goes down with whom, how the whole ends."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest

from asyncinit.config.spec import GiveUp, Ready, ReadyKind, Restart, RestartPolicy, ServiceSpec, ServiceType, Stop
from asyncinit.core import events as ev
from asyncinit.core import lifecycle
from asyncinit.core.budget import Pace
from asyncinit.core.engine import OVERRUN_GRACE
from asyncinit.core.gates import Gates
from asyncinit.core.service import Phase
from asyncinit.core.status import Code, State
from tests.unit.world import World, service

NOTIFY = Ready(ReadyKind.NOTIFY)
NEVER = Restart(RestartPolicy.NEVER)
ONESHOT = ServiceType.ONESHOT
TARGET = ServiceType.TARGET


def world(*specs: ServiceSpec) -> World:
    """Return a world of services; what is enabled has been started, and all answers are given."""
    made = World({spec.name: spec for spec in specs})
    made.start(*(spec.name for spec in specs if spec.enabled))
    made.settle()
    return made


def states(world: World, *names: str) -> list[str]:
    return [str(world.state(name)) for name in names or world.bodies]


def told(name: str, **keys: Any) -> ServiceSpec:
    """Return a service that tells when it is ready."""
    return service(name, ready=NOTIFY, **keys)


def started(world: World) -> list[str]:
    """Return the services in the order in which their processes were made."""
    return [name for name, effect in world.log if effect == "Spawn"]


def stopped(world: World) -> list[str]:
    """Return the services in the order in which they were told to stop."""
    return [name for name, effect in world.log if effect == "SendSignal"]


def end(world: World, *names: str) -> None:
    """Let services end as told by their stop signal."""
    for name in names:
        world.exit(name, signal=15)
    world.settle()


class TestStarting:
    def test_everything_that_can_start_starts_at_once(self) -> None:
        """Nothing waits for what it does not come after."""
        here = world(told("a"), told("b"), told("c", requires=("a",)))
        assert started(here) == ["a", "b"]
        assert states(here) == ["starting", "starting", "waiting"]

    def test_an_edge_waits_for_ready(self) -> None:
        """A chain starts in the order of readiness, not of processes."""
        here = world(told("a"), told("b", requires=("a",)), told("c", after=("b",)))
        for name in "abc":
            assert started(here)[-1] == name
            here.ready(name)
            here.settle()
        assert states(here) == ["ready"] * 3

    def test_an_edge_waits_for_completed(self) -> None:
        """A oneshot lets others start when it is done."""
        here = world(service("init", type=ONESHOT, restart=NEVER), service("web", requires=("init",)))
        assert states(here) == ["starting", "waiting"]
        here.exit("init", 0)
        here.settle()
        assert states(here) == ["completed", "ready"]

    def test_what_it_waits_for_is_told(self) -> None:
        """All that holds it, and nothing else."""
        here = world(told("a"), told("b"), service("c"), service("d", requires=("a",), wants=("b",), after=("c",)))
        assert here.engine.waiting_on("d") == ["a", "b"]
        here.ready("a")
        assert here.engine.waiting_on("d") == ["b"]
        assert here.engine.waiting_on("a") == []

    def test_a_target(self) -> None:
        """It is ready once all that it needs is."""
        here = world(told("a"), told("b"), service("all", type=TARGET, requires=("a", "b")))
        here.ready("a")
        assert here.state("all") is State.WAITING
        here.ready("b")
        assert here.state("all") is State.READY

    def test_a_dependency_in_back_off(self) -> None:
        """It has not failed: its dependents wait."""
        here = world(told("db"), service("web", requires=("db",)))
        here.exit("db", 1)
        here.settle()
        assert states(here) == ["backoff", "waiting"]
        here.advance(1.0)
        here.settle()
        here.ready("db")
        here.settle()
        assert states(here) == ["ready", "ready"]

    def test_a_dependency_that_has_failed(self) -> None:
        """All that needs it, directly or not, fails for it, and each says for whom."""
        here = world(
            told("db", restart=NEVER), service("app", requires=("db",)), service("web", requires=("app",)), service("x")
        )
        here.exit("db", 1)
        here.settle()
        assert states(here) == ["failed", "failed", "failed", "ready"]
        assert [here[name].reason.service for name in ("app", "web")] == ["db", "app"]  # type: ignore[union-attr]
        assert {here[name].reason.code for name in ("app", "web")} == {Code.DEPENDENCY}  # type: ignore[union-attr]
        assert here.engine.failed == ["db", "app", "web"]

    def test_a_revival(self) -> None:
        """What failed for it alone starts by itself when it recovers, one after another."""
        here = world(told("db", restart=NEVER), told("app", requires=("db",)), service("web", requires=("app",)))
        here.exit("db", 1)
        here.settle()
        here.start("db")
        here.settle()
        assert states(here) == ["starting", "failed", "failed"]
        here.ready("db")
        here.settle()
        assert states(here) == ["ready", "starting", "failed"]
        here.ready("app")
        here.settle()
        assert states(here) == ["ready", "ready", "ready"]

    def test_no_revival_of_what_nobody_wants(self) -> None:
        """What was stopped after it had failed for a dependency stays down."""
        here = world(told("db", restart=NEVER), service("web", requires=("db",)))
        here.exit("db", 1)
        here.settle()
        here.stop("web")
        here.start("db")
        here.settle()
        here.ready("db")
        here.settle()
        assert states(here) == ["ready", "failed"]

    def test_one_of_two_recovers(self) -> None:
        """It starts when the last of them is there."""
        here = world(told("a", restart=NEVER), told("b", restart=NEVER), service("c", requires=("a", "b")))
        here.exit("a", 1)
        here.exit("b", 1)
        here.settle()
        for name, expected in (("a", "failed"), ("b", "ready")):
            here.start(name)
            here.settle()
            here.ready(name)
            here.settle()
            assert here.state("c") == expected

    def test_a_crash_touches_nobody_who_is_ready(self) -> None:
        """What requires the crashed one goes on; a second start of it waits."""
        here = world(told("db"), service("web", requires=("db",)))
        here.ready("db")
        here.settle()
        here.exit("db", 1)
        here.settle()
        assert states(here) == ["backoff", "ready"]
        here.exit("web", 1)
        here.settle()
        here.advance(0.2)
        assert states(here) == ["waiting" if n == "web" else "starting" for n in ("db", "web")]

    def test_what_is_required_of_an_end_that_was_well(self) -> None:
        """A service that has ended is not there: who requires it fails, and says so."""
        here = world(service("db", restart=NEVER))
        here.exit("db", 0)
        here.settle()
        here = world(service("db", restart=NEVER), told("web", requires=("db",), restart=NEVER))
        here.exit("db", 0)
        here.settle()
        here.exit("web", 1)
        here.settle()
        assert states(here) == ["completed", "failed"]


class TestWants:
    @pytest.mark.parametrize("how", ["ready", "crash", "hopeless"])
    def test_it_is_released(self, how: str) -> None:
        """At ready, or at the end of the first attempt that failed, or when no attempt could be made."""
        here = world(
            told("db", restart=NEVER), told("cache", requires=("db",)), service("web", wants=("cache",), after=("db",))
        )
        assert here.state("web") is State.WAITING
        if how == "hopeless":
            here.exit("db", 1)
        else:
            here.ready("db")
            here.settle()
            assert here.state("web") is State.WAITING
            if how == "ready":
                here.ready("cache")
            else:
                here.exit("cache", 1)
        here.settle()
        assert here.state("web") is State.READY

    def test_its_second_attempt_holds_nobody_up(self) -> None:
        """Who starts while it is being restarted does not wait for it."""
        here = world(told("cache"), service("web", wants=("cache",)))
        here.exit("cache", 1)
        here.settle()
        here.exit("web", 1)
        here.settle()
        here.advance(1.0)
        here.settle()
        assert states(here) == ["starting", "ready"]

    def test_a_start_takes_it_along_if_it_is_enabled(self) -> None:
        """A disabled one is started because somebody requires it, not because somebody wants it."""
        here = World(
            {
                spec.name: spec
                for spec in (
                    service("web", requires=("db",), wants=("on", "off")),
                    service("db", enabled=False),
                    service("on"),
                    service("off", enabled=False),
                )
            }
        )
        here.start("web")
        here.settle()
        assert states(here) == ["ready", "ready", "ready", "inactive"]


class TestOrder:
    def test_after_and_before_only_order(self) -> None:
        """They start nobody, and wait only for who is on the way."""
        here = world(
            service("a", enabled=False), service("b", after=("a",)), service("c", enabled=False, before=("b",))
        )
        assert states(here) == ["inactive", "ready", "inactive"]

    def test_they_order_a_start(self) -> None:
        """Both are starting: the later one waits."""
        here = world(told("a"), told("b", after=("a",)), told("c", before=("a",)))
        assert started(here) == ["c"]
        for name in ("c", "a"):
            here.ready(name)
            here.settle()
        assert started(here) == ["c", "a", "b"]

    def test_a_failure_fails_nobody(self) -> None:
        """Order is kept, and then it starts."""
        here = world(told("a", restart=NEVER), service("b", after=("a",)))
        here.exit("a", 1)
        here.settle()
        assert states(here) == ["failed", "ready"]

    def test_they_order_a_stop(self) -> None:
        """Both are stopping: the later one goes first."""
        here = world(service("a"), service("b", after=("a",)))
        here.stop("a", "b")
        assert stopped(here) == ["b"]
        end(here, "b")
        assert "a" in stopped(here)

    def test_a_stop_comes_before_a_start(self) -> None:
        """Who starts after somebody is down before that one starts."""
        here = world(service("a", enabled=False), service("b", after=("a",)))
        here.stop("b")
        here.start("a")
        here.settle()
        assert states(here) == ["waiting", "stopping"]
        assert here.engine.waiting_on("a") == ["b"]
        end(here, "b")
        assert states(here) == ["ready", "inactive"]


class TestBound:
    def test_it_goes_down_with_it_and_comes_back_after_it(self) -> None:
        """A crash takes what is bound along; it waits for the other's return."""
        here = world(told("db"), service("tail", binds_to=("db",)), service("web", requires=("db",)))
        here.ready("db")
        here.settle()
        here.exit("db", 1)
        assert states(here) == ["stopping", "stopping", "ready"]
        reason = here["tail"].reason
        assert reason is not None
        assert (reason.code, reason.service) == (Code.DEPENDENCY, "db")
        here.settle()
        end(here, "tail")
        here.advance(0.2)
        here.settle()
        assert states(here) == ["starting", "waiting", "ready"]
        here.ready("db")
        here.settle()
        assert states(here) == ["ready"] * 3
        assert here["tail"].restarts == 0

    def test_it_ends_for_good_with_it(self) -> None:
        """When the other has failed for good, what is bound has failed for that."""
        here = world(service("db", restart=NEVER), service("tail", binds_to=("db",)))
        here.exit("db", 1)
        here.settle()
        end(here, "tail")
        assert states(here) == ["failed", "failed"]
        here.start("db")
        here.settle()
        assert states(here) == ["ready", "ready"]

    def test_chains(self) -> None:
        """What is bound to what is bound goes down first."""
        here = world(service("a"), service("b", binds_to=("a",)), service("c", binds_to=("b",)))
        here.restart("a", only=True)
        assert stopped(here) == ["c"]
        end(here, "c")
        assert stopped(here)[-1] == "b"
        end(here, "b")
        end(here, "a")
        assert states(here) == ["ready"] * 3


class TestRequests:
    def test_a_stop_takes_along_what_requires_it(self) -> None:
        """First, and with the reason; what is not named stays down when the other starts again."""
        here = world(
            service("other"),
            service("db"),
            service("app", requires=("db",)),
            service("web", requires=("other", "app")),
        )
        here.stop("db")
        assert stopped(here) == ["web"]
        reasons = [here[name].reason for name in ("app", "web")]
        assert [reason.service for reason in reasons if reason is not None] == ["db", "app"]
        assert here["db"].reason is None
        end(here, "web")
        end(here, "app")
        end(here, "db")
        assert states(here) == ["ready", "inactive", "inactive", "inactive"]
        here.start("db")
        here.settle()
        assert states(here) == ["ready", "ready", "inactive", "inactive"]

    def test_a_start_takes_along_what_it_needs(self) -> None:
        """Also what has failed, what is being stopped, and not a oneshot that is done."""
        here = world(
            service("init", type=ONESHOT, restart=NEVER),
            service("db", requires=("init",), restart=NEVER, enabled=False),
            service("web", requires=("db",), enabled=False),
        )
        here.exit("init", 0)
        here.settle()
        for _ in range(2):
            here.start("web")
            here.settle()
            assert states(here) == ["completed", "ready", "ready"]
            here.stop("web")
            end(here, "web")
            here.exit("db", 1)
            here.settle()
            assert here.state("db") is State.FAILED
        assert len(here.bodies["init"].started) == 1
        here.start("init")
        here.settle()
        assert len(here.bodies["init"].started) == 2

    def test_a_start_calls_off_a_stop_that_waits(self) -> None:
        """db waits for web to be down; `start web` wants both up again."""
        here = world(service("db"), service("web", requires=("db",)))
        here.stop("db")
        here.start("web")
        assert states(here) == ["ready", "stopping"]
        end(here, "web")
        assert states(here) == ["ready", "ready"]
        assert len(here.bodies["db"].started) == 1

    def test_a_restart_takes_along_what_requires_it(self) -> None:
        """All go down in reverse order and come back in order; who is down stays down."""
        here = world(
            service("db"),
            service("app", requires=("db",)),
            service("web", requires=("app",)),
            service("off", requires=("db",), enabled=False),
        )
        here.restart("db")
        for name in ("web", "app", "db"):
            assert stopped(here)[-1] == name
            end(here, name)
        assert states(here) == ["ready", "ready", "ready", "inactive"]
        assert started(here)[3:] == ["db", "app", "web"]

    def test_a_restart_of_one_only(self) -> None:
        """What requires it goes on; what is bound to it cannot."""
        here = world(service("db"), service("web", requires=("db",)), service("tail", binds_to=("db",)))
        here.restart("db", only=True)
        assert states(here) == ["stopping", "ready", "stopping"]
        end(here, "tail")
        end(here, "db")
        assert states(here) == ["ready"] * 3
        assert [len(here.bodies[name].started) for name in here.bodies] == [2, 1, 2]

    def test_a_restart_while_what_it_needs_is_being_stopped(self) -> None:
        """The last wish counts: it comes back, and so does what it needs."""
        here = world(service("db"), service("web", requires=("db",)))
        here.stop("db")
        here.restart("web")
        end(here, "web")
        assert states(here) == ["ready", "ready"]

    def test_a_restart_of_what_failed_for_another(self) -> None:
        """It starts what has failed too."""
        here = world(told("db", restart=NEVER), service("web", requires=("db",)))
        here.exit("db", 1)
        here.settle()
        here.restart("web")
        here.settle()
        here.ready("db")
        here.settle()
        assert states(here) == ["ready", "ready"]

    def test_a_start_during_a_restart(self) -> None:
        """It does not undo the restart that somebody waits for."""
        here = world(service("db"), service("web", requires=("db",)))
        here.restart("db")
        here.start("web")
        end(here, "web")
        end(here, "db")
        assert states(here) == ["ready", "ready"]
        assert [len(here.bodies[name].started) for name in here.bodies] == [2, 2]

    def test_a_restart_orders_what_only_comes_after(self) -> None:
        """Both restarted: down in reverse order, up in order."""
        here = world(told("a"), told("b", after=("a",)))
        here.ready("a")
        here.settle()
        here.ready("b")
        here.restart("a", "b")
        end(here, "b")
        end(here, "a")
        assert states(here) == ["starting", "waiting"]

    def test_a_restart_of_what_has_a_shorter_way_down(self) -> None:
        """It comes back only when all that goes down for it is down."""
        here = world(service("db"), service("web", requires=("db",)))
        here.restart("db")
        assert states(here) == ["stopping", "stopping"]
        assert here["db"].phase is Phase.UP
        assert here.engine.waiting_on("db") == ["web"]

    def test_a_reload_of_what_is_not_ready(self) -> None:
        """It is left alone."""
        here = world(told("a"), service("b"))
        here.carry_out(here.engine.reload(["a", "b"], here.now))
        assert [name for name, effect in here.log if effect == "RunReload"] == ["b"]

    def test_what_is_prepared_does_not_wait_to_be_stopped(self) -> None:
        """Nothing of it is there yet that others need: it is called off at once, and never spawned."""
        here = world(service("a", restart=NEVER), service("b", after=("a",)))
        here.exit("a", 1)
        here.settle()
        here.start("a")
        here.stop("a", "b")
        here.settle()
        assert here.state("a") is State.INACTIVE
        assert len(here.bodies["a"].started) == 1


class TestCommand:
    """`-- CMD` beside services: awaits all of them, and needs none of them afterwards."""

    def test_it_waits_for_all(self) -> None:
        """It starts when all are ready or have completed."""
        here = world(told("a"), service("job", type=ONESHOT, restart=NEVER), service("cmd", awaits=("a", "job")))
        here.ready("a")
        assert here.state("cmd") is State.WAITING
        here.exit("job", 0)
        here.settle()
        assert here.state("cmd") is State.READY

    def test_no_stop_goes_over_it(self) -> None:
        """A service can be stopped and restarted beneath it; a start of it starts nobody else."""
        here = world(service("a"), service("cmd", awaits=("a",)))
        here.restart("a")
        end(here, "a")
        here.stop("a")
        end(here, "a")
        assert states(here) == ["inactive", "ready"]

    def test_it_stops_first(self) -> None:
        """In the shutdown it goes before all that it awaited."""
        here = world(service("a"), service("cmd", awaits=("a",)))
        here.shut_down(9.0)
        assert stopped(here) == ["cmd"]

    def test_something_has_failed(self) -> None:
        """It fails for that, and with it, being essential, the whole ends."""
        here = world(told("a", restart=NEVER), service("b"), service("cmd", awaits=("a", "b"), essential=True))
        here.exit("a", 1)
        here.settle()
        assert states(here) == ["failed", "ready", "failed"]
        assert here.engine.ended_essential == "cmd"
        assert here["cmd"].run_exit is None

    @pytest.mark.parametrize("how", ["ended", "stopped"])
    def test_something_is_not_there_by_rights(self, how: str) -> None:
        """What has ended well, and what a person has stopped meanwhile, is not waited for and is no failure."""
        here = world(told("a"), service("b", restart=NEVER), service("cmd", awaits=("a", "b")))
        if how == "ended":
            here.exit("b", 0)
        else:
            here.stop("b")
            end(here, "b")
        here.settle()
        assert here.state("cmd") is State.WAITING
        here.ready("a")
        here.settle()
        assert here.state("cmd") is State.READY


class TestTheWhole:
    def test_all_ready(self) -> None:
        """When all that is wanted is ready or completed; a failure is neither."""
        here = world(told("a"), service("job", type=ONESHOT, restart=NEVER), service("off", enabled=False))
        here.ready("a")
        assert not here.engine.all_ready
        here.exit("job", 0)
        here.settle()
        assert here.engine.all_ready
        here.exit("a", 1)
        here.settle()
        assert not here.engine.all_ready

    def test_nothing_is_ready(self) -> None:
        """Where nobody wants anything, nothing is ready that could be told of."""
        assert not World({}).engine.all_ready
        assert not world(service("off", enabled=False)).engine.all_ready

    def test_idle(self) -> None:
        """Nothing runs, waits or backs off; a target that is ready holds nothing up."""
        here = world(service("a", restart=NEVER), service("b"), service("t", type=TARGET, wants=("a",)))
        here.exit("a", 0)
        here.settle()
        assert not here.engine.idle
        here.exit("b", 1)
        here.settle()
        assert not here.engine.idle, "it is in back-off"
        here.stop("b")
        assert here.engine.idle
        assert not here.engine.all_down

    def test_nothing_is_idle(self) -> None:
        """No service at all is idle."""
        assert World({}).engine.idle

    @pytest.mark.parametrize("code", [0, 3])
    def test_an_essential_service(self, code: int) -> None:
        """Its end, well or not, is noted once it is final; its restart is no end."""
        here = world(service("main", essential=True, restart=Restart(RestartPolicy.ON_FAILURE, limit=1)))
        here.exit("main", code)
        here.settle()
        if code:
            assert here.engine.ended_essential is None
            here.advance(1.0)
            here.settle()
            here.exit("main", code)
            here.settle()
        assert here.engine.ended_essential == "main"

    def test_an_essential_service_that_somebody_stops(self) -> None:
        """That is a wish, not an end."""
        here = world(service("main", essential=True))
        here.stop("main")
        end(here, "main")
        assert here.engine.ended_essential is None

    def test_an_essential_service_whose_dependency_fails(self) -> None:
        """It has failed for good: the whole ends, and no status of an earlier run is taken for its end."""
        here = world(service("db", restart=NEVER), service("main", binds_to=("db",), essential=True))
        here.exit("db", 1)
        here.settle()
        end(here, "main")
        assert here.engine.ended_essential == "main"
        assert here["main"].run_exit is None

    def test_the_first_essential_one_counts(self) -> None:
        """What ends in the shutdown that follows does not decide."""
        here = world(service("a", essential=True, restart=NEVER), service("b", essential=True, restart=NEVER))
        here.exit("a", 3)
        here.settle()
        here.shut_down(9.0)
        end(here, "b")
        assert here.engine.ended_essential == "a"

    def test_on_give_up(self) -> None:
        """Only a failure of its own for good counts, and the first one."""
        reboot = Restart(RestartPolicy.NEVER, on_give_up=GiveUp.REBOOT)
        shutdown = Restart(RestartPolicy.NEVER, on_give_up=GiveUp.SHUTDOWN)
        here = world(
            told("db", restart=NEVER), service("web", requires=("db",), restart=shutdown), service("x", restart=reboot)
        )
        here.exit("db", 1)
        here.settle()
        assert here.engine.gave_up is GiveUp.NONE
        here.exit("x", 1)
        here.settle()
        assert here.engine.gave_up is GiveUp.REBOOT

    def test_bugs_are_reported_and_nothing_else(self) -> None:
        """An event that cannot happen leaves everything as it is."""
        here = world(service("a"), service("b"))
        before = dict(here.engine.services)
        here.tell("a", ev.Spawned(99))
        assert [(bug.service, bug.event) for bug in here.bugs] == [("a", "Spawned")]
        assert here.engine.services == before
        here.stop("b")
        end(here, "b")
        assert states(here) == ["ready", "inactive"]


class TestShutdown:
    def test_in_reverse_order(self) -> None:
        """Who started last stops first; what does not depend on each other stops at the same time."""
        here = world(service("a"), service("b", requires=("a",)), service("c", requires=("b",)), service("x"))
        here.shut_down(9.0)
        assert stopped(here) == ["c", "x"]
        end(here, "x", "c")
        assert stopped(here)[-1] == "b"
        end(here, "b")
        end(here, "a")
        assert here.engine.all_down
        assert here.engine.killed == []

    def test_in_reverse_order_behind_what_has_completed(self) -> None:
        """A oneshot between two services is over long before the end, and still says who stops first."""
        migrate = service("migrate", requires=("db",), type=ServiceType.ONESHOT)
        here = world(service("db"), migrate, service("web", requires=("migrate",)))
        here.exit("migrate", 0)
        here.settle()
        assert states(here) == ["ready", "completed", "ready"]
        here.shut_down(9.0)
        assert stopped(here) == ["migrate", "web"]
        end(here, "web")
        assert stopped(here)[-1] == "db"
        end(here, "db")
        assert here.engine.all_down

    def test_it_ends_before_any_timer(self) -> None:
        """All went down in no time at all: no timer fired, and none is left."""
        here = world(service("a"), service("b", requires=("a",)))
        here.shut_down(9.0)
        end(here, "b")
        end(here, "a")
        assert here.now == 0.0
        assert all(body.timer is None for body in here.bodies.values())

    def test_whatever_it_was_doing(self) -> None:
        """Waiting, in back-off, coming up, failed: all come to rest, and nothing starts any more."""
        here = world(
            told("up"),
            told("coming"),
            service("crashed"),
            service("waiting", requires=("coming",)),
            told("db", restart=NEVER),
            service("victim", requires=("db",)),
        )
        here.ready("up")
        here.exit("crashed", 1)
        here.exit("db", 1)
        here.settle()
        assert states(here) == ["ready", "starting", "backoff", "waiting", "failed", "failed"]
        here.shut_down(9.0)
        end(here, "up", "coming")
        here.start("db", "victim", "waiting")
        here.restart("up")
        here.advance(60.0)
        assert states(here) == ["inactive"] * 4 + ["failed"] * 2

    def test_a_second_shutdown_changes_nothing(self) -> None:
        """The budget is that of the first one."""
        here = world(service("a"))
        here.shut_down(9.0)
        deadline = here.engine.stop_deadline
        here.now = 3.0
        here.shut_down(100.0)
        assert here.engine.stop_deadline == deadline

    def test_timers_are_compressed(self) -> None:
        """Six services in a row with 5 s each in 9 s: each one's kill comes early enough for all the others."""
        names = "abcdef"
        here = world(*(service(n, after=(names[i - 1],) if i else ()) for i, n in enumerate(names)))
        here.shut_down(9.0)
        share = 8.55 / 6
        for position, name in enumerate(reversed(names), start=1):
            assert here[name].deadline == pytest.approx(position * share)
            here.now = here[name].deadline
            here.fire(name)
            here.settle()
            assert here.state(name) is State.INACTIVE
        assert here.engine.killed == list(reversed(names))
        assert not here.engine.overrun

    def test_a_stop_outside_a_shutdown_is_not_compressed(self) -> None:
        """It has its own time."""
        here = world(service("a"), service("b", requires=("a",)))
        here.stop("a")
        assert here["b"].deadline == 5.0

    def test_overrun(self) -> None:
        """After the budget each one left gets KILL and a short grace, in order."""
        here = world(service("a"), service("b", requires=("a",)), service("x", stop=Stop(timeout=1.0)))
        here.shut_down(9.0)
        here.now = 8.55
        here.hurry()
        assert [here[name].phase for name in "abx"] == [Phase.UP, Phase.KILLING, Phase.KILLING]
        assert here["b"].deadline == 8.55 + OVERRUN_GRACE
        here.settle()
        assert here["a"].phase is Phase.DOWN
        assert here.engine.killed == ["b", "x", "a"]

    def test_overrun_with_what_does_not_die(self) -> None:
        """The grace is over: it is left behind, and the next one has its turn."""
        here = world(service("a"), service("b", requires=("a",)))
        here.shut_down(9.0)
        here.hurry()
        here.now += OVERRUN_GRACE
        here.fire("b")
        assert here.state("b") is State.FAILED
        assert here["a"].phase is Phase.KILLING
        here.settle()
        assert here.engine.all_down

    def test_what_crashes_after_the_overrun(self) -> None:
        """What waited for its turn and died by itself does not get a whole stop timeout for what it left."""
        here = world(service("a"), service("b", requires=("a",)))
        here.shut_down(9.0)
        here.hurry()
        here.exit("a", 1, leftovers=True)
        assert here["a"].phase is Phase.KILLING

    def test_a_service_that_does_not_die_leaves_the_others_time(self) -> None:
        """What survives SIGKILL holds nobody up for longer than its share, and then some of it."""
        here = world(service("a"), service("b", requires=("a",), stop=Stop(timeout=5.0)))
        here.shut_down(9.0)
        here.advance(4.275)
        assert here["b"].phase is Phase.KILLING
        assert here["b"].deadline < 8.55

    def test_only_kills_of_the_shutdown_are_its_own(self) -> None:
        """Who was killed in a stop before does not count as killed in the shutdown."""
        here = world(service("a"), service("b"))
        here.stop("a")
        here.advance(5.0)
        here.settle()
        assert here["a"].killed
        here.shut_down(9.0)
        end(here, "b")
        assert here.engine.killed == []

    def test_without_a_limit(self) -> None:
        """Everybody has the own time."""
        here = world(service("a", stop=Stop(timeout=math.inf)))
        here.shut_down(math.inf)
        assert here["a"].deadline == math.inf
        assert here["a"].pace == Pace()


class TestManyServices:
    """A thousand services cost a thousand times what one costs: what is counted is work, not time."""

    def work(self, monkeypatch: pytest.MonkeyPatch, specs: Iterable[ServiceSpec]) -> tuple[int, int]:
        """Start all, let all be ready one by one, shut down; return how many steps and looks at a gate it took."""
        steps, looks = 0, 0

        def counted_step(*arguments: Any) -> Any:
            nonlocal steps
            steps += 1
            return lifecycle.step(*arguments)

        def counting(look: Any) -> Any:
            def counted(*arguments: Any) -> Any:
                nonlocal looks
                looks += 1
                return look(*arguments)

            return counted

        with monkeypatch.context() as patch:
            patch.setattr("asyncinit.core.engine.step", counted_step)
            for name in ("holds_start", "goes_down", "holds_stop"):
                patch.setattr(Gates, name, counting(getattr(Gates, name)))
            here = world(*specs)
            first, *rest = here.bodies
            for name in (first, *reversed(rest)):
                if here[name].spec.ready.kind is ReadyKind.NOTIFY:
                    here.ready(name)
                    here.settle()
            assert here.engine.all_ready
            here.shut_down(9.0)
            while alive := [name for name, body in here.bodies.items() if body.alive]:
                end(here, *(name for name in alive if here[name].phase is Phase.STOPPING))
            assert here.engine.all_down
        return steps, looks

    def shapes(self, count: int) -> dict[str, list[ServiceSpec]]:
        names = [f"s{number}" for number in range(count)]
        return {
            "behind one target": [*(told(n) for n in names), service("all", type=TARGET, requires=tuple(names))],
            "after one service": [told("base"), *(told(n, requires=("base",)) for n in names)],
            "free": [told(n) for n in names],
        }

    @pytest.mark.parametrize(
        ("shape", "count"), [("behind one target", 1000), ("after one service", 500), ("free", 300)]
    )
    def test_the_work_grows_with_the_number(self, monkeypatch: pytest.MonkeyPatch, shape: str, count: int) -> None:
        """Ten times the services are ten times the work, whoever is ready or down first."""
        few = self.work(monkeypatch, self.shapes(count // 10)[shape])
        many = self.work(monkeypatch, self.shapes(count)[shape])
        assert many[0] <= few[0] * 11
        assert many[1] <= few[1] * 11
