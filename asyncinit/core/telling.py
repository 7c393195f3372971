"""What there is to say of a service that has changed, in words for people; pure, knows no sink."""

from __future__ import annotations

from collections.abc import Sequence

from asyncinit.config.spec import LogLevel
from asyncinit.core.effects import HandedOver, HandoverStage
from asyncinit.core.events import Announce
from asyncinit.core.phrases import duration, few
from asyncinit.core.service import Service
from asyncinit.core.status import Code, ExitStatus, State

_READY_BEFORE = frozenset({State.RELOADING, State.UNHEALTHY})
"""States of a service that is ready for others all the same."""


def transition(  # noqa: PLR0912 - one branch a state
    service: Service, effect: Announce, took: float, now: float, waits: Sequence[str] = ()
) -> tuple[str, LogLevel]:
    """Return the line for a service that has changed its state, and how important it is.

    `took` is how long that took in seconds: the start until ready or completed, else the state before. `waits` are the
    services that it waits for.
    """
    new = effect.new
    reason = service.reason.text if service.reason is not None else ""
    because = f": {reason}" if reason else ""
    match new:
        case State.READY | State.UNHEALTHY if effect.old is State.RELOADING and service.reason != service.unhealthy:
            text, level = f"reload failed after {duration(took)}{because}", LogLevel.WARNING
        case State.READY:
            text, level = _ready(service, effect.old, took) + because, LogLevel.INFO
        case State.COMPLETED:
            text, level = f"completed after {duration(took)}", LogLevel.INFO
        case State.FAILED:
            text, level = f"failed: {reason or 'unknown reason'}", LogLevel.ERROR
        case State.BACKOFF:
            wait = (service.next_start or now) - now
            when = f"in {duration(wait)}" if wait > 0 else "at once"
            text = f"{reason or _status(service.run_exit)}; restart {service.attempt} {when}"
            level = LogLevel.WARNING
        case State.INACTIVE:
            how = f" ({service.run_exit})" if service.run_exit is not None else ""
            if service.skipped:
                return f"skipped: {reason}", LogLevel.INFO
            timed = effect.old is State.STOPPING and service.spec.has_process
            after = f" after {duration(took)}" if timed else ""
            text = f"stopped{after}{how}" + ("; had to be killed" if service.killed else "")
            level = LogLevel.WARNING if service.killed else LogLevel.INFO
            if effect.old in {State.COMPLETED, State.LISTENING}:
                text, level = f"no longer {effect.old}", LogLevel.DEBUG
        case State.LISTENING:
            ended = f"stopped after {duration(took)}; " if effect.old is State.STOPPING else ""
            text, level = f"{ended}listening on {few([str(one) for one in service.spec.sockets])}", LogLevel.INFO
        case State.STOPPING:
            once = f", once {few(waits)} {'is' if len(waits) == 1 else 'are'} down" if waits else ""
            for_change = service.reason is not None and service.reason.code is Code.WATCH
            text, level = f"{'restarting' if for_change else 'stopping'}{because}{once}", LogLevel.INFO
        case State.RELOADING:
            text, level = "reloading", LogLevel.INFO
        case State.WAITING if effect.old is State.STOPPING:
            text = f"stopped after {duration(took)}" + ("; had to be killed" if service.killed else "")
            level = LogLevel.WARNING if service.killed else LogLevel.INFO
        case State.STARTING | State.WAITING:
            text, level = f"{new}{because}", LogLevel.DEBUG
        case State.UNHEALTHY:
            text, level = f"unhealthy{because}", LogLevel.WARNING
    return text, level


def handover(effect: HandedOver) -> tuple[str, LogLevel]:
    """Return the line for a restart without a gap, and how important it is."""
    match effect.stage:
        case HandoverStage.BEGUN:
            return f"another instance is started; pid {effect.pid} goes on until that is ready", LogLevel.INFO
        case HandoverStage.TAKEN_OVER:
            return f"pid {effect.pid} takes over from pid {effect.other}, which is stopped", LogLevel.INFO
        case HandoverStage.FAILED:
            why = effect.reason.text if effect.reason is not None else "unknown reason"
            return f"the other instance did not get ready: {why}; pid {effect.pid} goes on", LogLevel.WARNING
        case HandoverStage.UNDYING:
            why = effect.reason.text if effect.reason is not None else "something of it is still alive"
            return f"the instance before does not end: {why}", LogLevel.ERROR
        case HandoverStage.DRAINED:
            killed = "; had to be killed" if effect.killed else ""
            text = f"the instance before stopped after {duration(effect.took)}{killed}"
            return text, LogLevel.WARNING if effect.killed else LogLevel.INFO


def _ready(service: Service, old: State, took: float) -> str:
    if old is State.STOPPING:
        return "stays ready: the stop was called off"
    if old is State.RELOADING:
        return f"reloaded after {duration(took)}"
    if old is State.UNHEALTHY:
        return f"healthy again after {duration(took)}"
    if not service.spec.has_process:
        return "ready"
    pid = f"pid {service.main}, " if service.main is not None else ""
    return f"ready ({pid}after {duration(took)})"


def _status(status: ExitStatus | None) -> str:
    return str(status) if status is not None else "ended"


def outcome(service: Service) -> str:
    """Return what came of a request for one service, after its name: "ready", "failed: exited with 1"."""
    reason = f": {service.reason.text}" if service.reason is not None else ""
    if service.state is State.BACKOFF:
        return f"did not start{reason or ': ' + _status(service.run_exit)}; it is restarted"
    if service.state is State.INACTIVE and service.killed:
        return "stopped; it had to be killed"
    if service.skipped:
        return f"skipped{reason}"
    if service.state is State.INACTIVE:
        return f"stopped{reason}"
    if service.state is State.LISTENING:
        return f"listening{reason}"
    return f"{service.state}{reason}"


def is_whole_start(effect: Announce) -> bool:
    """Tell whether this change ends a start, which then is what took its time."""
    return effect.new in {State.READY, State.COMPLETED} and effect.old not in _READY_BEFORE


def began(service: Service, effect: Announce, moment: float, begun: float) -> float:
    """Return since when what this change ends went on: `begun` is when the last start began, `moment` the last change.

    A wait for others to be down is no part of a stop.
    """
    if is_whole_start(effect):
        return begun
    if effect.old is State.STOPPING and service.stop_begun is not None:
        return service.stop_begun
    return moment


def told_by_what_follows(service: Service, effect: Announce) -> bool:
    """Tell whether this change is one step of a story whose next line says it all."""
    by_itself = effect.new is State.STOPPING and not service.leaving and service.main is None
    if not service.spec.has_process and effect.new is State.STOPPING:
        return True
    if effect.old is State.UNHEALTHY and effect.new is State.STOPPING and not service.leaving:
        return True
    return by_itself or (effect.old is State.BACKOFF and effect.new is State.WAITING)
