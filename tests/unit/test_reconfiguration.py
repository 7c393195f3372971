"""Other declarations while services run: what is new, changed, unchanged and gone, in whatever phase it is."""

from __future__ import annotations

from typing import Any

import pytest

from asyncinit.config.spec import (
    Command,
    Hook,
    Hooks,
    Ready,
    ReadyKind,
    Restart,
    RestartPolicy,
    ServiceSpec,
    ServiceType,
    Stop,
    StopStep,
)
from asyncinit.core.service import Phase
from asyncinit.core.status import Code, State
from tests.unit.life import SOCKETS
from tests.unit.world import World, service


def declared(*specs: ServiceSpec) -> dict[str, ServiceSpec]:
    return {spec.name: spec for spec in specs}


def running(*specs: ServiceSpec) -> World:
    """A world in which all that is enabled is up."""
    world = World(declared(*specs))
    world.start(*(spec.name for spec in specs if spec.enabled))
    world.settle()
    world.log.clear()
    return world


def other(name: str, **keys: Any) -> ServiceSpec:
    """The service as it is after its process was declared anew."""
    return service(name, umask=0o77, **keys)


# What is unchanged


def test_nothing_has_changed() -> None:
    """No effect at all, whatever runs."""
    specs = (service("web", requires=("db",)), service("db"))
    world = running(*specs)
    before = dict(world.engine.services)
    assert not world.reconfigure(declared(*specs))
    assert world.log == [] and world.engine.services == before


def test_a_neighbour_of_what_changes_is_left_alone() -> None:
    """Who only starts after what is restarted does not notice."""
    web = service("web", after=("db",))
    world = running(service("db"), web)
    plan = world.reconfigure(declared(other("db"), web))
    world.exit("db", signal=15)
    world.settle()
    assert plan.affected == ()
    assert world.bodies["web"].started == [0.0] and len(world.bodies["db"].started) == 2


# What is new


def test_what_is_new_starts_with_what_it_needs() -> None:
    """In the order of its edges; what is not enabled and not needed stays down."""
    world = running(service("db"))
    new = (service("web", requires=("cache",)), service("cache", enabled=False), service("spare", enabled=False))
    plan = world.reconfigure(declared(service("db"), *new))
    world.settle()
    assert plan.added == ("web", "cache", "spare") and set(plan.started) == {"web", "cache"}
    assert world.log.index(("cache", "Spawn")) < world.log.index(("web", "Spawn"))
    assert world.state("spare") is State.INACTIVE
    assert world.bodies["db"].started == [0.0]


def test_only_what_shall_run_is_started() -> None:
    """Where [init] start names services, new ones that none of these pulls in stay down."""
    world = World(declared(service("db")))
    world.reconfigure(declared(service("db"), service("web"), service("job")), "web")
    world.settle()
    assert {name: world.state(name) for name in ("db", "web", "job")} == {
        "db": State.INACTIVE,  # it was there: nobody starts it
        "web": State.READY,
        "job": State.INACTIVE,
    }


def test_on_demand() -> None:
    """What is new and started on demand listens; what was gone, and is back before it was down, is started."""
    lazy = service("lazy", sockets=SOCKETS, on_demand=True)
    world = running(service("db"))
    world.reconfigure(declared(service("db"), lazy))
    world.settle()
    assert world.state("lazy") is State.LISTENING
    world.start("lazy")
    world.settle()
    world.reconfigure(declared(service("db")))
    world.reconfigure(declared(service("db"), lazy))
    world.exit("lazy", signal=15)
    world.settle()
    assert world.state("lazy") is State.READY


def test_enabled_alone_starts_and_stops_nothing() -> None:
    """It says what a start brings up."""
    world = running(service("web"), service("spare", enabled=False))
    world.reconfigure(declared(service("web", enabled=False), service("spare")))
    assert world.state("web") is State.READY and world.state("spare") is State.INACTIVE


# What is gone


