"""How a service goes down: the stop sequence, the end of a run, and what follows; part of `lifecycle`'s table.

Every handler is a cell (or several) of that table. Nothing here knows how a service comes up.
"""

from __future__ import annotations

import signal

from asyncinit.config.spec import Restart, Scope
from asyncinit.core import effects as fx
from asyncinit.core import events as ev
from asyncinit.core.budget import UNHURRIED
from asyncinit.core.events import Event, HookStage
from asyncinit.core.move import Move
from asyncinit.core.restart import delay, limit_reached, wants_restart, within_window
from asyncinit.core.service import IS_UP, Phase
from asyncinit.core.status import Code, ExitStatus, Reason, State, reason_of

# What is alive so long after SIGKILL is in the kernel's hands (a hung file system, a driver); waiting longer only
# keeps the shutdown from going on.
KILL_PATIENCE = 5.0
# In a shutdown others wait for their turn, and nothing is started again that could meet what is left.
SHUTDOWN_PATIENCE = 1.0

# The `step` of a stop that begins without the stop signal: the service stops by itself, or has got SIGABRT. 0 is the
# stop signal, n the n-th of `escalate`.
BY_ITSELF = -1


def may_stop(m: Move, event: Event) -> None:
    assert isinstance(event, ev.MayStop)
    m.s.pace = event.pace
    if not m.s.spec.has_process:
        settle(m)
    else:
        begin_stop(m)


def fail_running(m: Move, failure: Reason) -> None:
    """Stop a service that runs, because of `failure`."""
    m.s.failure = m.s.failure or failure
    m.s.reason = failure
    begin_stop(m)


def begin_stop(m: Move) -> None:
    was_up = m.s.phase in IS_UP
    quiet(m)
    hooked = was_up and m.s.main is not None and m.s.spec.hooks.pre_stop
    if not m.s.in_force and not hooked:
        enter_stopping(m)
        return
    stage = HookStage.UNDO if m.s.in_force else HookStage.PRE_STOP
    m.s.in_force = False
    m.enter(Phase.PRE_STOP)
    m.do(ev.DisarmTimer(m.s.name), ev.RunHooks(m.s.name, stage, m.s.pace))


def quiet(m: Move) -> None:
    """Call off what was asked for in the phase that is left."""
    forget_ready(m)
    unguard(m)
    if m.s.phase in {Phase.PREPARING, Phase.POST_START, Phase.PRE_STOP, Phase.RELOADING}:
        m.do(ev.EndHooks(m.s.name))
    m.s.start_deadline = None


def forget_ready(m: Move) -> None:
    if m.s.awaiting_ready:
        m.s.awaiting_ready = False
        m.do(ev.ForgetReady(m.s.name))


def unguard(m: Move) -> None:
    m.s.unhealthy = None
    if m.s.guarded:
        m.s.guarded = False
        m.do(ev.Unguard(m.s.name))


def watchdog_missed(m: Move, event: Event) -> None:
    """It hangs: SIGABRT, so that it may leave a core dump, and its stop timeout for that; then the stop signal."""
    assert isinstance(event, ev.WatchdogMissed)
    s = m.s
    s.failure = s.failure or Reason(Code.WATCHDOG, event.text)
    s.reason = s.failure
    quiet(m)
    m.enter(Phase.STOPPING)
    s.step = BY_ITSELF
    m.arm(m.now + s.pace.of(s.spec.stop.timeout))
    scope = s.spec.stop.scope if s.main is not None else Scope.TREE
    m.do(ev.SendSignal(s.name, signal.SIGABRT, scope), ev.WatchTree(s.name))


def stops_itself(m: Move, _event: Event) -> None:
    """STOPPING=1: it gets its stop timeout to end; then the stop signal as if asked."""
    quiet(m)
    m.enter(Phase.STOPPING)
    m.s.step = BY_ITSELF
    m.arm(m.now + m.s.pace.of(m.s.spec.stop.timeout))
    m.do(ev.WatchTree(m.s.name))


def pre_stop_done(m: Move, _event: Event) -> None:
    enter_stopping(m)


def enter_stopping(m: Move) -> None:
    """Send the first signal (or run the stop command) and wait until nothing is left."""
    s, stop = m.s, m.s.spec.stop
    m.enter(Phase.STOPPING)
    s.step = 0
    m.arm(m.now + s.pace.of(stop.timeout))
    if s.main is None:
        m.do(ev.SendSignal(s.name, stop.signal, Scope.TREE))
    elif stop.command is not None:
        m.do(ev.RunStopCommand(s.name))
    else:
        m.do(ev.SendSignal(s.name, stop.signal, stop.scope))
    m.do(ev.WatchTree(s.name))


