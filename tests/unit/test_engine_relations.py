"""Conflicts, and what the end of a service has started."""

from __future__ import annotations

from typing import Any

import pytest

from asyncinit.config.spec import GiveUp, Restart, RestartPolicy, ServiceSpec, ServiceType
from asyncinit.core import events as ev
from asyncinit.core import rivals
from asyncinit.core.service import Phase
from asyncinit.core.status import Code, ExitStatus, Reason, State, Trigger
from asyncinit.core.wishes import MOST_PENDING
from tests.unit.life import Life
from tests.unit.world import World, service

NEVER = Restart(RestartPolicy.NEVER)
FAILED = Trigger("web", Code.EXIT_CODE, ExitStatus(3))


def world(*specs: ServiceSpec) -> World:
    """Return a world of services; what is enabled has been started, and all answers are given."""
    made = World({spec.name: spec for spec in specs})
    made.start(*(spec.name for spec in specs if spec.enabled))
    made.settle()
    return made


def off(name: str, **keys: Any) -> ServiceSpec:
    return service(name, enabled=False, **keys)


def oneshot(name: str, **keys: Any) -> ServiceSpec:
    return service(name, enabled=False, type=ServiceType.ONESHOT, restart=NEVER, **keys)


def states(world: World) -> dict[str, State]:
    return {name: service.state for name, service in world.engine.services.items()}


class TestConflicts:
    """Who cannot be up together."""

    @pytest.mark.parametrize("says", ["old", "new"])
    def test_a_start_stops_the_other_and_waits_for_it(self, says: str) -> None:
        """Whichever of them says so."""
        other = {"old": "new", "new": "old"}[says]
        specs = {"old": service("old"), "new": off("new")}
        specs[says] = service(says, enabled=says == "old", conflicts=(other,))
        made = world(*specs.values())
        made.start("new")
        assert states(made) == {"old": State.STOPPING, "new": State.WAITING}
        assert made["old"].reason == Reason(Code.CONFLICT, "conflicts with new, which is started", "new")
        assert made.engine.waiting_on("new") == ["old"]
        made.exit("old", signal=15)
        made.settle()
        assert states(made) == {"old": State.INACTIVE, "new": State.READY}

    def test_what_requires_the_other_goes_first(self) -> None:
        """As with any stop; and what the new one needs comes."""
        made = world(
            service("db"),
            service("web", requires=("db",)),
            off("disk"),
            off("copy", requires=("disk",), conflicts=("db",)),
        )
        made.start("copy")
        made.settle()
        assert states(made)["disk"] is State.READY
        assert made["web"].reason == Reason(Code.DEPENDENCY, "requires db, which is being stopped", "db")
        for name in ("web", "db"):
            made.exit(name, signal=15)
            made.settle()
        assert made.state("copy") is State.READY

    def test_one_that_waits_to_be_restarted_makes_room(self) -> None:
        """It does not come back."""
        made = world(service("old", conflicts=("new",)), off("new"))
        made.exit("old", 1)
        made.settle()
        assert made["old"].phase is Phase.BACKOFF
        made.start("new")
        made.settle()
        made.advance(60)
        assert states(made) == {"old": State.INACTIVE, "new": State.READY}

    def test_one_that_failed_for_another_does_not_come_back(self) -> None:
        """What it required gets ready, but its place is taken."""
        made = world(off("db", restart=NEVER), off("old", requires=("db",), conflicts=("new",)), off("new"))
        made.start("old")
        assert made["db"].phase is Phase.PREPARING
        made.bodies["db"].answers[0] = ev.Prepared(Reason(Code.HOOK, "no"))
        made.settle()
        assert made["old"].revivable
        made.start("new")
        made.settle()
        made.start("db")
        made.settle()
        assert states(made) == {"db": State.READY, "old": State.FAILED, "new": State.READY}

    def test_a_restart_of_what_was_down_takes_the_place_too(self) -> None:
        """It is a start then."""
        made = world(service("old", conflicts=("new",)), off("new"))
        made.restart("new")
        made.exit("old", signal=15)
        made.settle()
        assert states(made) == {"old": State.INACTIVE, "new": State.READY}

    def test_a_restart_for_another_declaration_takes_the_place_too(self) -> None:
        """Where two that are up turn out to be rivals, who is restarted does not wait for ever for who is not."""
        made = world(service("old"), service("new"), off("user", requires=("old",)))
        made.start("user")
        made.settle()
        user = off("user", requires=("old",))
        made.reconfigure({"old": service("old"), "new": service("new", umask=0o77, conflicts=("old",)), "user": user})
        for name in ("user", "old", "new"):
            made.exit(name, signal=15)
            made.settle()
        assert states(made) == {"old": State.INACTIVE, "new": State.READY, "user": State.INACTIVE}
        assert made["old"].reason == Reason(Code.CONFLICT, "conflicts with new, which is started", "new")

    def test_of_two_that_are_restarted_for_their_declarations_the_first_comes(self) -> None:
        """As of two that are started together."""
        made = world(service("a"), service("b"))
        made.reconfigure({"a": service("a", umask=0o77, conflicts=("b",)), "b": service("b", umask=0o77)})
        for name in ("a", "b"):
            made.exit(name, signal=15)
            made.settle()
        assert states(made) == {"a": State.READY, "b": State.INACTIVE}

    def test_of_two_that_are_started_together_the_first_comes(self) -> None:
        """Nobody asks for that who knows; nothing hangs, and they are never up together."""
        made = World({"a": service("a", conflicts=("b",)), "b": service("b")})
        assert rivals.pair(made.engine.graph, ["b", "a"]) == ("b", "a")
        made.start("a", "b")
        made.settle()
        assert states(made) == {"a": State.READY, "b": State.INACTIVE}

    def test_what_is_only_wanted_gives_way(self) -> None:
        """A wish is not worth a refusal."""
        made = world(service("cache"), off("web", conflicts=("cache",), wants=("cache",)))
        made.start("web")
        made.exit("cache", signal=15)
        made.settle()
        assert states(made) == {"cache": State.INACTIVE, "web": State.READY}

    def test_who_does_not_die_is_in_the_way(self) -> None:
        """What is left of it may still hold the port."""
        made = world(service("old", conflicts=("new",)), off("new"))
        made.start("new")
        made.advance(5.0)  # KILL, of which nothing dies
        made.bodies["old"].answers.clear()
        made.advance(5.0)
        assert made["old"].stuck
        assert made["new"].phase is Phase.WAITING
        assert made.engine.waiting_on("new") == ["old"]
        made.tell("old", ev.TreeGone())
        made.settle()
        assert made.state("new") is State.READY


