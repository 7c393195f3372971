"""The life of one service: a total table of phases and events; knows no other service, process or clock.

Theory of operation
===================

A service is in one `Phase`. Two wishes stand beside it: `wanted` (somebody wants it up) and `leaving` (it shall go down
now; with `wanted` it comes back afterwards). Start, Stop and Recycle only set the wishes. What is allowed when is the
engine's to say, since it sees the other services: MayStart leads out of WAITING, MayStop begins a stop.

    DOWN --Start--> WAITING --MayStart--> PREPARING --Prepared--> STARTING --> [POST_START] --> UP <--> RELOADING

    PREPARING | STARTING | POST_START --MayStop--> STOPPING
    UP | RELOADING --MayStop--> [PRE_STOP] --> STOPPING --TimerFired--> KILLING
    STOPPING | KILLING --TreeGone--> [POST_STOP] --> DOWN | WAITING | BACKOFF
    STOPPING | KILLING --TreeGone--> UP    (a oneshot that has completed, and is undone when it is stopped)
    BACKOFF --TimerFired--> WAITING

and the short ways, of what has no process, what was called off, what came back and what was cut short:

    WAITING --MayStart--> UP --MayStop--> DOWN | WAITING    (a target)
    DOWN --Triggered--> WAITING | BACKOFF
    WAITING | BACKOFF --Stop--> DOWN --MayStart--> PREPARING | UP
    PREPARING --Unmet--> DOWN | WAITING
    DOWN --ListenFailed--> BACKOFF --TimerFired--> DOWN    (on demand: it listens there, or cannot)
    PREPARING | STARTING | POST_START | UP | RELOADING | PRE_STOP --Hurry--> KILLING --TimerFired--> DOWN

In brackets is what a service without such hooks leaves out. A test holds that this shows what the table can do.

Every run, however it ends, goes through STOPPING: a service is down when nothing of it is left, and a main process that
has ended may have left children. So an end by itself enters STOPPING without a main process, the rest gets the stop
signal, and TreeGone (in the usual case at once, nothing being left) leads on.

At the end of a run `_settle` alone decides what comes next: rest, back-off, or another start. `failure` is why the run
ends badly; the first cause stays, what follows from it does not replace it.

While it is up its health is probed and its WATCHDOG=1 expected (Guard, Unguard). Unhealthy is a mark on UP, see
`staying_up`. That a message asks for more time (ExtendTimeout) moves the deadline of the phase.

Timers: one a service. Every entry to a phase bumps `epoch`; a TimerFired with another epoch is late and dropped before
the table is asked, so that cancelling a timer is an optimisation only.

A declaration may change at any time (Redeclared, Undeclared). A run keeps what it was made with; what holds at once is
taken over at once, the rest between two runs: `Move.enter` is where that is.

The table is total: for each phase and event a handler, IGNORE (it can race: what asked for it is gone) or REJECT (it
cannot happen unless asyncinit is wrong; the engine reports it and goes on).
"""

from __future__ import annotations

from collections.abc import Mapping

from asyncinit.config.spec import ServiceSpec
from asyncinit.core import coming_up as up
from asyncinit.core import effects as fx
from asyncinit.core import events as ev
from asyncinit.core import going_down as down
from asyncinit.core import staying_up as stay
from asyncinit.core import wishes as wish
from asyncinit.core.difference import in_force
from asyncinit.core.events import Effect, Event
from asyncinit.core.move import Handler, Move, ignore, reject
from asyncinit.core.service import GOING_DOWN, IS_UP, WITHOUT_RUN, Phase, Service

ALL_EVENTS: tuple[type[Event], ...] = Event.__args__


def step(service: Service, event: Event, now: float, draw: float) -> tuple[Service, list[Effect]]:
    """Let `event` happen to `service` at `now` (monotonic seconds) and return what it becomes and what shall be done.

    `draw` is a random number in [0, 1) for the restart jitter. Raises TransitionError for an event that cannot happen
    in this phase; the service is unchanged then.
    """
    if isinstance(event, ev.TimerFired) and event.epoch != service.epoch:
        return service, []
    if service.gone and isinstance(event, ev.Start | ev.Recycle | ev.Triggered):
        return service, []  # nobody brings back what is not declared
    if service.gone and service.at_rest and isinstance(event, ev.Stop):
        return service, []  # it is being forgotten
    handler = TABLE[service.phase][type(event)]
    if handler is ignore:
        return service, []
    move = Move(service, now, draw)
    handler(move, event)
    move.announce()
    if move.s.gone and move.s.at_rest and not move.s.stuck:
        move.do(ev.Forget(service.name))
    return move.s, move.effects


