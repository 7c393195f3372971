"""Restart without a gap, as stories: two lives of one service, and what others see of them."""

from __future__ import annotations

from msgspec.structs import replace

from asyncinit.config.spec import Handover, Ready, ReadyKind, Restart, RestartPolicy, ServiceSpec, Stop
from asyncinit.core import events as ev
from asyncinit.core.effects import HandoverStage
from asyncinit.core.service import Phase
from asyncinit.core.status import State
from tests.unit.world import World, service


def web(**keys: object) -> ServiceSpec:
    keys = {"handover": Handover.OVERLAP, "ready": Ready(ReadyKind.NOTIFY), **keys}
    return service("web", **keys)


def running(*others: ServiceSpec, **keys: object) -> World:
    """A world in which web, first instance, and all others are up."""
    world = World({spec.name: spec for spec in (web(**keys), *others)})
    world.start(*world.engine.services)
    world.settle()
    world.ready("web")
    world.settle()
    assert world.state("web") is State.READY
    return world


def stages(world: World) -> list[HandoverStage]:
    return [stage for _, stage in world.handovers]


def test_the_next_instance_is_ready_before_the_old_one_is_stopped() -> None:
    """Until then nothing has changed for anybody; then the new one is the service, and the old one drains."""
    world = running(service("front", requires=("web",)))
    old = world["web"]
    world.restart("web")
    world.settle()
    assert world["web"] == old
    assert world["web~2"].phase is Phase.STARTING
    world.ready("web~2")
    assert world["web"].key == "web~2"
    assert world.state("web") is State.READY
    assert world["web~1"].phase is Phase.STOPPING
    world.exit("web~1")
    world.settle()
    assert not world.engine.lives.beside
    assert stages(world) == [HandoverStage.BEGUN, HandoverStage.TAKEN_OVER, HandoverStage.DRAINED]
    assert [state for name, state in world.states if name == "web"] == ["waiting", "starting", "ready"]
    assert [state for name, state in world.states if name == "front"] == ["waiting", "starting", "ready"]


def test_one_that_does_not_get_ready_changes_nothing() -> None:
    """It is ended and not restarted, whatever the policy; the old one goes on, and it is known why."""
    world = running(restart=Restart(RestartPolicy.ALWAYS, delay=0))
    old = world["web"]
    world.restart("web")
    world.settle()
    world.exit("web~2", 3)
    world.settle()
    world.advance(60)
    assert world["web"] == old
    assert not world.engine.lives.beside
    assert world.engine.lives.failures["web"].text == "exited with 3"
    assert stages(world) == [HandoverStage.BEGUN, HandoverStage.FAILED]


def test_one_that_is_too_slow_is_ended() -> None:
    """ready.timeout holds for the new instance as for any start."""
    world = running(ready=Ready(ReadyKind.NOTIFY, timeout=20.0))
    world.restart("web")
    world.settle()
    world.advance(21)
    world.exit("web~2", None, 15)
    world.settle()
    assert world.engine.lives.failures["web"].code == "timeout"
    assert world.state("web") is State.READY


def test_the_old_one_crashes_meanwhile() -> None:
    """The new one takes its place as it is; what is bound to it goes down and comes back with it."""
    world = running(service("bound", binds_to=("web",)))
    world.restart("web")
    world.settle()
    world.exit("web~1", 1)
    assert world["web"].key == "web~2"
    assert world.state("web") is State.STARTING
    assert world["bound"].leaving
    world.settle()
    world.exit("bound")
    world.settle()
    world.ready("web~2")
    world.settle()
    assert world.state("web") is State.READY
    assert world.state("bound") is State.READY
    assert world["web"].restarts == 0, "nobody restarted it: it was asked for"


def test_both_crash() -> None:
    """What is left is a service that has crashed, and is restarted by its own policy."""
    world = running(restart=Restart(RestartPolicy.ALWAYS, delay=1.0))
    world.restart("web")
    world.settle()
    world.exit("web~2", 1)
    world.exit("web", 1)
    world.settle()
    assert world.state("web") is State.BACKOFF
    assert not world.engine.lives.beside


def test_a_stop_ends_both() -> None:
    """Before the takeover and after it."""
    for taken_over in (False, True):
        world = running(service("db"), requires=("db",))
        world.restart("web")
        world.settle()
        if taken_over:
            world.ready("web~2")
        world.stop("db")
        assert world["db"].phase is Phase.UP, "it is needed until both are down"
        for key in ("web~1", "web~2"):
            assert world[key].phase is Phase.STOPPING
            world.exit(key)
            world.settle()
        assert world["db"].phase is Phase.STOPPING
        assert world.state("web") is State.INACTIVE
        assert not world.engine.lives.beside


def test_a_shutdown_ends_both_within_its_budget() -> None:
    """A life beside the present one gets its share of the time, and what is left then is killed."""
    world = running()
    world.restart("web")
    world.settle()
    world.ready("web~2")
    world.shut_down(2.0)
    world.advance(2.0)
    world.hurry()
    world.settle()
    assert world.engine.all_down
    assert set(world.engine.killed) == {"web"}


def test_a_shutdown_hastens_one_that_drains_already() -> None:
    """Also where the service was being stopped before, so that the shutdown changes nothing for it."""
    world = running(stop=Stop(timeout=60.0))
    world.restart("web")
    world.settle()
    world.ready("web~2")
    world.stop("web")
    world.shut_down(10.0)
    assert all(world[key].deadline <= world.engine.stop_deadline for key in ("web~1", "web~2"))


