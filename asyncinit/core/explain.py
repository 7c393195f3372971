"""Why a service is in its state, and what would happen next, in words for people. Pure: reads the engine alone.

An explanation is a chain: the service that was asked for, then those that it waits for or that are its cause, each
once, nearest first, down to those that wait for nobody. What follows is told from the far end of the chain: what has to
happen there first, then step by step what that leads to. Every state has its words; a test holds the table total.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from asyncinit.config.spec import GiveUp, ReadyKind, ServiceType
from asyncinit.core.engine import Engine
from asyncinit.core.going_down import BY_ITSELF
from asyncinit.core.phrases import duration, few, ordinal
from asyncinit.core.restart import delay, limit_reached, wants_restart, within_window
from asyncinit.core.service import STOPPABLE, Phase, Service
from asyncinit.core.status import Code, Reason, State, signal_name

# So many services of a chain are explained, and so many steps of what follows are told; a person reads no more.
_LINKS = 20
_STEPS = 12

_DOING: Mapping[State, str] = {
    State.INACTIVE: "down",
    State.WAITING: "waiting itself",
    State.BACKOFF: "in backoff",
}
_STOP_PHASES: Mapping[Phase, str] = {
    Phase.PRE_STOP: "its pre_stop hooks run",
    Phase.KILLING: "SIGKILL was sent to all that is left of it",
    Phase.POST_STOP: "nothing of it is left, and its post_stop hooks run",
}
_KEYS = (("requires", "requires"), ("binds_to", "is bound to"), ("wants", "wants"), ("after", "starts after"))


Lookup = Callable[[str], str | None]


class Link(Struct, frozen=True):
    """One service of the chain; `text` reads after its name: "is waiting: requires db, which is in backoff"."""

    service: str
    state: State
    text: str


class Explanation(Struct, frozen=True):
    """The chain, beginning with the service itself, and the steps that would follow, in order."""

    chain: tuple[Link, ...]
    next: tuple[str, ...]
    more: int = 0
    """So many further services of the chain are not explained."""


def explain(
    engine: Engine,
    name: str,
    now: float,
    *,
    obstacle: Lookup = lambda _name: None,
    trigger: Lookup = lambda _name: None,
) -> Explanation:
    """Explain the state of `name` at `now`.

    The core does not know all: `obstacle` gives what a starting service's readiness waits for ("tcp 127.0.0.1:8080:
    connection refused"), `trigger` what will start one that is at rest ("in 3 h its timer starts backup").
    """
    order, more = _chain(engine, name)
    view = _View(engine, now, obstacle, trigger)
    links = tuple(Link(one, engine.services[one].state, view.state_of(engine.services[one])) for one in order)
    steps: dict[str, None] = {}
    # What has to come first is at the far end of the chain, but a stop that goes on waits for nobody there.
    goes_on = engine.services[name].state is State.STOPPING and not engine.waiting_on(name)
    for one in order if goes_on else reversed(order):
        steps.update(dict.fromkeys(view.next_of(engine.services[one])))
    steps.update(dict.fromkeys(view.released_by(engine.services[name])))
    return Explanation(links, tuple(steps)[:_STEPS], more)


def _chain(engine: Engine, name: str) -> tuple[list[str], int]:
    """Return `name` and all that is the cause of its state, nearest first, and how many are left out."""
    order: dict[str, None] = {name: None}
    queue = [name]
    for current in queue:
        for other in _causes(engine, current):
            if other not in order:
                order[other] = None
                queue.append(other)
    return queue[:_LINKS], max(0, len(queue) - _LINKS)


def _causes(engine: Engine, name: str) -> list[str]:
    """Return the services to which the state of `name` leads back at once."""
    service = engine.services[name]
    held = engine.waiting_on(name)
    if held:
        return held
    reason = service.reason
    blamed = reason is not None and reason.service in engine.services and service.state is not State.READY
    return [reason.service] if blamed and reason is not None and reason.service is not None else []


class _View:
    """The engine at one moment, put into words."""

    def __init__(self, engine: Engine, now: float, obstacle: Lookup, trigger: Lookup) -> None:
        self._engine = engine
        self._now = now
        self._obstacle = obstacle
        self._trigger = trigger

    # -----------------------------------------------------------------------------------------------------------------
    # What it is

    def state_of(self, service: Service) -> str:
        """Return what a service is and why, to be read after its name."""
        return STATES[service.state](self, service)

    def waiting(self, service: Service) -> str:
        held = self._engine.waiting_on(service.name)
        if held:
            return f"is waiting: {self._edges(service, held)}"
        if service.stuck:
            return "is waiting: something of its last run survives SIGKILL"
        if self._engine.shutting_down:
            return "is waiting, and asyncinit is shutting down"
        return "is waiting, and is about to start"

    def _edges(self, service: Service, others: list[str]) -> str:
        """Return by which keys and for what `service` waits for `others`."""
        texts = [f"{self._edge(service, other)}, which {self._doing(other)}" for other in others[:2]]
        more = len(others) - len(texts)
        return "; ".join(texts) + (f"; and for {more} more" if more else "")

    def _edge(self, service: Service, other: str) -> str:
        if other in self._engine.graph.before[service.name] and other not in self._engine.graph.after[service.name]:
            return f"it starts before {other}"
        for key, words in _KEYS:
            if other in getattr(service.spec, key):
                return f"{words} {other}"
        return f"starts after {other}"

    def _doing(self, name: str) -> str:
        other = self._engine.services[name]
        if other.state is State.FAILED:
            return "has failed"
        if other.state is State.COMPLETED:
            return "has ended"
        return f"is {_DOING.get(other.state, other.state.value)}"

    def starting(self, service: Service) -> str:
        ready = service.spec.ready.kind
        match service.phase:
            case Phase.PREPARING:
                hooks = " and its pre_start hooks run" if service.spec.hooks.pre_start else ""
                return f"is starting: its user, environment and directories are looked up{hooks}"
            case Phase.POST_START:
                return "is starting: its post_start hooks run"
            case _ if service.main is None and ready is ReadyKind.PID_FILE:
                return "is starting: its launcher has ended, and the pid file has to name its main process"
            case _ if service.main is None:
                return "is starting: its process is being made"
        runs = f"pid {service.main} runs"
        if service.spec.type is ServiceType.ONESHOT:
            return f"is starting: {runs}, and completes it by exiting with success"
        waiting = self._obstacle(service.name)
        what = f"waits for {waiting}" if waiting else "is not ready yet"
        return f"is starting: {runs} and {what}"

    def ready(self, service: Service) -> str:
        if service.spec.type is ServiceType.TARGET:
            return "is ready: all that it needs is there"
        pid = f" (pid {service.main})" if service.main is not None else ""
        since = service.ready_since
        if since is None:
            return f"is ready{pid}"
        return f"has been ready for {duration(max(0.0, self._now - since))}{pid}"

    def unhealthy(self, service: Service) -> str:
        return "is up, but unhealthy" + _because(service.reason)

    def reloading(self, _service: Service) -> str:
        return "is up, and reads its configuration again"

    def stopping(self, service: Service) -> str:
        why = self._why_stopping(service)
        held = self._engine.waiting_on(service.name)
        if held and service.phase in STOPPABLE:
            verb = "is" if len(held) == 1 else "are"
            return f"is stopping{why}: {few(held)}, which started after it, {verb} not down yet"
        return f"is stopping{why}: {self._stop_step(service)}"

    def _why_stopping(self, service: Service) -> str:
        if service.failure is not None and not service.leaving:
            return f" because it failed ({service.failure.text})"
        if service.reason is not None:
            if service.reason.service is None:
                return f" ({service.reason.text})"
            verb = "it" if service.reason.text.startswith("requires") else "it is"
            return f" because {verb} {service.reason.text}"
        if service.leaving and service.wanted:
            return " to be restarted"
        return " with asyncinit" if self._engine.shutting_down else ""

    def _stop_step(self, service: Service) -> str:
        if service.phase is not Phase.STOPPING:
            return _STOP_PHASES.get(service.phase, "it is about to begin")
        stop = service.spec.stop
        if service.step == BY_ITSELF:
            return "it said that it ends by itself"
        if service.step == 0 and stop.command is not None and service.main is not None:
            return "its stop command was run, and it has not ended yet"
        signal = stop.signal if service.step == 0 else stop.escalate[service.step - 1].signal
        left = "its main process has" if service.main is not None else "what is left of it has"
        return f"{left} got {signal_name(signal)} and not ended yet"

    def backoff(self, service: Service) -> str:
        why = service.reason.text if service.reason is not None else "ended"
        times = f", for the {ordinal(service.attempt)} time in a row" if service.attempt > 1 else ""
        return f"is in backoff: {why}{times}"

    def completed(self, service: Service) -> str:
        how = f": {service.run_exit}" if service.run_exit is not None else ""
        return f"has completed{how}"

    def failed(self, service: Service) -> str:
        return "has failed" + _because(service.reason)

    def inactive(self, service: Service) -> str:
        if service.skipped and service.reason is not None:
            return f"is down: it was skipped, because a condition does not hold ({service.reason.text})"
        if service.reason is not None:
            return f"is down: {service.reason.text}"
        if service.epoch:
            return "is down: it was stopped on request" + (f" ({service.run_exit})" if service.run_exit else "")
        if not service.spec.enabled:
            return "is down: it is not enabled, and nobody has started it"
        return "is down: it was never started"

    # -----------------------------------------------------------------------------------------------------------------
    # What follows

    def next_of(self, service: Service) -> Iterator[str]:
        """Yield what has to happen to a service, and what then becomes of it."""
        yield from NEXT[service.state](self, service)

    def released_by(self, service: Service) -> Iterator[str]:
        """Yield what the others do that wait for a service."""
        if service.state is State.STOPPING:
            below = [n for n in self._engine.graph.after[service.name] if self._waits_to_stop(n, service.name)]
            if below:
                yield f"then {few(below)} may stop"
        above = [n for n in self._engine.graph.before[service.name] if self._waits_to_start(n, service.name)]
        if above and not self._engine.shutting_down:
            yield f"then {few(above)} may start"

    def _waits_to_start(self, name: str, other: str) -> bool:
        return self._engine.services[name].phase is Phase.WAITING and other in self._engine.waiting_on(name)

    def _waits_to_stop(self, name: str, other: str) -> bool:
        service = self._engine.services[name]
        return service.leaving and service.phase in STOPPABLE and other in self._engine.waiting_on(name)

    def _in(self, deadline: float) -> str:
        left = deadline - self._now
        return f"in {duration(left)}" if left > 0 else "now"

    def _nothing(self, _service: Service) -> Iterator[str]:
        yield from ()

    def _start_when_free(self, service: Service) -> Iterator[str]:
        held = self._engine.waiting_on(service.name)
        if self._engine.shutting_down or not held:
            return
        coming = [n for n in held if n in self._engine.graph.after[service.name]]
        if coming:
            verb = "is" if len(coming) == 1 else "are"
            done = "there" if len(coming) > 1 else _goal(self._engine.services[coming[0]], service)
            yield f"once {few(coming)} {verb} {done}, {service.name} is started"
        else:
            yield f"once {few(held)} {'is' if len(held) == 1 else 'are'} down, {service.name} is started"

    def _time_limit(self, service: Service) -> Iterator[str]:
        if service.start_deadline is not None and service.start_deadline < math.inf:
            late = Reason(Code.TIMEOUT, "")
            yield (
                f"{self._in(service.start_deadline)}, if {service.name} is not ready by then, it is stopped, "
                f"and {self._after_failure(service, late)}"
            )

    def _stability(self, service: Service) -> Iterator[str]:
        if service.attempt and service.phase is Phase.UP and service.deadline > self._now:
            yield f"{self._in(service.deadline)} {service.name} counts as stable, and its backoff starts over"
        if service.spec.type is not ServiceType.TARGET:
            failed = Reason(Code.EXIT_CODE, "")
            yield f"should {service.name} fail, {self._after_failure(service, failed)}"

    def _after_failure(self, service: Service, failure: Reason) -> str:
        """Return what a failure now would lead to, by the service's own policy."""
        policy = service.spec.restart
        if not wants_restart(service.spec, failure, None):
            shuts_down = " and asyncinit shuts down" if service.spec.essential else self._give_up(service)
            return f"it has failed for good{shuts_down}"
        if limit_reached(policy, within_window(policy, service.recent, self._now)):
            return f"it has failed for good (the limit of {policy.limit} restarts is reached){self._give_up(service)}"
        wait = delay(policy, service.attempt + 1, 0.0)
        return f"it is restarted {'after ' + duration(wait) if wait else 'at once'}"

    def _give_up(self, service: Service) -> str:
        give_up = service.spec.restart.on_give_up
        return "" if give_up is GiveUp.NONE else f", which ends in {give_up.value} (on_give_up)"

    def _stop_goes_on(self, service: Service) -> Iterator[str]:
        name, stop = service.name, service.spec.stop
        held = self._engine.waiting_on(name)
        if held and service.phase in STOPPABLE:
            yield f"once {few(held)} {'is' if len(held) == 1 else 'are'} down, {name} gets {signal_name(stop.signal)}"
        elif service.phase is Phase.STOPPING and service.deadline < math.inf:
            yield f"{self._in(service.deadline)}, if something of {name} is left, {self._next_signal(service)}"
        elif service.phase is Phase.KILLING:
            yield f"{self._in(service.deadline)}, if something of {name} survives, it counts as failed"
        if service.gone:
            yield f"when nothing of {name} is left, it is forgotten: it is not declared any more"
        elif not service.wanted:
            yield f"when nothing of {name} is left, it is down"
        elif service.leaving:
            yield f"when nothing of {name} is left, it is started again"
        elif service.failure is not None:
            yield f"when nothing of {name} is left, {self._after_failure(service, service.failure)}"

    def _next_signal(self, service: Service) -> str:
        stop = service.spec.stop
        if service.step == BY_ITSELF:
            return f"it gets {signal_name(stop.signal)}"
        if service.step < len(stop.escalate):
            return f"it gets {signal_name(stop.escalate[service.step].signal)}"
        return "it gets SIGKILL"

    def _start_again(self, service: Service) -> Iterator[str]:
        policy = service.spec.restart
        left = None if policy.limit is None else policy.limit - len(within_window(policy, service.recent, self._now))
        limit = "" if left is None else f", {max(left, 0)} left of {policy.limit} in {duration(policy.window)}"
        when = self._now if service.next_start is None else service.next_start
        yield f"{self._in(when)} {service.name} is started again (restart {service.attempt}{limit})"

    def _rest_failed(self, service: Service) -> Iterator[str]:
        if self._engine.shutting_down:
            return
        if service.stuck:
            yield f"{service.name} cannot be started before that process is gone"
        elif service.revivable and service.reason is not None and service.reason.service:
            cause = self._engine.services.get(service.reason.service)
            goal = _goal(cause, service) if cause is not None else "there"
            yield f"once {service.reason.service} is {goal}, {service.name} starts by itself"
        else:
            yield self._trigger(service.name) or f"nothing by itself; `asyncinit start {service.name}` starts it"

    def _rest_completed(self, service: Service) -> Iterator[str]:
        trigger = self._trigger(service.name)
        if trigger is not None and not self._engine.shutting_down:
            yield trigger

    def _rest_down(self, service: Service) -> Iterator[str]:
        if self._engine.shutting_down:
            return
        trigger = self._trigger(service.name)
        if trigger is not None:
            yield trigger
            return
        who = [n for n, needs in self._engine.graph.needs.items() if service.name in needs]
        by = f", and so does starting {few(who)}" if who else ""
        yield f"nothing by itself; `asyncinit start {service.name}` starts it{by}"