# ---------------------------------------------------------------------------------------------------------------------
# Declarations


def _redeclared(m: Move, event: Event) -> None:
    assert isinstance(event, ev.Redeclared)
    s = m.s
    s.gone = False
    s.armed = event.spec.on_demand and (s.wanted or s.armed)
    if s.listening and event.spec.on_demand:
        s.spec = event.spec
        m.do(fx.AwaitConnection(s.name))
    elif s.listening:  # it was to be there for whoever connects, and now is to be there
        s.spec = event.spec
        wish.start_from_rest(m, event)
    elif s.phase in WITHOUT_RUN:
        s.spec, s.next_spec = event.spec, None
    else:
        _adopt(m, in_force(s.spec, event.spec, stopping=s.phase in GOING_DOWN))
        s.next_spec = event.spec if event.spec != s.spec else None


def _undeclared(m: Move, event: Event) -> None:
    assert isinstance(event, ev.Undeclared)
    m.s.gone, m.s.next_spec = True, None
    m.s.spec = event.spec


def _adopt(m: Move, spec: ServiceSpec) -> None:
    if spec != m.s.spec:
        others = m.s.spec.health != spec.health
        m.s.spec = spec
        m.do(ev.Adopt(m.s.name, spec))
        if others and m.s.phase in IS_UP:
            stay.guard_anew(m)


_ALWAYS: Mapping[type[Event], Handler] = {
    ev.Redeclared: _redeclared,
    ev.Undeclared: _undeclared,
    ev.Triggered: wish.remember,  # but at rest
}
"""What may happen in every phase alike."""


# ---------------------------------------------------------------------------------------------------------------------
# The table


def _row(handlers: Mapping[type[Event], Handler], ignored: tuple[type[Event], ...]) -> dict[type[Event], Handler]:
    """Make a row: what has a handler, what is ignored; all else is rejected."""
    row: dict[type[Event], Handler] = dict.fromkeys(ALL_EVENTS, reject)
    row.update(dict.fromkeys(ignored, ignore))
    row.update(_ALWAYS)
    row.update(handlers)
    return row


# Messages of a run that may arrive when it is over: the process wrote them before its end was seen, or the effect that
# asked for them was called off in the same turn.
_LATE: tuple[type[Event], ...] = (
    ev.Prepared,
    ev.Unmet,
    ev.Executed,
    ev.SpawnFailed,
    ev.BecameReady,
    ev.MainChanged,
    ev.Exited,
    ev.TreeGone,
    ev.HooksDone,
    ev.TimerFired,
    ev.Reloading,
    ev.ReloadDone,
    ev.Stopping,
    ev.Hurry,
    ev.Probed,
    ev.WatchdogMissed,
    ev.ExtendTimeout,
)
# Wishes of people and of the engine that find nothing to do.
_MOOT: tuple[type[Event], ...] = (
    ev.MayStart,
    ev.MayStop,
    ev.Listen,
    ev.ListenFailed,
    ev.DependencyFailed,
    ev.ReloadRequested,
)
_NOTHING = _LATE + _MOOT

# What holds in every phase between MayStart and the beginning of a stop.
_COMING: Mapping[type[Event], Handler] = {
    ev.Start: wish.stay_up,
    ev.Stop: wish.want_down,
    ev.Recycle: wish.recycle,
    ev.MayStop: down.may_stop,
    ev.Hurry: down.hurry,
}
# What holds of these once there may be a main process.
_RUNNING: Mapping[type[Event], Handler] = {
    **_COMING,
    ev.MainChanged: down.main_changed,
    ev.SpawnFailed: up.spawn_failed,
    ev.TreeGone: up.nothing_left,
    ev.Exited: up.exited,
    ev.WatchdogMissed: down.watchdog_missed,
}
# What holds of these while it comes up, and once it is up.
_STARTING: Mapping[type[Event], Handler] = {
    **_RUNNING,
    ev.TimerFired: up.start_too_slow,
    ev.ExtendTimeout: up.extend_start,
}
_UP: Mapping[type[Event], Handler] = {**_RUNNING, ev.Stopping: down.stops_itself, ev.Probed: stay.probed}
# What holds in every phase of a stop.
_LEAVING: Mapping[type[Event], Handler] = {
    ev.Start: wish.come_back,
    ev.Stop: wish.want_down,
    ev.Recycle: wish.come_back,
    ev.Hurry: down.hurry,
}
# What holds of these while the tree may live.
_ENDING: Mapping[type[Event], Handler] = {
    **_LEAVING,
    ev.Spawned: down.newborn,
    ev.SpawnFailed: down.main_lost,
    ev.MainChanged: down.main_changed,
    ev.Exited: down.exited_stopping,
    ev.TreeGone: down.tree_gone,
}