def test_a_restart_of_what_it_needs_takes_it_down() -> None:
    """It can't be there without that: both instances go, and one comes back."""
    world = running(service("db"), requires=("db",))
    world.restart("web")
    world.settle()
    world.restart("db")
    world.settle()
    for key in ("web~1", "web~2"):
        world.exit(key)
    world.settle()
    world.exit("db")
    world.settle()
    world.ready("web")
    world.settle()
    assert world.state("web") is State.READY
    assert not world.engine.lives.beside


def test_a_second_restart_begins_anew() -> None:
    """The instance that is on its way is replaced by one that is made of what is declared by now."""
    world = running()
    world.restart("web")
    world.settle()
    world.reconfigure({"web": replace(web(), umask=0o22)})
    world.exit("web~2")
    world.settle()
    assert world["web~2"].spec.umask == 0o22
    world.ready("web~2")
    assert world["web"].spec.umask == 0o22


def test_a_reload_hands_over() -> None:
    """A new declaration that needs another process: nobody who requires it is restarted with it."""
    world = running(service("front", requires=("web",)))
    plan = world.reconfigure({"web": replace(web(), umask=0o22), "front": service("front", requires=("web",))})
    assert (plan.restarted, plan.handed_over, plan.affected) == (("web",), ("web",), ())
    world.settle()
    world.ready("web~2")
    assert world["web"].spec.umask == 0o22
    assert [state for name, state in world.states if name == "front"] == ["waiting", "starting", "ready"]


def test_an_old_one_that_does_not_die_is_told_and_holds_nobody_up() -> None:
    """The new one serves; what survives SIGKILL is forgotten when it is gone after all."""
    world = running()
    world.restart("web")
    world.settle()
    world.ready("web~2")
    survive("web~1", world)
    assert stages(world)[-1] is HandoverStage.UNDYING
    assert world.state("web") is State.READY
    world.bodies["web~1"].alive = False
    world.tell("web~1", ev.TreeGone())
    assert stages(world)[-1] is HandoverStage.DRAINED
    assert not world.engine.lives.beside


def survive(key: str, world: World) -> None:
    """Let a stop that is under way come to its end, and SIGKILL do nothing."""
    world.bodies[key].answers.clear()
    while not world[key].stuck:
        timer = world.bodies[key].timer
        assert timer is not None
        world.bodies[key].timer = None
        world.now = timer[1]
        world.carry_out([e for e in world.engine.handle(key, ev.TimerFired(timer[0]), world.now) if keep(e)])


def keep(effect: ev.Effect) -> bool:
    """A kill that does nothing, and a look that finds somebody."""
    return not isinstance(effect, ev.KillTree | ev.WatchTree)


def test_a_new_one_that_does_not_die_is_not_brought_back() -> None:
    """It has come to nothing: a restart of what it needs concerns the instance that is the service, and that alone."""
    world = running(service("db"), requires=("db",))
    world.restart("web")
    world.settle()
    world.restart("web")  # it begins anew, and its first process does not end
    survive("web~2", world)
    assert stages(world)[-1] is HandoverStage.FAILED
    world.restart("db")
    world.bodies["web~2"].alive = False
    world.tell("web~2", ev.TreeGone())
    assert not world.engine.lives.beside
    for name in ("web", "db"):
        world.exit(name)
        world.settle()
    world.ready("web")
    assert world["web"].key == "web~1" and world.state("web") is State.READY


def test_a_service_that_is_gone_is_forgotten_after_both() -> None:
    """As long as one of its lives drains, there is something to supervise."""
    world = running()
    world.restart("web")
    world.settle()
    world.ready("web~2")
    world.reconfigure({})
    world.exit("web~2")
    world.settle()
    assert "web" in world.engine.services
    world.exit("web~1")
    world.settle()
    assert "web" not in world.engine.services


def test_late_events_reach_the_life_that_they_are_about() -> None:
    """What the old instance says once another one has taken over is not taken for the new one's."""
    world = running()
    world.restart("web")
    world.settle()
    world.ready("web~2")
    world.tell("web~1", ev.Stopping())
    world.tell("web~1", ev.BecameReady())
    assert world.state("web") is State.READY
    world.exit("web~1", 1)
    assert world.state("web") is State.READY


def test_a_service_that_runs_since_before_is_restarted_as_usual_once() -> None:
    """`handover` that is declared while it runs counts from its next start on."""
    world = running(handover=Handover.NONE)
    world.reconfigure({"web": web()})
    world.restart("web")
    assert world["web"].leaving
    world.exit("web")
    world.settle()
    world.ready("web")
    world.settle()
    assert world["web"].replaceable


def test_a_declaration_without_handover_is_not_handed_over_to() -> None:
    """What cannot run twice from now on is restarted as usual."""
    world = running()
    plan = world.reconfigure({"web": web(umask=0o22, handover=Handover.NONE)})
    assert (plan.restarted, plan.handed_over) == (("web",), ())
    assert world.engine.lives.successor("web") is None and world["web"].leaving
    world.exit("web~1", signal=15)
    world.settle()
    world.ready("web")
    assert world.state("web") is State.READY and world["web"].spec.umask == 0o22
