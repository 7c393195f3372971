"""What a service is and why, in words for people: a part of `explain`. Pure; every state has its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from asyncinit.config.spec import ReadyKind, ServiceType, pod_key
from asyncinit.core.engine import Engine
from asyncinit.core.going_down import BY_ITSELF
from asyncinit.core.phrases import duration, few, ordinal
from asyncinit.core.service import STOPPABLE, Phase, Service
from asyncinit.core.status import Code, Reason, State, signal_name

Lookup = Callable[[str], str | None]
"""What somebody else knows of a service, by its name."""

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


class Situation:
    """The engine at `now`; `obstacle` gives what a starting service's readiness waits for."""

    def __init__(self, engine: Engine, now: float, obstacle: Lookup) -> None:
        self._engine = engine
        self._now = now
        self._obstacle = obstacle

    def state_of(self, service: Service) -> str:
        """Return what a service is and why, to be read after its name."""
        return STATES[service.state](self, service)

    def waiting(self, service: Service) -> str:
        """Return for whom it waits, and what those are doing."""
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
        if other in self._engine.graph.conflicts[service.name] and other not in self._engine.graph.after[service.name]:
            return f"conflicts with {other}"
        if other in self._engine.graph.outlives[service.name] and other not in self._engine.graph.after[service.name]:
            return f"it starts before {other}"
        if other == pod_key(service.spec.pod or ""):
            return f"is in pod {service.spec.pod}"
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
        """Return how far it has come."""
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
        """Return since when."""
        if not service.spec.has_process:
            return "is ready: all that it needs is there"
        pid = f" (pid {service.main})" if service.main is not None else ""
        since = service.ready_since
        if since is None:
            return f"is ready{pid}"
        return f"has been ready for {duration(max(0.0, self._now - since))}{pid}"

    def unhealthy(self, service: Service) -> str:
        """Return why."""
        return "is up, but unhealthy" + _because(service.reason)

    def reloading(self, _service: Service) -> str:
        """Return that it is up all the while."""
        return "is up, and reads its configuration again"

    def stopping(self, service: Service) -> str:
        """Return why, and at which step it is."""
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
            verb = "it is" if service.reason.text.startswith(("bound", "in pod")) else "it"
            return f" because {verb} {service.reason.text}"
        if service.leaving and service.wanted:
            return " to be restarted"
        return " with asyncinit" if self._engine.shutting_down else ""

    def _stop_step(self, service: Service) -> str:
        if service.phase is Phase.PRE_STOP and service.spec.is_undone and service.main is None:
            return "its stop command undoes what it did"
        if service.phase is not Phase.STOPPING:
            return _STOP_PHASES.get(service.phase, "it is about to begin")
        stop = service.spec.stop
        if service.step == BY_ITSELF and service.failure is not None and service.failure.code is Code.WATCHDOG:
            return "it has got SIGABRT, and not ended yet"
        if service.step == BY_ITSELF:
            return "it said that it ends by itself"
        if service.step == 0 and stop.command is not None and service.main is not None:
            return "its stop command was run, and it has not ended yet"
        signal = stop.signal if service.step == 0 else stop.escalate[service.step - 1].signal
        left = "its main process has" if service.main is not None else "what is left of it has"
        return f"{left} got {signal_name(signal)} and not ended yet"

    def backoff(self, service: Service) -> str:
        """Return what it failed with, and how often in a row."""
        why = service.reason.text if service.reason is not None else "ended"
        times = f", for the {ordinal(service.attempt)} time in a row" if service.attempt > 1 else ""
        return f"is in backoff: {why}{times}"

    def completed(self, service: Service) -> str:
        """Return how it ended."""
        how = f": {service.run_exit}" if service.run_exit is not None else ""
        return f"has completed{how}"

    def failed(self, service: Service) -> str:
        """Return why."""
        return "has failed" + _because(service.reason)

    def inactive(self, service: Service) -> str:
        """Return whether it was ever started, and why it is down."""
        if service.skipped and service.reason is not None:
            return f"is down: it was skipped: {service.reason.text}"
        if service.reason is not None:
            return f"is down: {service.reason.text}"
        if service.epoch:
            return "is down: it was stopped on request" + (f" ({service.run_exit})" if service.run_exit else "")
        if not service.spec.enabled:
            return "is down: it is not enabled, and nobody has started it"
        return "is down: it was never started"


def _because(reason: Reason | None) -> str:
    return f": {reason.text}" if reason is not None else ""


STATES: Mapping[State, Callable[[Situation, Service], str]] = {
    State.INACTIVE: Situation.inactive,
    State.LISTENING: lambda _situation, service: f"is down until somebody connects{_because(service.reason)}",
    State.WAITING: Situation.waiting,
    State.STARTING: Situation.starting,
    State.READY: Situation.ready,
    State.UNHEALTHY: Situation.unhealthy,
    State.RELOADING: Situation.reloading,
    State.STOPPING: Situation.stopping,
    State.BACKOFF: Situation.backoff,
    State.COMPLETED: Situation.completed,
    State.FAILED: Situation.failed,
}
