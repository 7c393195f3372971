"""What people and the engine want of a service: up, down, anew, listening; part of `lifecycle`'s table.

Every handler is a cell (or several) of that table. A wish begins nothing that others could object to: when a start or a
stop may begin is the engine's to say.
"""

from __future__ import annotations

from asyncinit.config.spec import ServiceType
from asyncinit.core import effects as fx
from asyncinit.core import events as ev
from asyncinit.core import going_down as down
from asyncinit.core.events import Event
from asyncinit.core.move import Move
from asyncinit.core.restart import TRIGGER_WINDOW, limit_reached, triggered, within_window
from asyncinit.core.service import Phase
from asyncinit.core.status import Code, Reason, State

MOST_PENDING = 100
"""Ends of others that a service remembers while it runs for one."""


def start_from_rest(m: Move, _event: Event) -> None:
    """Start, or Recycle, at rest: everything of earlier lives is forgotten."""
    if m.s.listening:
        m.do(fx.ForgetConnection(m.s.name))
        m.s.triggers, too_many = triggered(m.s.triggers, m.now)
        if too_many:
            text = f"{len(m.s.triggers)} starts by connections within {TRIGGER_WINDOW:g} s; it ends without taking them"
            down.rest(m, State.FAILED, Reason(Code.START_LIMIT_HIT, text))
            return
    m.s.wanted, m.s.leaving, m.s.armed = True, False, m.s.spec.on_demand
    m.s.attempt, m.s.recent, m.s.settled, m.s.hurried = 0, (), False, False
    m.s.reason, m.s.run_exit, m.s.follows = None, None, None
    m.enter(Phase.WAITING)
    if m.s.spec.sockets:
        m.s.serving = True
        m.do(fx.OpenSockets(m.s.name))


def start_triggered(m: Move, event: Event) -> None:
    """Start because another service has ended; soon after the last time like an automatic restart.

    So services that start each other in a circle keep to their own back-off and limit.
    """
    assert isinstance(event, ev.Triggered)
    s, restart = m.s, m.s.spec.restart
    trigger = event.trigger
    if trigger is None and s.pending:
        trigger, s.pending = s.pending[0], s.pending[1:]
    if trigger is None:
        return
    soon = s.follows_at is not None and m.now - s.follows_at < restart.reset_after
    recent = within_window(restart, s.recent, m.now) if soon else ()
    attempt = s.attempt + 1 if soon else 0
    if soon and limit_reached(restart, recent):
        s.pending = ()
        if s.listening:
            m.do(fx.ForgetConnection(s.name))
        down.rest(m, State.FAILED, down.too_often(restart, s.reason))
        return
    start_from_rest(m, event)
    s.follows, s.follows_at = trigger, m.now
    if soon and s.phase is Phase.WAITING:  # else it was refused
        s.attempt = attempt
        down.back_off(m, recent, Reason(trigger.code, f"started again soon, for {trigger.service}", trigger.service))


def remember(m: Move, event: Event) -> None:
    """Triggered while it runs: a oneshot runs once more for it; anything else is there already, or in force."""
    assert isinstance(event, ev.Triggered)
    s = m.s
    again = s.spec.type is ServiceType.ONESHOT and not s.stays_completed
    if event.trigger is not None and s.wanted and again and len(s.pending) < MOST_PENDING:
        s.pending = (*s.pending, event.trigger)


def start_now(m: Move, _event: Event) -> None:
    """Start in BACKOFF: a person's wish overrides the wait."""
    m.s.next_start = None
    m.do(ev.DisarmTimer(m.s.name))
    start_from_rest(m, _event)


def stay_up(m: Move, _event: Event) -> None:
    """Start before a stop has begun: it is called off; a restart is not, it ends in what is wanted.

    Where the declaration has become another process's since, the stop becomes a restart.
    """
    if not m.s.wanted:
        m.s.wanted, m.s.leaving, m.s.reason = True, m.s.outdated, m.s.unhealthy
        m.s.armed = m.s.spec.on_demand  # which the stop had ended


def come_back(m: Move, _event: Event) -> None:
    """Start or Recycle while a stop is under way: up again once it is down."""
    m.s.wanted, m.s.leaving, m.s.settled, m.s.armed = True, True, False, m.s.spec.on_demand


def want_down(m: Move, event: Event) -> None:
    """Stop while something of it runs."""
    assert isinstance(event, ev.Stop)
    m.s.wanted, m.s.leaving, m.s.armed, m.s.reason, m.s.pending = False, True, False, event.reason, ()


def listen(m: Move, event: Event) -> None:
    """Listen at rest: be armed. What listens already does so with what is declared by now."""
    assert isinstance(event, ev.Listen)
    if m.s.spec.on_demand and not m.s.stuck:
        m.s.wanted, m.s.settled, m.s.armed, m.s.triggers = False, True, True, ()
        down.rest(m, State.LISTENING, event.reason)


def be_idle(m: Move, event: Event) -> None:
    """Listen while it is ready: nobody uses it, so it goes down, and listens."""
    assert isinstance(event, ev.Listen)
    if m.s.spec.on_demand and not m.s.leaving:
        m.s.wanted, m.s.leaving, m.s.armed, m.s.reason = False, True, True, event.reason


def down_at_once(m: Move, event: Event) -> None:
    """Stop where nothing runs: in WAITING, BACKOFF, or at rest after a completion."""
    assert isinstance(event, ev.Stop)
    m.do(ev.DisarmTimer(m.s.name))
    if m.s.listening:
        m.do(fx.ForgetConnection(m.s.name))
    if m.s.serving:
        m.s.serving = False
        m.do(fx.CloseSockets(m.s.name))
    m.s.wanted, m.s.leaving, m.s.next_start, m.s.settled, m.s.armed = False, False, None, True, False
    m.s.pending = ()
    if not (m.s.phase is Phase.DOWN and m.s.rest is State.FAILED):
        m.s.rest, m.s.reason = State.INACTIVE, event.reason
    m.enter(Phase.DOWN)


def recycle(m: Move, event: Event) -> None:
    """Recycle before a stop has begun."""
    assert isinstance(event, ev.Recycle)
    m.s.wanted, m.s.leaving, m.s.settled, m.s.armed = True, True, False, m.s.spec.on_demand
    m.s.reason = event.reason
