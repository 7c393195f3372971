"""What can be asked of the running asyncinit: `Operations` for the control server; turns requests into engine calls.

Knows no socket. Every request is checked whole before anything is begun.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.names import meant
from asyncinit.config.spec import PowerAction, Scope
from asyncinit.control.types import ActionResult, EventEntry, ServiceStatus, SystemStatus, TimerStatus, WatchStatus
from asyncinit.core import rivals
from asyncinit.core.phrases import few
from asyncinit.core.status import State, signal_name
from asyncinit.errors import UnknownServiceError
from asyncinit.runtime import words
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.attaching import Attaching
from asyncinit.runtime.configuring.configured import Configured, Outcome
from asyncinit.runtime.configuring.templates import Templates
from asyncinit.runtime.control.operations import Insight, JobState, RefusedError, Verb
from asyncinit.runtime.freezing import Freezer, Freezing
from asyncinit.runtime.jobs import ActJob
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.output.terminals import Terminals
from asyncinit.runtime.pods import Pods
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.reexec.succession import Succession
from asyncinit.runtime.shutdown import Shutdown
from asyncinit.runtime.snapshot import Seen, service_status, system_status
from asyncinit.runtime.supervisor import Supervisor
from asyncinit.runtime.timing.schedules import Schedules

# A key that `prefer` may name, and that no run of the service knows of.
_PERSISTENT = "timer.persistent"


# So many services at most are told of with what is counted in their cgroups, which takes 0.1 ms each.
_COUNTED = 200


class Processes(Freezer, Protocol):
    """What requests need of the services' processes (`runtime.performer.Performer`)."""

    def seen(self, name: str) -> Seen:
        """Return what the runtime knows of a service."""

    def signal(self, name: str, number: int, scope: Scope) -> None:
        """Send a signal; raises OSError."""


class RequestsState(Struct):
    """What is carried over a re-exec: when asyncinit was started (wall clock), and whether that start is over."""

    since: float = 0.0
    settled: bool = False