def test_what_is_gone_stops_and_is_forgotten() -> None:
    """With its own stop, after what required it; then nothing of it is left."""
    world = running(service("web", requires=("db",)), service("db"), service("other"))
    plan = world.reconfigure(declared(service("other")))
    assert plan.removed == ("web", "db")
    assert world.state("web") is State.STOPPING and world.state("db") is State.STOPPING
    world.exit("web", signal=15)
    assert ("db", "SendSignal") not in world.log
    world.settle()
    assert "web" not in world.engine.services
    assert ("db", "SendSignal") in world.log
    world.exit("db", signal=15)
    world.settle()
    assert list(world.engine.services) == ["other"] == list(world.engine.graph.after) == list(world.bodies)


@pytest.mark.parametrize("phase", [Phase.DOWN, Phase.WAITING, Phase.BACKOFF, Phase.PREPARING, Phase.STARTING])
def test_gone_before_it_was_up(phase: Phase) -> None:
    """In any phase: what nothing runs of is forgotten at once, the rest when it is down; no process is left."""
    specs = [service("web", requires=("db",) if phase is Phase.WAITING else (), ready=Ready(ReadyKind.NOTIFY))]
    world = World(declared(*specs, service("db", ready=Ready(ReadyKind.NOTIFY))))
    if phase is not Phase.DOWN:
        world.start("web")
    if phase in {Phase.STARTING, Phase.BACKOFF}:
        world.answer("web")
    if phase is Phase.BACKOFF:
        world.exit("web", 1)
        world.settle()
    assert world["web"].phase is phase
    world.reconfigure(declared(service("db", ready=Ready(ReadyKind.NOTIFY))))
    world.settle()
    if phase is Phase.STARTING:
        world.exit("web", signal=15)
    world.settle()
    assert list(world.engine.services) == ["db"]
    world.advance(100.0)


def test_gone_while_it_stops() -> None:
    """A restart that was asked for before ends in rest."""
    world = running(service("web"))
    world.restart("web")
    assert world["web"].phase is Phase.STOPPING
    world.reconfigure({})
    world.exit("web", signal=15)
    world.settle()
    assert world.engine.services == {}


def test_gone_and_undying() -> None:
    """What survives SIGKILL is remembered for as long as it does, and counts neither as essential nor as given up."""
    world = running(service("web", essential=True))
    world.reconfigure({})
    world.advance(5.0)
    body = world.bodies["web"]
    body.alive = body.watched = True  # SIGKILL was in vain
    body.answers.clear()
    world.advance(5.0)
    assert world["web"].stuck and world.engine.ended_essential is None
    body.alive = False
    world.vanish("web")
    world.settle()
    assert world.engine.services == {}


def test_gone_and_back_before_it_was_down() -> None:
    """It stops as it was told to, and comes back under its new declaration."""
    world = running(service("web"))
    world.reconfigure({})
    plan = world.reconfigure(declared(other("web")))
    assert plan.added == plan.started == ("web",)
    world.exit("web", signal=15)
    world.settle()
    assert world.state("web") is State.READY and world["web"].spec.umask == 0o77 and not world["web"].gone


def test_nobody_brings_back_what_is_gone() -> None:
    """Neither a wish that comes late nor the restart of what it was bound to."""
    world = running(service("web", binds_to=("db",)), service("db"))
    world.reconfigure(declared(service("db")))
    world.restart("db")
    world.start("web")
    assert not world["web"].wanted


def test_the_order_between_generations_has_no_cycle() -> None:
    """Edges of what is gone never lead back to it, however the new declarations are ordered."""
    world = running(service("a"), service("g", after=("a",)), service("b", after=("g",)))
    world.reconfigure(declared(service("b"), service("a", after=("b", "g"))))
    assert world["g"].phase is Phase.STOPPING
    world.shut_down(9.0)
    for name in ("a", "g", "b"):
        assert world.bodies[name].alive
    for name in ("g", "a", "b"):
        world.exit(name, signal=15)
        world.settle()
    assert world.engine.all_down and not world.bugs


# What has changed


