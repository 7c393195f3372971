"""Who belongs to a service, and when nothing of it is left, with real processes."""

from __future__ import annotations

import os
import signal

from asyncinit.config.spec import Scope
from tests.stage import Stage, alive, staged


def stop(stage: Stage, service: str, main: int | None, scope: Scope = Scope.GROUP) -> list[bool]:
    """Do what the core's stop does: the signal, and to wait for the end."""
    stage.ending.signal_scope(service, signal.SIGTERM, scope, main)
    return stage.watch(service)


@staged
def test_a_service_without_leftovers_is_gone_with_its_main_process(stage: Stage) -> None:
    """The end of the main process is the end of a service that has made nothing else."""
    main = stage.family("web", "idle")
    stage.told(main, "idle")
    gone = stop(stage, "web", main)
    stage.until(lambda: gone)
    assert stage.exits[main].signal == signal.SIGTERM
    assert not stage.members.live("web")


@staged
def test_a_child_that_survives_the_leader_keeps_the_service_up(stage: Stage) -> None:
    """A TERM-immune child of a dead leader holds the end back, is found as a member, and is killed."""
    main = stage.family("web", "immune-child")
    (child,) = stage.told(main, "child")
    stage.told(main, "main")
    gone = stop(stage, "web", main)
    stage.until(lambda: main in stage.exits)
    for _ in range(20):
        stage.turn()
    assert not gone and [member.pid for member in stage.members.live("web")] == [child]
    stage.ending.kill_tree("web")
    stage.until(lambda: gone)
    assert not alive(child)


@staged
def test_a_setsid_child_belongs_to_the_service(stage: Stage) -> None:
    """A child that has left the session is signalled when the main process has ended, and waited for."""
    main = stage.family("web", "setsid-child")
    (child,) = stage.told(main, "child")
    stage.told(main, "main")
    gone = stop(stage, "web", main)
    stage.until(lambda: main in stage.exits)
    assert alive(child)
    stage.ending.signal_scope("web", signal.SIGTERM, Scope.GROUP, None)
    stage.until(lambda: gone)
    assert not alive(child)
