"""Requests that somebody waits for: when they are over, and what is answered."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from asyncinit.config.spec import (
    Command,
    Health,
    HealthAction,
    Ready,
    ReadyKind,
    Reload,
    Restart,
    RestartPolicy,
    ServiceSpec,
    ServiceType,
)
from asyncinit.control.types import ActionResult
from asyncinit.core import events as ev
from asyncinit.core.status import Code, Reason, State
from asyncinit.runtime.control.operations import Verb
from asyncinit.runtime.jobs import ActJob
from tests.unit.world import World, service

NEVER = Restart(RestartPolicy.NEVER)


def told(name: str, **keys: object) -> ServiceSpec:
    return service(name, ready=Ready(ReadyKind.NOTIFY), **keys)


class Asked:
    """A world, and one job in it; `look` says whether it is over."""

    def __init__(self, *specs: ServiceSpec, running: bool = False) -> None:
        self.world = World({spec.name: spec for spec in specs})
        self.answers: list[list[ActionResult]] = []
        if running:
            self.world.start(*self.world.bodies)
            self.world.settle()

    def ask(self, verb: Verb, *names: str, affected: Sequence[str] = ()) -> ActJob:
        self.job = ActJob(self.world.engine, verb, names, affected, self.answers.append)
        match verb:
            case Verb.START:
                self.world.start(*names)
            case Verb.STOP:
                self.world.stop(*names)
            case Verb.RESTART:
                self.world.restart(*names)
            case Verb.RELOAD:
                self.world.carry_out(self.world.engine.reload(names, self.world.now))
        return self.job

    def look(self) -> bool:
        self.job.look()
        assert self.job.over == bool(self.answers)
        return self.job.over

    @property
    def answer(self) -> tuple[bool, str, str]:
        """Return the only answer, which must have one result: whether it is well, the state, the words."""
        self.job.look()
        ((result,),) = self.answers
        return result.ok, str(result.state), result.text


def test_a_start() -> None:
    """It is over when the service is ready, not before."""
    asked = Asked(told("web"))
    asked.ask(Verb.START, "web")
    assert not asked.look()
    asked.world.settle()
    assert not asked.look()
    asked.world.ready("web")
    assert asked.answer == (True, "ready", "ready")
    asked.job.look()
    assert len(asked.answers) == 1


def test_a_start_that_waits() -> None:
    """While it waits for what it needs, nobody is answered."""
    asked = Asked(told("db"), service("web", requires=("db",)))
    asked.ask(Verb.START, "web")
    asked.world.settle()
    assert not asked.look()
    asked.world.ready("db")
    asked.world.settle()
    assert asked.answer == (True, "ready", "ready")


@pytest.mark.parametrize("restart", [Restart(), NEVER])
def test_a_start_that_fails(restart: Restart) -> None:
    """It is over at the end of the first attempt, with the reason and with what follows."""
    asked = Asked(told("web", restart=restart))
    asked.ask(Verb.START, "web")
    asked.world.settle()
    asked.world.exit("web", 3)
    assert not asked.look()
    asked.world.settle()
    if restart is NEVER:
        assert asked.answer == (False, "failed", "failed: exited with 3")
    else:
        assert asked.answer == (False, "backoff", "did not start: exited with 3; it is restarted")


def test_a_start_of_a_oneshot() -> None:
    """It is well when it has completed."""
    asked = Asked(service("init", type=ServiceType.ONESHOT, restart=NEVER))
    asked.ask(Verb.START, "init")
    asked.world.settle()
    assert not asked.look()
    asked.world.exit("init", 0)
    asked.world.settle()
    assert asked.answer == (True, "completed", "completed")


def test_a_start_of_what_is_ready() -> None:
    """It is over at once."""
    asked = Asked(service("web"), running=True)
    asked.ask(Verb.START, "web")
    assert asked.answer == (True, "ready", "ready")


def test_a_stop() -> None:
    """It is over when nothing is left, and well, whatever the status."""
    asked = Asked(service("web"), running=True)
    asked.ask(Verb.STOP, "web")
    assert not asked.look()
    asked.world.exit("web", 1)
    assert not asked.look()
    asked.world.settle()
    assert asked.answer == (True, "inactive", "stopped")


def test_a_stop_of_what_does_not_run() -> None:
    """It is well, and says so."""
    asked = Asked(service("web"))
    asked.ask(Verb.STOP, "web")
    assert asked.answer == (True, "inactive", "was not running")


def test_a_stop_that_had_to_kill() -> None:
    """It is well, and says so."""
    asked = Asked(service("web"), running=True)
    asked.ask(Verb.STOP, "web")
    asked.world.advance(5.0)
    asked.world.settle()
    assert asked.answer == (True, "inactive", "stopped; it had to be killed")


def test_a_stop_that_somebody_undoes() -> None:
    """Who asked for it is told, and does not wait for ever."""
    asked = Asked(service("web"), running=True)
    asked.ask(Verb.STOP, "web")
    asked.world.start("web")
    assert asked.answer == (False, "stopping", "started again by another request")


def test_a_stop_of_what_does_not_die() -> None:
    """It has failed, with the reason."""
    asked = Asked(service("web"), running=True)
    asked.ask(Verb.STOP, "web")
    asked.world.advance(10.0)
    ok, state, text = asked.answer
    assert (ok, state) == (False, "failed")
    assert "survives SIGKILL" in text


def test_a_restart() -> None:
    """It is over when it is ready again; being ready still is not enough."""
    asked = Asked(service("db"), service("web", requires=("db",)), running=True)
    asked.ask(Verb.RESTART, "db")
    assert asked.world["db"].main is not None
    assert not asked.look()
    for name in ("web", "db"):
        asked.world.exit(name)
        assert not asked.look()
        asked.world.settle()
    assert asked.answer == (True, "ready", "ready")


def test_several_names() -> None:
    """One answer for all, in the order of the names, when the last one has come to an end."""
    asked = Asked(told("a"), told("b"))
    asked.ask(Verb.START, "b", "a")
    asked.world.settle()
    asked.world.ready("a")
    assert not asked.look()
    asked.world.ready("b")
    asked.job.look()
    assert [[result.name for result in answer] for answer in asked.answers] == [["b", "a"]]


def test_what_is_taken_along() -> None:
    """It has to come to an end too, well or badly, and has no result of its own."""
    asked = Asked(told("db", restart=NEVER), service("web", wants=("db",)))
    asked.ask(Verb.START, "web", affected=["db"])
    asked.world.settle()
    asked.world.exit("db", 1)
    assert not asked.look()
    asked.world.settle()
    assert asked.answer == (True, "ready", "ready")
    assert asked.job.affected == ("db",)


def test_a_reload() -> None:
    """By signal it is over at once; by command when that has ended, and its failure is the answer."""
    asked = Asked(service("web"), running=True)
    asked.ask(Verb.RELOAD, "web")
    assert asked.answer == (True, "ready", "reloaded")
    for failure in (None, Reason(Code.EXIT_CODE, "reload command exited with 1")):
        asked = Asked(service("web", reload=Reload(command=Command(("reload",)))), running=True)
        asked.ask(Verb.RELOAD, "web")
        assert not asked.look()
        asked.world.tell("web", ev.ReloadDone(failure))
        text = "reloaded" if failure is None else f"ready: {failure.text}"
        assert asked.answer == (failure is None, "ready", text)


def test_a_reload_of_what_is_unhealthy() -> None:
    """That it is unhealthy is not the reload's failure; that an earlier reload has failed is not this one's."""
    health = Health(kind=ReadyKind.FILE, address="/x", threshold=1, action=HealthAction.NONE)
    asked = Asked(told("web", health=health), running=True)
    asked.world.ready("web")
    asked.world.tell("web", ev.Probed("no such file"))
    asked.ask(Verb.RELOAD, "web")
    assert asked.answer == (True, "unhealthy", "reloaded")
    asked.world.tell("web", ev.Probed())
    asked.world.tell("web", ev.Reloading())
    asked.world.advance(91.0)
    assert asked.world["web"].reason is not None
    asked.answers.clear()
    asked.ask(Verb.RELOAD, "web")
    assert asked.answer == (True, "ready", "reloaded")


def test_a_reload_of_what_is_not_ready() -> None:
    """It is not begun, and says so."""
    asked = Asked(service("web"))
    asked.ask(Verb.RELOAD, "web")
    assert asked.answer == (False, "inactive", "not reloaded: it is inactive")


def test_a_crash_during_a_reload() -> None:
    """The reload has failed with it."""
    asked = Asked(service("web", reload=Reload(command=Command(("reload",))), restart=NEVER), running=True)
    asked.ask(Verb.RELOAD, "web")
    asked.world.exit("web", 1)
    asked.world.settle()
    assert asked.answer == (False, "failed", "failed: exited with 1")


def test_a_cancelled_job() -> None:
    """Nobody is answered; what was begun goes on."""
    asked = Asked(service("web"))
    asked.ask(Verb.START, "web").cancel()
    asked.world.settle()
    asked.job.look()
    assert asked.job.over
    assert asked.answers == []
    assert asked.world.state("web") is State.READY


def test_a_shutdown_ends_every_job() -> None:
    """Who waits for a start is told that it was stopped."""
    asked = Asked(told("web"))
    asked.ask(Verb.START, "web")
    asked.world.settle()
    asked.world.shut_down(9.0)
    asked.world.exit("web")
    asked.world.settle()
    assert asked.answer == (False, "inactive", "stopped")