def end_run(m: Move, failure: Reason | None) -> None:
    """The main process is gone or never was: end what is left of the service."""
    m.s.failure = m.s.failure or failure
    m.s.reason = m.s.failure if not m.s.leaving else m.s.reason
    quiet(m)
    enter_stopping(m)


def note_exit(m: Move, status: ExitStatus) -> None:
    """The main process is gone, and this is how."""
    m.s.main, m.s.run_exit, m.s.last_exit = None, status, status


def exited_stopping(m: Move, event: Event) -> None:
    """The main process ended during the stop: what is left gets the same signal."""
    assert isinstance(event, ev.Exited)
    s = m.s
    end_unasked(m, event)
    if s.phase is Phase.STOPPING and s.step == BY_ITSELF:
        enter_stopping(m)
    elif s.phase is Phase.STOPPING:
        m.do(ev.SendSignal(s.name, s.spec.stop.signal, Scope.TREE))


def failure_of(m: Move, event: ev.Exited) -> Reason | None:
    """Return why this end of the main process is a bad one, None if it is not."""
    if event.cause is not None:
        return event.cause
    return None if event.status.within(m.s.spec.success_exit) else reason_of(event.status)


def end_unasked(m: Move, event: ev.Exited) -> None:
    """The main process has ended in a stop; where nobody asked for the stop, a bad status is a failure."""
    s = m.s
    note_exit(m, event.status)
    failure = failure_of(m, event)
    if not s.leaving and s.failure is None and failure is not None:
        s.failure = s.reason = failure


def exited_pre_stop(m: Move, event: Event) -> None:
    assert isinstance(event, ev.Exited)
    end_unasked(m, event)
    quiet(m)
    enter_stopping(m)


def newborn(m: Move, event: Event) -> None:
    """Spawned once a stop has begun: the process that was under way gets what the others got."""
    assert isinstance(event, ev.Spawned)
    s = m.s
    s.main = event.pid
    if s.phase is Phase.KILLING:
        m.do(ev.KillTree(s.name))
    elif s.phase is Phase.STOPPING:
        m.do(ev.SendSignal(s.name, s.spec.stop.signal, s.spec.stop.scope))


def main_changed(m: Move, event: Event) -> None:
    assert isinstance(event, ev.MainChanged)
    m.s.main = event.pid


def main_lost(m: Move, _event: Event) -> None:
    """SpawnFailed during a stop: the forked child never became the program."""
    m.s.main = None


def next_step(m: Move, _event: Event) -> None:
    """A step of the stop has run out of time."""
    s, stop = m.s, m.s.spec.stop
    if s.step == BY_ITSELF:
        enter_stopping(m)
    elif s.step < len(stop.escalate):
        further = stop.escalate[s.step]
        s.step += 1
        m.postpone(m.now + s.pace.of(further.timeout))
        m.do(ev.SendSignal(s.name, further.signal, stop.scope if s.main is not None else Scope.TREE))
    else:
        kill(m, KILL_PATIENCE if s.pace == UNHURRIED else s.pace.of(SHUTDOWN_PATIENCE))


def hasten(m: Move, event: Event) -> None:
    """A shutdown has come to a stop that is under way: what is left of it goes at the shutdown's pace."""
    assert isinstance(event, ev.MayStop)
    s, stop = m.s, m.s.spec.stop
    s.pace = event.pace
    if s.phase is Phase.STOPPING and s.step == BY_ITSELF:
        enter_stopping(m)
        return
    if s.phase is Phase.STOPPING:
        limit = s.pace.of(stop.escalate[s.step - 1].timeout if s.step else stop.timeout)
        limit = min(limit, s.deadline - m.now)
    else:
        hooks = s.spec.before_stop if s.phase is Phase.PRE_STOP else s.spec.hooks.post_stop
        limit = sum(s.pace.of(hook.timeout) for hook in hooks)
    m.postpone(m.now + limit)


def extend_stop(m: Move, event: Event) -> None:
    """The service needs longer for this step; what a shutdown has no time for it does not get."""
    assert isinstance(event, ev.ExtendTimeout)
    deadline = min(m.now + event.seconds, event.latest)
    if deadline > m.s.deadline:
        m.postpone(deadline)


def pre_stop_too_slow(m: Move, _event: Event) -> None:
    quiet(m)
    enter_stopping(m)


def kill(m: Move, patience: float) -> None:
    m.s.killed = True
    m.enter(Phase.KILLING)
    m.arm(m.now + patience)
    m.do(ev.KillTree(m.s.name), ev.WatchTree(m.s.name))


def hurry(m: Move, event: Event) -> None:
    assert isinstance(event, ev.Hurry)
    m.s.hurried = True
    quiet(m)
    if not m.s.spec.has_process:
        settle(m)
    else:
        kill(m, event.grace)