class TestFollowers:
    """on_failure and on_success."""

    def test_a_failure_for_good_starts_who_is_named(self) -> None:
        """With whose end it was and how."""
        made = world(
            service("web", restart=NEVER, on_failure=("alert",), on_success=("other",)), oneshot("alert"), off("other")
        )
        made.exit("web", 3)
        made.settle()
        assert made["alert"].follows == FAILED
        made.exit("alert", 0)
        made.settle()
        assert states(made) == {"web": State.FAILED, "alert": State.COMPLETED, "other": State.INACTIVE}

    def test_a_restart_is_no_failure_for_good(self) -> None:
        """Only when the limit is reached."""
        made = world(service("web", restart=Restart(limit=1), on_failure=("alert",)), off("alert"))
        made.exit("web", 3)
        made.settle()
        assert made.state("alert") is State.INACTIVE
        made.advance(1.0)
        made.settle()
        made.exit("web", 3)
        made.settle()
        assert made["alert"].follows == Trigger("web", Code.START_LIMIT_HIT, ExitStatus(3))
        assert made.state("alert") is State.READY

    def test_a_completion_starts_the_next_with_what_it_needs(self) -> None:
        """A chain of oneshots."""
        made = world(oneshot("first", on_success=("second",)), oneshot("second", requires=("db",)), off("db"))
        made.start("first")
        made.settle()
        made.exit("first", 0)
        made.settle()
        assert made["second"].follows == Trigger("first", Code.SUCCESS, ExitStatus(0))
        assert states(made) == {"first": State.COMPLETED, "second": State.STARTING, "db": State.READY}

    def test_a_stop_by_request_starts_nobody(self) -> None:
        """Whatever its status."""
        made = world(service("web", on_failure=("alert",), on_success=("alert",)), off("alert"))
        made.stop("web")
        made.exit("web", 1)
        made.settle()
        assert made.state("alert") is State.INACTIVE

    def test_a_failure_for_another_is_that_others(self) -> None:
        """One alert for one cause."""
        made = World(
            {
                spec.name: spec
                for spec in (
                    service("db", restart=NEVER, on_failure=("alert",)),
                    service("web", requires=("db",), on_failure=("other",)),
                    off("alert"),
                    off("other"),
                )
            }
        )
        made.start("web")
        made.bodies["db"].answers[0] = ev.Prepared(Reason(Code.HOOK, "no"))
        made.settle()
        assert states(made) == {
            "db": State.FAILED,
            "web": State.FAILED,
            "alert": State.READY,
            "other": State.INACTIVE,
        }

    def test_nothing_starts_where_the_end_is_the_end_of_all(self) -> None:
        """In the shutdown, and where it leads to one."""
        for keys in ({"essential": True}, {"restart": Restart(limit=0, on_give_up=GiveUp.SHUTDOWN)}):
            made = world(service("web", **({"restart": NEVER} | keys), on_failure=("alert",)), off("alert"))
            made.exit("web", 1)
            made.settle()
            assert made.state("alert") is State.INACTIVE
        made = world(service("web", restart=NEVER, on_failure=("alert",)), off("alert"))
        made.shut_down(9.0)
        made.exit("web", 1)
        made.settle()
        assert made.state("alert") is State.INACTIVE

    def test_what_comes_meanwhile_is_run_for_in_turn(self) -> None:
        """No failure goes unheard, for it came while another was told."""
        made = world(
            *(service(name, restart=NEVER, on_failure=("alert",)) for name in "abc"),
            oneshot("alert"),
        )
        for name in "abc":
            made.exit(name, 1)
        told = []
        for _ in range(3):
            made.advance(1.0)
            made.settle()
            trigger = made["alert"].follows
            assert trigger is not None
            told.append(trigger.service)
            made.exit("alert", 0)
            made.settle()
        assert told == ["a", "b", "c"]
        made.advance(60)
        assert made.state("alert") is State.COMPLETED

    def test_services_that_start_each_other_do_not_spin(self) -> None:
        """A circle keeps to the back-off of each: the first times at once, then ever slower."""
        made = world(
            service("a", restart=NEVER, on_failure=("b",)),
            off("b", restart=NEVER, on_failure=("a",)),
        )
        for _ in range(2000):
            for name in ("a", "b"):
                if made.bodies[name].alive:
                    made.exit(name, 1)
                    made.settle()
            made.advance(0.05)
            made.settle()
        assert 10 < len(made.bodies["a"].started) < 30

    def test_the_limit_counts_in_a_circle_too(self) -> None:
        """Then it has failed for good."""
        life = Life(restart=Restart(RestartPolicy.NEVER, limit=2))
        for _ in range(3):
            life.tell(ev.Triggered(FAILED))
            if life.phase is Phase.BACKOFF:
                life.fire()
            life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
            life.crash()
        life.tell(ev.Triggered(FAILED))
        assert (life.phase, life.state) == (Phase.DOWN, State.FAILED)
        assert life.service.reason is not None
        assert life.service.reason.code is Code.START_LIMIT_HIT

    def test_long_after_it_is_a_start_like_another(self) -> None:
        """The back-off starts over."""
        life = Life(restart=NEVER)
        for after in (0.0, 0.5):
            life.tell(ev.Triggered(FAILED), after=after)
            phase = life.phase
            if phase is Phase.BACKOFF:
                life.fire()
            life.tell(ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
            life.crash()
        assert phase is Phase.BACKOFF
        life.tell(ev.Triggered(FAILED), after=10.0)
        assert life.phase is Phase.WAITING

    def test_a_start_by_a_person_is_for_nobody(self) -> None:
        """What it was started for before is forgotten."""
        life = Life(type=ServiceType.ONESHOT, restart=NEVER)
        life.tell(ev.Triggered(FAILED), ev.MayStart(), ev.Prepared(), ev.Spawned(10))
        life.crash(0)
        assert life.service.follows == FAILED
        life.tell(ev.Start())
        assert life.service.follows is None

    def test_a_stop_forgets_what_was_to_come(self) -> None:
        """And there is a limit to what is remembered."""
        life = Life(type=ServiceType.ONESHOT, restart=NEVER)
        life.tell(ev.Triggered(FAILED), ev.MayStart(), *[ev.Triggered(FAILED)] * (MOST_PENDING + 5))
        assert len(life.service.pending) == MOST_PENDING
        life.tell(ev.Stop(), ev.MayStop(), ev.TreeGone())
        assert life.service.pending == ()

    def test_names_that_nobody_has_are_left_out(self) -> None:
        """A warning told of them."""
        made = world(service("web", restart=NEVER, on_failure=("nobody", "alert")), off("alert"))
        made.exit("web", 1)
        made.settle()
        assert made.state("alert") is State.READY