class Requests:
    """Carry out what users ask for (`runtime.control.operations.Operations`)."""

    def __init__(
        self,
        supervisor: Supervisor,
        processes: Processes,
        announcer: Announcer,
        shutdown: Shutdown,
        journal: Journal,
        schedules: Schedules,
        *,
        now: Callable[[], float],
        since: float,
        show: Callable[[str], str],
        insight: Insight,
        configured: Configured,
        succession: Succession,
        pods: Pods,
        watching: Callable[[str], WatchStatus | None],
        terminals: Terminals,
    ) -> None:
        self._supervisor = supervisor
        self._engine = supervisor.engine
        self._processes = processes
        self._announcer = announcer
        self._shutdown = shutdown
        self._journal = journal
        self._schedules = schedules
        self._now = now
        self._since = since
        self._show = show
        self._insight = insight
        self._configured = configured
        self._templates = Templates(supervisor.engine, configured)
        self._succession = succession
        self._freezing = Freezing(supervisor.engine, processes, journal, self._known)

        self._pods = pods
        self._watching = watching
        self._attaching = Attaching(supervisor.engine, terminals, announcer, self._start)
        self._jobs: list[ActJob] = []
        self._settled = False
        supervisor.watch(self._look)

    def freeze(self, _keep: Keep) -> RequestsState:
        """Return what is carried over a re-exec; who waits is carried by the control server."""
        return RequestsState(self._since, self._settled)

    def thaw(self, state: RequestsState) -> None:
        """Go on as the asyncinit that was started then."""
        self._since, self._settled = state.since, state.settled

    # -----------------------------------------------------------------------------------------------------------------
    # Reading

    def system(self) -> SystemStatus:
        """Return what asyncinit itself is doing."""
        return system_status(self._engine, self._since, self._settled, self._configured.options.profiles)

    def services(self, names: Sequence[str] | None = None) -> list[ServiceStatus]:
        """Return every service, by name; or those of `names`, in that order."""
        chosen = sorted(self._engine.services) if names is None else self._known(names)
        return [self._status(name, len(chosen) <= _COUNTED) for name in chosen]

    def _status(self, name: str, counted: bool) -> ServiceStatus:
        elapse = self._schedules.next(name)
        seen = self._processes.seen(name)
        status = service_status(self._engine, name, seen, self._now(), elapse)
        status = replace(status, cgroup=seen.cgroup() if counted else None, watch=self._watching(name))
        if _PERSISTENT in self._engine.services[name].spec.prefer and self._schedules.without_stamp(name):
            return replace(status, not_applied=[*status.not_applied, _PERSISTENT])
        return status

    def timers(self, names: Sequence[str] | None = None) -> list[TimerStatus]:
        """Return every service's timer, by name; or those of `names`, in that order."""
        chosen = sorted(self._engine.services) if names is None else self._known(names)
        found = [status for name in chosen if (status := self._schedules.status(name)) is not None]
        if names is not None and len(found) < len(chosen):
            without = next(name for name in chosen if self._engine.services[name].spec.timer is None)
            raise RefusedError(f"{without} has no timer")
        return found

    def show(self, name: str) -> str:
        """Return the merged declaration as TOML."""
        self._known([name])
        return self._show(name)

    def journal(self) -> Journal:
        """Return the journal."""
        return self._journal

    def templates(self) -> Templates:
        """Return what makes instances of templates."""
        return self._templates

    def freezing(self) -> Freezing:
        """Return what has services stand still."""
        return self._freezing

    def attaching(self) -> Attaching:
        """Return what lets join terminals."""
        return self._attaching

    def _start(self, name: str) -> None:
        self.act(Verb.START, [name], False, lambda _results: None)

    def pods(self) -> Pods:
        """Return what tells about pods."""
        return self._pods

    def insight(self) -> Insight:
        """Return what tells about causes, times and plans."""
        return self._insight

    def on_event(self, callback: Callable[[EventEntry], None]) -> Callable[[], None]:
        """Call back with every event from now on; returns what ends it."""
        return self._announcer.follow(callback)

    def recent_events(self) -> list[EventEntry]:
        """Return the newest events, oldest first."""
        return list(self._announcer.recent)

    # -----------------------------------------------------------------------------------------------------------------
    # Acting

    def act(self, verb: Verb, names: Sequence[str], only: bool, done: Callable[[list[ActionResult]], None]) -> ActJob:
        """Begin `verb` for `names` and call `done` with one result a name when all have come to rest."""
        chosen = self._known(names)
        if self._engine.shutting_down and verb is not Verb.STOP:
            raise RefusedError(f"cannot {verb} {', '.join(chosen)}: asyncinit is shutting down")
        self._refuse_gone(verb, chosen)
        self._refuse_conflict(verb, chosen)
        self._refuse_stuck(verb, chosen)
        self._refuse_frozen(verb, chosen)
        affected = self._affected(verb, chosen, only)
        job = ActJob(self._engine, verb, chosen, affected, done)
        match verb:
            case Verb.START:
                self._supervisor.request(lambda now: self._engine.start(chosen, now))
            case Verb.STOP:
                self._supervisor.request(lambda now: self._engine.stop(chosen, now))
            case Verb.RESTART:
                self._supervisor.request(lambda now: self._engine.restart(chosen, now, only=only))
            case Verb.RELOAD:
                self._supervisor.request(lambda now: self._engine.reload(chosen, now))
        self._register(job)
        return job

    def go_on(self, state: JobState, done: Callable[[list[ActionResult]], None]) -> ActJob:
        """Wait on for an action that was begun before a re-exec."""
        job = ActJob(self._engine, state.verb, state.names, state.affected, done, state)
        self._register(job)
        return job

    def _register(self, *jobs: ActJob) -> None:
        # Only now, so that `done` never comes before this has returned, and looked at once the loop turns.
        self._jobs.extend(jobs)
        self._supervisor.later(self._look)

    def reexec(self, failed: Callable[[str], None]) -> None:
        """Replace asyncinit by the program now installed."""
        if self._engine.shutting_down:
            raise RefusedError("cannot replace asyncinit: it is shutting down")
        self._succession.request(failed)

    def signal(self, number: int, names: Sequence[str]) -> None:
        """Send a signal to the main processes of `names`."""
        chosen = self._known(names)
        for name in chosen:
            if self._engine.services[name].main is None:
                raise RefusedError(f"cannot signal {name}: it has no running main process")
        for name in chosen:
            try:
                self._processes.signal(name, number, Scope.PROCESS)
            except OSError as error:
                text = f"cannot send {signal_name(number)} to {name}: {error.strerror}"
                raise RefusedError(text) from error

    def reload_config(self, dry_run: bool, answer: Callable[[Outcome], None]) -> Callable[[], None]:
        """Have the configuration read again and taken over, or with `dry_run` compared."""
        if self._engine.shutting_down:
            raise RefusedError("cannot reload the configuration: asyncinit is shutting down")
        return self._configured.reload(dry_run, answer)

    def until_settled(
        self,
        up: Sequence[str],
        down: Sequence[str],
        affected: Sequence[str],
        done: Callable[[list[ActionResult]], None],
    ) -> Callable[[], None]:
        """Call `done` when `up` are up or have failed, `down` are down, and `affected` have come to rest."""
        results: list[ActionResult] = []
        waiting = 2

        def settled(some: list[ActionResult]) -> None:
            nonlocal waiting
            waiting -= 1
            results.extend(some)
            if not waiting:
                done(sorted(results, key=lambda result: result.name))

        left = [name for name in down if name in self._engine.services]
        jobs = (
            ActJob(self._engine, Verb.RESTART, up, affected, settled),
            ActJob(self._engine, Verb.STOP, left, (), settled),
        )
        self._register(*jobs)

        def cancel() -> None:
            for job in jobs:
                job.cancel()

        return cancel

    def shutdown(self, reason: str, action: PowerAction | None, at_once: bool) -> PowerAction | None:
        """Begin the shutdown; return what is done with the machine then."""
        self._shutdown.request(reason, action, at_once)
        return self._shutdown.action

    def _known(self, names: Sequence[str]) -> list[str]:
        for name in names:
            if name not in self._engine.services:
                raise UnknownServiceError(name, meant(name, self._engine.services))
        return list(dict.fromkeys(names))

    def _refuse_gone(self, verb: Verb, names: Sequence[str]) -> None:
        gone = [name for name in names if self._engine.services[name].gone]
        if gone and verb is not Verb.STOP:
            are = "is" if len(gone) == 1 else "are"
            raise RefusedError(f"cannot {verb} {few(gone)}, which {are} not declared any more")

    def _refuse_frozen(self, verb: Verb, names: Sequence[str]) -> None:
        """Refuse to have read its configuration who stands still."""
        frozen = [name for name in names if verb is Verb.RELOAD and self._processes.seen(name).frozen]
        if frozen:
            raise RefusedError(f"cannot reload {few(frozen)}, frozen: asyncinit thaw {' '.join(frozen)} comes first")

    def _refuse_conflict(self, verb: Verb, names: Sequence[str]) -> None:
        """Refuse to have two up, with what they need, that cannot be up together."""
        if verb not in {Verb.START, Verb.RESTART}:
            return
        pair = rivals.pair(self._engine.graph, self._needed(names))
        if pair is not None:
            raise RefusedError(f"cannot {verb} {', '.join(names)}: {pair[0]} and {pair[1]} are in conflict")

    def _needed(self, names: Sequence[str]) -> list[str]:
        return self._engine.graph.pulled_in(names, dict.fromkeys(self._engine.services, False))

    def _refuse_stuck(self, verb: Verb, names: Sequence[str]) -> None:
        """Refuse what would wait for a process that does not die: its own, one of what it needs, or of a rival."""
        if verb not in {Verb.START, Verb.RESTART}:
            return
        needed = self._needed(names)
        for name in (*needed, *(rival for one in needed for rival in self._engine.graph.conflicts[one])):
            service = self._engine.services[name]
            if service.stuck:
                whose = "" if name in names else f"{name}: "
                raise RefusedError(f"cannot {verb} {', '.join(names)}: {whose}{words.stuck(service.reason)}")

    def _affected(self, verb: Verb, names: Sequence[str], only: bool) -> list[str]:
        """Return what else goes down (stop, restart) or comes up (start)."""
        services, graph = self._engine.services, self._engine.graph
        if verb is Verb.START:
            enabled = {name: service.spec.enabled for name, service in services.items()}
            pulled = graph.pulled_in(names, enabled)
            others = [n for n in pulled if services[n].at_rest and not services[n].satisfied]
            others += rivals.displaced(graph, services, pulled)
        elif verb is Verb.RELOAD:
            others = []
        elif verb is Verb.RESTART:
            _, others = self._engine.restarted(names, only=only)
        else:
            others = [n for n in graph.brought_down(names) if not services[n].at_rest]
        return sorted(set(others) - set(names))

    def _look(self) -> None:
        if not self._settled:
            last_first = reversed(self._engine.services.values())
            self._settled = all(s.settled or s.state in {State.INACTIVE, State.LISTENING} for s in last_first)
        for job in list(self._jobs):
            job.look()
        self._jobs = [job for job in self._jobs if not job.over]