def hurry_post_stop(m: Move, event: Event) -> None:
    m.s.hurried = True
    post_stop_too_slow(m, event)


def post_stop_too_slow(m: Move, _event: Event) -> None:
    m.do(ev.EndHooks(m.s.name))
    settle(m)


def undying(m: Move, event: Event) -> None:
    """Something survived SIGKILL: failed, and no restart until it is gone."""
    assert isinstance(event, ev.TimerFired)
    m.s.stuck, m.s.main, m.s.ready_since, m.s.settled = True, None, None, True
    rest(m, State.FAILED, Reason(Code.RESOURCES, event.waiting or "something of it survives SIGKILL"))


def unstuck(m: Move, _event: Event) -> None:
    if m.s.stuck:
        m.s.stuck = False
        m.do(ev.CleanUp(m.s.name))


def tree_gone(m: Move, _event: Event) -> None:
    s = m.s
    if s.main is not None:  # nobody could tell its status
        end_unasked(m, ev.Exited(ExitStatus()))
    if s.in_force and not s.hurried:
        stay_completed(m)
    elif s.spec.hooks.post_stop and not s.hurried:
        m.enter(Phase.POST_STOP)
        m.do(ev.DisarmTimer(s.name), ev.RunHooks(s.name, HookStage.POST_STOP, s.pace))
    else:
        settle(m)


def stay_completed(m: Move) -> None:
    """A oneshot has completed, and counts as that until it is stopped; what it was given it keeps for its undoing."""
    s = m.s
    m.enter(Phase.UP)
    m.do(ev.DisarmTimer(s.name))
    s.rest, s.settled, s.attempt, s.pending = State.COMPLETED, True, 0, ()


def post_stop_done(m: Move, _event: Event) -> None:
    settle(m)


def settle(m: Move) -> None:
    """Nothing is left of this run: decide what comes next."""
    s = m.s
    s.ready_since, s.settled = None, s.settled or not s.leaving
    m.do(ev.DisarmTimer(s.name), ev.CleanUp(s.name))
    if not s.wanted:
        rest(m, State.LISTENING if s.armed else State.INACTIVE, s.reason)
    elif s.leaving:
        s.leaving = False
        m.enter(Phase.WAITING)
    elif s.armed and s.failure is None:
        s.wanted = False
        rest(m, State.LISTENING, None)
    elif wants_restart(s.spec, s.failure, s.run_exit):
        restart(m)
    elif s.failure is None:
        rest(m, State.COMPLETED, None)
    else:
        rest(m, State.FAILED, s.failure)


def restart(m: Move) -> None:
    s, policy = m.s, m.s.spec.restart
    recent = within_window(policy, s.recent, m.now)
    if limit_reached(policy, recent):
        s.recent = recent
        rest(m, State.FAILED, too_often(policy, s.failure))
        return
    s.attempt += 1
    s.restarts += 1
    back_off(m, recent, s.failure)


def too_often(policy: Restart, last: Reason | None) -> Reason:
    """Return why there is no further start."""
    text = f"{policy.limit} restart{'s' if policy.limit != 1 else ''} within {policy.window:g} s"
    if last is not None:
        text += f"; last: {last.text}"
    return Reason(Code.START_LIMIT_HIT, text)


def back_off(m: Move, recent: tuple[float, ...], reason: Reason | None) -> None:
    """Wait before start number `attempt`; `recent` are the earlier ones that count."""
    s, policy = m.s, m.s.spec.restart
    s.recent = (*recent, m.now) if policy.limit is not None else recent
    s.reason = reason
    wait = delay(policy, s.attempt, m.draw)
    m.enter(Phase.BACKOFF)
    s.next_start = m.now + wait
    m.arm(s.next_start)


def backoff_over(m: Move, _event: Event) -> None:
    m.s.next_start = None
    if m.s.wanted:
        m.enter(Phase.WAITING)
    else:  # nobody has connected yet: it could not listen, and tries again
        rest(m, State.LISTENING, None)


def listen_failed(m: Move, event: Event) -> None:
    """Nobody can connect: as after a failed run, but nobody wants it up."""
    assert isinstance(event, ev.ListenFailed)
    if not m.s.listening:
        return
    m.s.failure, m.s.run_exit = event.reason, None
    if wants_restart(m.s.spec, event.reason, None):
        restart(m)
    else:
        rest(m, State.FAILED, event.reason)


def rest(m: Move, rest: State, reason: Reason | None) -> None:
    m.enter(Phase.DOWN)
    m.s.rest, m.s.reason, m.s.leaving = rest, reason, False
    if rest is State.LISTENING:
        m.s.serving = True
        m.do(fx.AwaitConnection(m.s.name))
    elif m.s.serving:
        m.s.serving = False
        m.do(fx.CloseSockets(m.s.name))