def test_policy_is_taken_over_in_place() -> None:
    """Nothing happens to the process; the next crash meets the new policy."""
    world = running(service("web"))
    world.reconfigure(declared(service("web", restart=Restart(RestartPolicy.NEVER), description="x")))
    assert [name for _, name in world.log] == ["Adopt"]
    assert world["web"].next_spec is None
    world.exit("web", 1)
    world.settle()
    assert world.state("web") is State.FAILED


def test_what_waits_for_the_next_start() -> None:
    """Hooks of a run that has begun are those that it began with; the next run has the new ones."""
    world = running(service("web"))
    hooks = Hooks(post_stop=(Hook(Command(("tidy",))),))
    world.reconfigure(declared(service("web", hooks=hooks)))
    assert world["web"].spec.hooks == Hooks() and world["web"].declared.hooks == hooks
    for times in (0, 1):
        world.exit("web", 1)
        world.settle()
        world.advance(30.0)
        world.settle()
        assert world.log.count(("web", "RunHooks")) == times
    assert world["web"].next_spec is None


def test_another_process_is_a_restart() -> None:
    """With what requires it, in the order of the edges; the reason says which keys."""
    web = service("web", requires=("db",))
    world = running(service("db"), web)
    plan = world.reconfigure(declared(other("db"), web))
    assert plan.restarted == ("db",) and plan.affected == ("web",)
    assert world["db"].reason is not None
    assert (world["db"].reason.code, world["db"].reason.text) == (
        Code.CONFIGURATION,
        "its declaration has changed (umask)",
    )
    assert world["db"].spec.umask is None, "the old process is stopped as what it is"
    assert ("db", "SendSignal") not in world.log
    world.exit("web", signal=15)
    world.settle()
    world.exit("db", signal=15)
    world.settle()
    assert world["db"].spec.umask == 0o77
    assert world.state("web") is State.READY and len(world.bodies["web"].started) == 2


def test_a_stop_under_way_ends_as_it_began() -> None:
    """Its steps are those that it has begun with, even if the new declaration has fewer."""
    world = running(service("web", stop=Stop(escalate=(StopStep(2, 1.0), StopStep(3, 1.0)))))
    world.stop("web")
    world.advance(5.5)
    assert world["web"].step == 1
    world.reconfigure(declared(service("web", stop=Stop(timeout=100.0))))
    world.shut_down(9.0)
    world.advance(20.0)
    world.settle()
    assert world.engine.all_down and not world.bugs


@pytest.mark.parametrize("wanted", [True, False])
def test_what_is_stopped_stays_so(wanted: bool) -> None:
    """A change restarts what somebody wants up, and nothing else; a stop that is under way is no wish to come back."""
    world = running(service("web"))
    if wanted:
        world.restart("web")
    else:
        world.stop("web")
    world.reconfigure(declared(other("web")))
    world.exit("web", signal=15)
    world.settle()
    assert (world.state("web") is State.READY) == wanted
    assert world["web"].spec.umask == 0o77


def test_a_stop_that_is_called_off_too_late() -> None:
    """It has become another process's declaration meanwhile: the stop becomes a restart."""
    web = service("web", requires=("db",))
    world = running(service("db"), web)
    world.stop("db")
    world.reconfigure(declared(other("db"), web))
    assert world["db"].leaving and not world["db"].wanted
    world.start("db")
    for name in ("web", "db"):
        world.exit(name, signal=15)
        world.settle()
    assert world.state("db") is State.READY and world["db"].spec.umask == 0o77


def test_what_has_failed_gets_another_chance() -> None:
    """Under its new declaration; who runs although it failed is not taken down for it."""
    never = Restart(RestartPolicy.NEVER)
    web = service("web", requires=("db",))
    world = running(service("db", restart=never), web)
    world.exit("db", 1)
    world.settle()
    assert world.state("db") is State.FAILED and world.state("web") is State.READY
    plan = world.reconfigure(declared(other("db", restart=never), web))
    world.settle()
    assert plan.affected == () and len(world.bodies["web"].started) == 1
    assert world.state("db") is State.READY