TABLE: Mapping[Phase, Mapping[type[Event], Handler]] = {
    Phase.DOWN: _row(
        {
            ev.Start: wish.start_from_rest,
            ev.Triggered: wish.start_triggered,
            ev.Stop: wish.down_at_once,
            ev.Recycle: wish.start_from_rest,
            ev.Listen: wish.listen,
            ev.ListenFailed: down.listen_failed,
            ev.MayStart: up.revive,
            ev.TreeGone: down.unstuck,
        },
        _NOTHING,
    ),
    Phase.WAITING: _row(
        {
            ev.Stop: wish.down_at_once,
            ev.MayStart: up.begin,
            ev.DependencyFailed: up.fail_for_dependency,
            ev.TreeGone: down.unstuck,
        },
        (ev.Start, ev.Recycle, *_NOTHING),
    ),
    Phase.PREPARING: _row(
        {
            **_COMING,
            ev.Prepared: up.prepared,
            ev.Unmet: up.skip,
            ev.TimerFired: up.start_too_slow,
            ev.ExtendTimeout: up.extend_start,
        },
        _NOTHING,
    ),
    Phase.STARTING: _row(
        {
            **_STARTING,
            ev.Spawned: up.spawned,
            ev.Executed: up.executed,
            ev.BecameReady: up.became_ready,
            ev.Exited: up.exited_starting,
        },
        _NOTHING,
    ),
    Phase.POST_START: _row(
        {**_STARTING, ev.HooksDone: up.post_start_done},
        _NOTHING,
    ),
    Phase.UP: _row(
        {
            **_UP,
            ev.Listen: wish.be_idle,
            ev.ReloadRequested: stay.reload,
            ev.Reloading: stay.reloading,
            ev.TimerFired: stay.stable,
        },
        _NOTHING,
    ),
    Phase.RELOADING: _row(
        {
            **_UP,
            ev.BecameReady: stay.reloaded,
            ev.ReloadDone: stay.reloaded,
            ev.TimerFired: stay.reload_too_slow,
            ev.ExtendTimeout: stay.extend_reload,
        },
        _NOTHING,
    ),
    Phase.PRE_STOP: _row(
        {
            **_LEAVING,
            ev.MayStop: down.hasten,
            ev.HooksDone: down.pre_stop_done,
            ev.SpawnFailed: down.main_lost,
            ev.MainChanged: down.main_changed,
            ev.Exited: down.exited_pre_stop,
            ev.TimerFired: down.pre_stop_too_slow,
        },
        _NOTHING,
    ),
    Phase.STOPPING: _row(
        {**_ENDING, ev.MayStop: down.hasten, ev.TimerFired: down.next_step, ev.ExtendTimeout: down.extend_stop},
        _NOTHING,
    ),
    Phase.KILLING: _row(
        {**_ENDING, ev.TimerFired: down.undying},
        _NOTHING,
    ),
    Phase.POST_STOP: _row(
        {
            **_LEAVING,
            ev.MayStop: down.hasten,
            ev.HooksDone: down.post_stop_done,
            ev.TimerFired: down.post_stop_too_slow,
            ev.Hurry: down.hurry_post_stop,
        },
        _NOTHING,
    ),
    Phase.BACKOFF: _row(
        {
            ev.Start: wish.start_now,
            ev.Recycle: wish.start_now,
            ev.Stop: wish.down_at_once,
            ev.TimerFired: down.backoff_over,
        },
        _NOTHING,
    ),
}