def _because(reason: Reason | None) -> str:
    return f": {reason.text}" if reason is not None else ""


def _goal(other: Service, service: Service) -> str:
    """Return what `service` waits for `other` to be."""
    hard = other.name in (*service.spec.requires, *service.spec.binds_to)
    state = "completed" if other.spec.type is ServiceType.ONESHOT else "ready"
    return state if hard else f"{state} or has failed"


STATES: Mapping[State, Callable[[_View, Service], str]] = {
    State.INACTIVE: _View.inactive,
    State.LISTENING: lambda _view, service: f"is down until somebody connects{_because(service.reason)}",
    State.WAITING: _View.waiting,
    State.STARTING: _View.starting,
    State.READY: _View.ready,
    State.UNHEALTHY: _View.unhealthy,
    State.RELOADING: _View.reloading,
    State.STOPPING: _View.stopping,
    State.BACKOFF: _View.backoff,
    State.COMPLETED: _View.completed,
    State.FAILED: _View.failed,
}
NEXT: Mapping[State, Callable[[_View, Service], Iterator[str]]] = {
    State.INACTIVE: _View._rest_down,
    State.LISTENING: lambda _view, service: iter([f"the next connection starts {service.name}"]),
    State.WAITING: _View._start_when_free,
    State.STARTING: _View._time_limit,
    State.READY: _View._stability,
    State.UNHEALTHY: _View._stability,
    State.RELOADING: _View._nothing,
    State.STOPPING: _View._stop_goes_on,
    State.BACKOFF: _View._start_again,
    State.COMPLETED: _View._rest_completed,
    State.FAILED: _View._rest_failed,
}
