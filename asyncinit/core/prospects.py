"""What would happen next to a service, in words for people: a part of `explain`. Pure; a step of the future a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from asyncinit.config.spec import GiveUp, HealthAction, ServiceType
from asyncinit.core.engine import Engine
from asyncinit.core.going_down import BY_ITSELF
from asyncinit.core.phrases import duration, few
from asyncinit.core.restart import delay, limit_reached, takes_all_down, wants_restart, within_window
from asyncinit.core.service import STOPPABLE, Phase, Service
from asyncinit.core.situation import Lookup
from asyncinit.core.status import Code, Reason, State, signal_name


class Prospects:
    """The engine at `now`; `trigger` gives what will start a service that is at rest."""

    def __init__(self, engine: Engine, now: float, trigger: Lookup) -> None:
        self._engine = engine
        self._now = now
        self._trigger = trigger

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

    def nothing(self, _service: Service) -> Iterator[str]:
        """Yield no step: nothing is said to follow."""
        yield from ()

    def start_when_free(self, service: Service) -> Iterator[str]:
        """Yield what has to be there, or down, before it is started."""
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

    def time_limit(self, service: Service) -> Iterator[str]:
        """Yield what a start that takes too long leads to."""
        if service.start_deadline is not None and service.start_deadline < math.inf:
            late = Reason(Code.TIMEOUT, "")
            yield (
                f"{self._in(service.start_deadline)}, if {service.name} is not ready by then, it is stopped, "
                f"and {self._after_failure(service, late)}"
            )

    def stability(self, service: Service) -> Iterator[str]:
        """Yield when it counts as stable, and what its failure would lead to."""
        if service.attempt and service.phase is Phase.UP and service.deadline > self._now:
            yield f"{self._in(service.deadline)} {service.name} counts as stable, and its backoff starts over"
        yield from self._health(service)
        if service.spec.has_process:
            failed = Reason(Code.EXIT_CODE, "")
            yield f"should {service.name} fail, {self._after_failure(service, failed)}"

    def _health(self, service: Service) -> Iterator[str]:
        """Yield what further probes would lead to, where the last one has failed or it is unhealthy."""
        health, name = service.spec.health, service.name
        if health is None:
            return
        if service.unhealthy is not None:
            left = health.success_threshold - service.checks.successes
            yield f"after {_probes(left)} that succeed{'s' if left == 1 else ''}, {name} is healthy again"
        elif service.checks.failures:
            left = health.threshold - service.checks.failures
            then = "that is shown"
            if health.action is not HealthAction.NONE:
                then = f"it is stopped, and {self._after_failure(service, Reason(Code.HEALTH, ''))}"
            yield f"after {_probes(left)} that fail{'s' if left == 1 else ''}, {name} is unhealthy: {then}"

    def reload_limit(self, service: Service) -> Iterator[str]:
        """Yield what a reload that takes too long leads to."""
        if service.deadline < math.inf:
            limit, name = self._in(service.deadline), service.name
            yield f"{limit}, if that is not done by then, it has failed, and {name} goes on"

    def _after_failure(self, service: Service, failure: Reason) -> str:
        """Return what a failure now would lead to, by the service's own policy."""
        policy = service.spec.restart
        if not wants_restart(service.spec, failure, None):
            all_down = service.spec.essential or takes_all_down(service.spec, failure)
            shuts_down = " and asyncinit shuts down" if all_down else self._give_up(service)
            return f"it has failed for good{shuts_down}"
        if limit_reached(policy, within_window(policy, service.recent, self._now)):
            return f"it has failed for good (the limit of {policy.limit} restarts is reached){self._give_up(service)}"
        wait = delay(policy, service.attempt + 1, 0.0)
        return f"it is restarted {'after ' + duration(wait) if wait else 'at once'}"

    def _give_up(self, service: Service) -> str:
        give_up = service.spec.restart.on_give_up
        return "" if give_up is GiveUp.NONE else f", which ends in {give_up.value} (on_give_up)"

    def stop_goes_on(self, service: Service) -> Iterator[str]:
        """Yield the next signal, and what comes when nothing of it is left."""
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

    def start_again(self, service: Service) -> Iterator[str]:
        """Yield when it is started again, and how often that may still be."""
        policy = service.spec.restart
        left = None if policy.limit is None else policy.limit - len(within_window(policy, service.recent, self._now))
        limit = "" if left is None else f", {max(left, 0)} left of {policy.limit} in {duration(policy.window)}"
        when = self._now if service.next_start is None else service.next_start
        yield f"{self._in(when)} {service.name} is started again (restart {service.attempt}{limit})"

    def rest_failed(self, service: Service) -> Iterator[str]:
        """Yield what starts it again: what it failed for, a trigger, or somebody."""
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

    def rest_completed(self, service: Service) -> Iterator[str]:
        """Yield what starts it again, if anything does by itself, and that its stop undoes it."""
        if service.in_force:
            yield f"when {service.name} is stopped, its stop command is run"
        trigger = self._trigger(service.name)
        if trigger is not None and not self._engine.shutting_down:
            yield trigger

    def rest_down(self, service: Service) -> Iterator[str]:
        """Yield what starts it: a trigger, somebody, or who needs it."""
        if self._engine.shutting_down:
            return
        trigger = self._trigger(service.name)
        if trigger is not None:
            yield trigger
            return
        who = [n for n, needs in self._engine.graph.needs.items() if service.name in needs]
        by = f", and so does starting {few(who)}" if who else ""
        yield f"nothing by itself; `asyncinit start {service.name}` starts it{by}"


def _goal(other: Service, service: Service) -> str:
    """Return what `service` waits for `other` to be."""
    hard = other.name in (*service.spec.requires, *service.spec.binds_to)
    state = "completed" if other.spec.type is ServiceType.ONESHOT else "ready"
    return state if hard else f"{state} or has failed"


def _probes(count: int) -> str:
    return "one more health probe" if count == 1 else f"{count} more health probes in a row"


NEXT: Mapping[State, Callable[[Prospects, Service], Iterator[str]]] = {
    State.INACTIVE: Prospects.rest_down,
    State.LISTENING: lambda _prospects, service: iter([f"the next connection starts {service.name}"]),
    State.WAITING: Prospects.start_when_free,
    State.STARTING: Prospects.time_limit,
    State.READY: Prospects.stability,
    State.UNHEALTHY: Prospects.stability,
    State.RELOADING: Prospects.reload_limit,
    State.STOPPING: Prospects.stop_goes_on,
    State.BACKOFF: Prospects.start_again,
    State.COMPLETED: Prospects.rest_completed,
    State.FAILED: Prospects.rest_failed,
}