def test_a_new_policy_is_no_other_chance() -> None:
    """What has failed stays so while its process would be the same."""
    world = running(service("db", restart=Restart(RestartPolicy.NEVER)))
    world.exit("db", 1)
    world.settle()
    world.reconfigure(declared(service("db")))
    assert world.state("db") is State.FAILED


def test_in_backoff() -> None:
    """Another process is tried at once; it does not wait for the mistakes of the one before."""
    world = running(service("web", restart=Restart(delay=20.0)))
    world.exit("web", 1)
    world.settle()
    world.reconfigure(declared(other("web")))
    world.settle()
    assert world.state("web") is State.READY and world["web"].spec.umask == 0o77


def test_a_completed_oneshot_is_done() -> None:
    """Another command is for its next run."""
    world = running(service("migrate", type=ServiceType.ONESHOT))
    world.exit("migrate", 0)
    world.settle()
    assert world.state("migrate") is State.COMPLETED
    world.reconfigure(declared(other("migrate", type=ServiceType.ONESHOT)))
    assert world.state("migrate") is State.COMPLETED and len(world.bodies["migrate"].started) == 1


def test_a_target_that_becomes_a_service() -> None:
    """It goes down as the one and comes up as the other."""
    world = running(service("web", type=ServiceType.TARGET))
    world.reconfigure(declared(service("web")))
    world.settle()
    assert world.state("web") is State.READY and world.bodies["web"].alive


def test_over_a_re_exec() -> None:
    """What is on its way out, or to another declaration, gets there in the next program, in the order of the edges."""
    web = service("web", requires=("db",))
    world = running(service("db"), web, service("gone"))
    world.reconfigure(declared(other("db"), web))
    world.re_exec()
    assert ("db", "SendSignal") not in world.log
    for name in ("gone", "web", "db"):
        world.exit(name, signal=15)
        world.settle()
    assert sorted(world.engine.services) == ["db", "web"]
    assert world.state("web") is State.READY and world["db"].spec.umask == 0o77


# Edges


def test_what_is_newly_needed_is_started() -> None:
    """By what runs; it is not restarted for it."""
    world = running(service("web"), service("db", enabled=False))
    world.reconfigure(declared(service("web", requires=("db",)), service("db", enabled=False)))
    world.settle()
    assert world.state("db") is State.READY and len(world.bodies["web"].started) == 1
    world.stop("db")
    assert world["web"].leaving, "the new edge holds"


def test_newly_bound() -> None:
    """What it is bound to now is not there: it goes down and comes back after it, as binds_to says."""
    world = running(service("web"), service("db", enabled=False))
    world.reconfigure(declared(service("web", binds_to=("db",)), service("db", enabled=False)))
    world.exit("web", signal=15)
    world.settle()
    assert world.state("db") is State.READY and world.state("web") is State.READY
    assert len(world.bodies["web"].started) == 2


def test_an_edge_that_is_gone_holds_nobody_up() -> None:
    """Who waited for what it does not require any more starts."""
    world = World(declared(service("web", requires=("db",)), service("db", ready=Ready(ReadyKind.NOTIFY))))
    world.start("web")
    assert world.state("web") is State.WAITING
    world.reconfigure(declared(service("web"), service("db", ready=Ready(ReadyKind.NOTIFY))))
    world.settle()
    assert world.state("web") is State.READY


def test_not_in_the_shutdown() -> None:
    """On the way down nothing is declared anew."""
    world = running(service("web"))
    world.shut_down(9.0)
    before = dict(world.engine.services)
    world.reconfigure({})
    assert world.engine.services == before


def test_many_at_once() -> None:
    """A thousand go and a thousand come in a time that is no square of their number."""
    old = [service(f"old{n}", requires=("base",)) for n in range(1000)]
    new = [service(f"new{n}", requires=("base",)) for n in range(1000)]
    world = World(declared(service("base"), *old))
    world.reconfigure(declared(service("base"), *new), *(spec.name for spec in new))
    world.settle()
    assert len(world.engine.services) == 1001 and world.engine.all_ready
