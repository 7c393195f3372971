"""How a service comes up, until it is ready; part of `lifecycle`'s table.

Every handler is a cell (or several) of that table; what ends a run is handed over to `going_down`.
"""

from __future__ import annotations

from asyncinit.config.spec import Handover, ReadyKind, ServiceType
from asyncinit.core import events as ev
from asyncinit.core import going_down, staying_up
from asyncinit.core.budget import UNHURRIED
from asyncinit.core.events import Event, HookStage
from asyncinit.core.move import Move
from asyncinit.core.service import Phase
from asyncinit.core.status import Code, Reason, State


def begin(m: Move, _event: Event) -> None:
    """All that it waited for is there."""
    s = m.s
    s.failure, s.run_exit, s.killed, s.step, s.pace, s.reason = None, None, False, 0, UNHURRIED, None
    s.extended = s.in_force = False
    if not s.spec.has_process:
        ready(m)
        return
    if s.spec.handover is Handover.OVERLAP and not s.generation:
        s.generation = 1  # nothing runs that would know it by another key
    m.enter(Phase.PREPARING)
    s.serving = s.serving or bool(s.spec.sockets)
    s.start_deadline = m.now + s.spec.ready.timeout
    m.arm(s.start_deadline)
    m.do(ev.Prepare(s.name))


def revive(m: Move, event: Event) -> None:
    """What it failed for is there after all."""
    if m.s.revivable:
        m.s.settled = False
        begin(m, event)


def fail_for_dependency(m: Move, event: Event) -> None:
    assert isinstance(event, ev.DependencyFailed)
    m.s.settled, m.s.run_exit = True, None
    going_down.rest(m, State.FAILED, event.reason)


def prepared(m: Move, event: Event) -> None:
    assert isinstance(event, ev.Prepared)
    if event.failure is not None:
        going_down.end_run(m, event.failure)
        return
    m.enter(Phase.STARTING)
    assert m.s.start_deadline is not None
    m.arm(m.s.start_deadline)
    m.do(ev.Spawn(m.s.name))


def skip(m: Move, event: Event) -> None:
    """A condition does not hold: as if it had never been started, and no failure."""
    assert isinstance(event, ev.Unmet)
    s = m.s
    s.start_deadline = None
    if s.leaving:
        going_down.settle(m)
        return
    s.settled, s.pending = True, ()
    m.do(ev.DisarmTimer(s.name), ev.CleanUp(s.name))
    going_down.rest(m, State.INACTIVE, event.reason)


def spawned(m: Move, event: Event) -> None:
    assert isinstance(event, ev.Spawned)
    m.s.main = event.pid
    if m.s.spec.type is not ServiceType.ONESHOT and m.s.spec.ready.kind is not ReadyKind.EXEC:
        m.s.awaiting_ready = True
        m.do(ev.AwaitReady(m.s.name))


def executed(m: Move, _event: Event) -> None:
    if m.s.tells_by_exec:
        became_ready(m, _event)


def spawn_failed(m: Move, event: Event) -> None:
    assert isinstance(event, ev.SpawnFailed)
    m.s.main = None
    going_down.end_run(m, event.reason)


def became_ready(m: Move, _event: Event) -> None:
    """The declared readiness was seen; a oneshot is ready by completing, whatever it says before."""
    if m.s.spec.type is ServiceType.ONESHOT:
        return
    going_down.forget_ready(m)
    if m.s.spec.hooks.post_start:
        run_post_start(m)
    else:
        ready(m)


def run_post_start(m: Move) -> None:
    m.enter(Phase.POST_START)
    assert m.s.start_deadline is not None
    m.arm(m.s.start_deadline)
    m.do(ev.RunHooks(m.s.name, HookStage.POST_START))


def post_start_done(m: Move, event: Event) -> None:
    assert isinstance(event, ev.HooksDone)
    if m.s.spec.type is ServiceType.ONESHOT:
        complete(m, event.failure)
    elif event.failure is not None:
        going_down.fail_running(m, event.failure)
    else:
        ready(m)


def ready(m: Move) -> None:
    s = m.s
    m.enter(Phase.UP)
    s.ready_since, s.settled = m.now, True
    if s.attempt:
        m.arm(m.now + s.spec.restart.reset_after)
    elif s.start_deadline is not None:
        m.do(ev.DisarmTimer(s.name))
    s.start_deadline = None
    staying_up.guard(m)


def extend_start(m: Move, event: Event) -> None:
    assert isinstance(event, ev.ExtendTimeout)
    assert m.s.start_deadline is not None
    if m.now + event.seconds > m.s.start_deadline:
        m.s.start_deadline, m.s.extended = m.now + event.seconds, True
        m.postpone(m.s.start_deadline)


def start_too_slow(m: Move, event: Event) -> None:
    assert isinstance(event, ev.TimerFired)
    limit = "the time that it asked for" if m.s.extended else f"{m.s.spec.ready.timeout:g} s"
    text = f"not ready within {limit}" + (f": {event.waiting}" if event.waiting else "")
    going_down.fail_running(m, Reason(Code.TIMEOUT, text))


def exited_starting(m: Move, event: Event) -> None:
    assert isinstance(event, ev.Exited)
    s = m.s
    going_down.note_exit(m, event.status)
    failure = going_down.failure_of(m, event)
    good = failure is None
    if good and s.spec.ready.has(ReadyKind.PID_FILE):
        # The launcher of a daemon that forks: the pid file names the main process to come, unless nothing is left.
        m.do(ev.WatchTree(s.name))
        return
    if good and s.spec.type is not ServiceType.ONESHOT:
        going_down.end_run(m, Reason(Code.PROTOCOL, f"{event.status} before it was ready"))
    elif good and s.spec.hooks.post_start:
        run_post_start(m)
    else:
        complete(m, failure)


def complete(m: Move, failure: Reason | None) -> None:
    """A oneshot has done its work, or has failed to; what it has left running is ended either way."""
    m.s.in_force = failure is None and m.s.spec.is_undone
    going_down.end_run(m, failure)


def nothing_left(m: Move, _event: Event) -> None:
    """TreeGone while it should run: the main process to come died, or one that was not our child ended."""
    if m.s.main is None and not m.s.stays_completed:
        text = "ended before it was ready" if m.s.phase is Phase.STARTING else "ended with unknown status"
        going_down.end_run(m, Reason(Code.PROTOCOL, text))


def exited(m: Move, event: Event) -> None:
    """The main process ended by itself (nobody had begun to stop it)."""
    assert isinstance(event, ev.Exited)
    going_down.note_exit(m, event.status)
    going_down.end_run(m, going_down.failure_of(m, event))
