"""A oneshot whose stop command undoes what it did: completed until it is stopped, and undone once."""

from __future__ import annotations

import pytest

from asyncinit.config.spec import Command, Hook, Hooks, Restart, RestartPolicy, ServiceType, Stop
from asyncinit.core import events as ev
from asyncinit.core.service import Phase
from asyncinit.core.status import ExitStatus, State
from tests.unit.life import DATABASE_FAILED, Life
from tests.unit.world import World, service

NEVER = Restart(RestartPolicy.NEVER)
KEYS = {"type": ServiceType.ONESHOT, "restart": NEVER, "stop": Stop(command=Command(("undo",)), timeout=7.0)}
TIDY = Hooks(post_stop=(Hook(Command(("tidy",))),))


def done(**keys: object) -> Life:
    """Return one that has completed."""
    life = Life(**{**KEYS, **keys})
    life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
    life.exit(0)
    life.tell(ev.TreeGone())
    return life


def test_it_stays_completed() -> None:
    """It counts as completed for who requires it, and asks for nothing more."""
    life = done()
    assert (life.phase, life.state, life.service.satisfied) == (Phase.UP, State.COMPLETED, True)
    assert not life.did(ev.CleanUp), "its stop command may need what it was given"
    assert life.tell(ev.Start()) == life.tell(ev.ReloadRequested()) == life.tell(ev.TreeGone()) == []


def test_a_stop_undoes_it_and_then_cleans_up() -> None:
    """The stop command is run once; when that has ended and nothing is left, post_stop; then it is inactive."""
    life = done(hooks=TIDY)
    life.tell(ev.Stop())
    assert life.state is State.STOPPING
    life.tell(ev.MayStop())
    assert [e.stage for e in life.effects if isinstance(e, ev.RunHooks)] == [ev.HookStage.UNDO]
    life.tell(ev.HooksDone(ev.HookStage.UNDO), ev.TreeGone())
    assert [e.stage for e in life.effects if isinstance(e, ev.RunHooks)] == [ev.HookStage.POST_STOP]
    life.tell(ev.HooksDone(ev.HookStage.POST_STOP))
    assert (life.phase, life.state) == (Phase.DOWN, State.INACTIVE)
    assert life.did(ev.CleanUp)


def test_a_restart_undoes_it_and_does_it_again() -> None:
    """What it did is undone before it is done anew."""
    life = done()
    life.tell(ev.Recycle(), ev.MayStop())
    assert life.did(ev.RunHooks)
    life.tell(ev.HooksDone(ev.HookStage.UNDO), ev.TreeGone())
    assert (life.phase, life.state) == (Phase.WAITING, State.WAITING)


def test_one_that_has_failed_is_not_undone() -> None:
    """A failure leaves nothing in force: it is failed, and a stop runs nothing."""
    life = Life(**KEYS)
    life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
    life.crash(1)
    assert life.state is State.FAILED
    assert not any(isinstance(effect, ev.RunHooks) for effect in life.tell(ev.Stop()))


def test_a_stop_while_it_runs_is_as_ever() -> None:
    """It has done nothing yet that could be undone: its stop command is run in place of the signal, and it is down."""
    life = Life(**KEYS)
    life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed(), ev.Stop(), ev.MayStop())
    assert life.did(ev.RunStopCommand)
    life.exit(0)
    life.tell(ev.TreeGone())
    assert (life.phase, life.state) == (Phase.DOWN, State.INACTIVE)


def test_a_stop_that_comes_while_its_children_end_undoes_it() -> None:
    """It had completed; that it was not told yet changes nothing about what it did."""
    life = Life(**KEYS)
    life.tell(ev.Start(), ev.MayStart(), ev.Prepared(), ev.Spawned(10), ev.Executed())
    life.exit(0)
    life.tell(ev.Stop(), ev.TreeGone())
    assert life.state is State.STOPPING
    life.tell(ev.MayStop())
    assert life.did(ev.RunHooks)


def test_no_time_is_left() -> None:
    """A shutdown that does not wait any more does not undo: what is left is killed, and it is down."""
    life = done()
    life.tell(ev.Stop(), ev.Hurry(0.05), ev.TreeGone())
    assert (life.phase, life.state) == (Phase.DOWN, State.INACTIVE)


def test_a_trigger_finds_it_in_force() -> None:
    """What somebody else's end would start is there already, and is not remembered for later."""
    life = done()
    life.tell(ev.Triggered(DATABASE_FAILED))
    assert life.service.pending == ()


@pytest.mark.parametrize("keys", [{"restart": Restart(RestartPolicy.ALWAYS)}, {"hooks": TIDY}])
def test_whatever_else_it_declares(keys: dict[str, object]) -> None:
    """A restart policy and hooks that run after its end change nothing about that."""
    assert done(**keys).state is State.COMPLETED


def world() -> World:
    """A network that is set up by a oneshot, and who uses it."""
    here = World({"net": service("net", **KEYS), "web": service("web", requires=("net",))})
    here.start("net", "web")
    here.settle()
    here.exit("net")
    here.settle()
    return here


def test_it_is_undone_when_who_requires_it_is_down() -> None:
    """A stop takes the order of the dependencies, for it as for a service."""
    here = world()
    assert (here.state("net"), here.state("web")) == (State.COMPLETED, State.READY)
    here.stop("net")
    assert here.bodies["net"].in_force
    here.exit("web", signal=15)
    here.settle()
    assert not here.bodies["net"].in_force
    assert (here.state("net"), here.state("web")) == (State.INACTIVE, State.INACTIVE)


def test_it_holds_nothing_up_and_is_undone_at_the_end() -> None:
    """When all else has ended the whole is idle, and the shutdown undoes it."""
    here = World({"net": service("net", **KEYS)})
    here.start("net")
    here.settle()
    here.exit("net")
    here.settle()
    assert here.engine.idle and not here.engine.all_down and here.engine.all_ready
    here.shut_down(10.0)
    here.settle()
    assert here.engine.all_down and not here.bodies["net"].in_force


def test_what_is_started_on_success_starts_at_its_completion() -> None:
    """Its completion is an end that counts; its undoing is none."""
    here = World({"net": service("net", on_success=("tell",), **KEYS), "tell": service("tell", enabled=False)})
    here.start("net")
    here.settle()
    here.exit("net")
    here.settle()
    assert here.state("tell") is State.READY
    here.stop("tell")
    here.exit("tell", signal=15)
    here.stop("net")
    here.settle()
    assert (here.state("net"), here.state("tell")) == (State.INACTIVE, State.INACTIVE)


def test_its_exit_is_told_as_long_as_it_is_completed() -> None:
    """How it ended stays to be seen."""
    assert done().service.run_exit == ExitStatus(0)
