"""What follows for services when files change that their [watch] names: restart, reload, a command, another start.

A service is watched from the moment it is first wanted up until somebody stops it. What follows goes the way of a
user's request; what comes while it cannot be done (a reload of a service that starts, a command that still runs) is
done once afterwards, however much it is. A change that comes before a restart has made the new process is in it.

A service that has failed or completed is started again: it is what a person who mends a mistake waits for. So it is
something to stay for (`Overview.watched`).

Carried over a re-exec: what is still to be done, and which commands run; the children that watch are `watcher`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from msgspec import Struct, field

from asyncinit.config.spec import Command, LogLevel, ServiceSpec, Watch, WatchAction
from asyncinit.control.types import WatchStatus
from asyncinit.core import rivals
from asyncinit.core.events import Announce, Effect
from asyncinit.core.phrases import duration
from asyncinit.core.service import COMING_UP, GOING_DOWN, IS_UP, Phase, Service
from asyncinit.core.status import Code, Reason, State
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.file_watching.brake import Brake
from asyncinit.runtime.file_watching.messages import Changed, Failed, Message, Standing, Watched
from asyncinit.runtime.file_watching.watcher import FileWatcher
from asyncinit.runtime.process.environment import UnsetVariableError, expand, path_environment
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.supervisor import Supervisor
from asyncinit.runtime.timers import Timer, Timers

# States of a service that nobody wants up.
_UNWANTED = frozenset({State.INACTIVE, State.LISTENING})


class Runner(Protocol):
    """What runs a command of [watch] (`runtime.performer.Performer`)."""

    def run_watch(self, name: str, command: Command, timeout: float, variables: Mapping[str, str]) -> None:
        """Run it in the service's environment; its end is told to `Changes.command_ended`."""

    def stands_still(self, name: str) -> bool:
        """Tell whether the service is frozen: it can be restarted, and nothing else."""


class _Kept(Struct):
    """What is carried of one service."""

    due: Changed | None = None
    running: bool = False
    standing: Standing | None = None
    failure: str = ""


class ChangesState(Struct):
    """What is carried of all services that are watched."""

    services: dict[str, _Kept] = {}


class _Watched(Struct):
    """One service that is watched, or was to be: `watch` and `base` as they were when that began.

    `follows`: what is due is done in the next turn of the loop, and until then still to be carried over a re-exec.
    """

    watch: Watch
    base: str
    kept: _Kept = field(default_factory=_Kept)
    brake: Brake = field(default_factory=Brake)
    timer: Timer | None = None
    follows: bool = False


class Changes:
    """The services that are watched; `environment` is what asyncinit was given."""

    def __init__(
        self,
        supervisor: Supervisor,
        runner: Runner,
        announcer: Announcer,
        timers: Timers,
        watcher: FileWatcher,
        environment: Mapping[str, str],
    ) -> None:
        self._supervisor = supervisor
        self._engine = supervisor.engine
        self._runner = runner
        self._announcer = announcer
        self._timers = timers
        self._watcher = watcher
        self._environment = environment
        self._services: dict[str, _Watched] = {}
        self._closed = False
        announcer.on_change(self._changed_state)

    # -----------------------------------------------------------------------------------------------------------------
    # Who is watched

    def look(self) -> None:
        """See to every service: others may be declared now, or otherwise."""
        for name in {*self._services, *(name for name, one in self._engine.services.items() if one.declared.watch)}:
            self._see_to(name)

    def forget(self, name: str) -> None:
        """Forget a service that is gone for good."""
        self._leave(name)

    def close(self) -> None:
        """Watch nothing any more: asyncinit shuts down."""
        self._closed = True
        for name in list(self._services):
            self._leave(name)

    def status(self, name: str) -> WatchStatus | None:
        """Return what is to be said of a service's [watch], None where it has none."""
        watch = self._engine.services[name].declared.watch
        if watch is None:
            return None
        one = self._services.get(name)
        standing = one.kept.standing if one is not None else None
        text = "" if one is None else one.kept.failure or (standing.text if standing is not None else "")
        return WatchStatus(
            action=str(watch.action),
            paths=list(watch.paths),
            watching=standing is not None,
            folders=standing.folders if standing is not None else None,
            text=text or None,
        )

    def _changed_state(self, change: Announce) -> None:
        one = self._services.get(change.service)
        if one is not None or self._engine.services[change.service].declared.watch is not None:
            self._see_to(change.service, starts=change.new is State.STARTING)

    def _see_to(self, name: str, starts: bool = False) -> None:
        service = self._engine.services.get(name)
        watch = service.declared.watch if service is not None and not service.gone else None
        if service is None or watch is None or self._closed or service.state in _UNWANTED or _is_leaving(service):
            self._leave(name)
            return
        one = self._services.get(name)
        if one is not None and service.phase not in IS_UP:
            one.kept.running = False  # a command ends with the run that it is of
        if one is None or one.watch != watch or (starts and one.kept.failure):
            self._begin(name, service.declared, watch)
        self._do_what_is_due(name)
        self._tell_engine()

    def _begin(self, name: str, spec: ServiceSpec, watch: Watch) -> None:
        before = self._services.get(name)
        one = self._services[name] = _Watched(watch, "") if before is None else before
        one.watch, one.kept.failure, one.kept.standing = watch, "", None
        try:
            watched = self._watched(spec, watch)
        except UnsetVariableError as error:
            self._failed(name, one, str(error))
            return
        one.base = watched.base
        self._watcher.watch(name, watched, partial(self._heard, name))

    def _watched(self, spec: ServiceSpec, watch: Watch) -> Watched:
        """Return what is to be watched, as it is seen from where the service runs; raises UnsetVariableError."""
        known = path_environment(spec, {**self._environment, **({"INSTANCE": spec.instance} if spec.instance else {})})
        folder = expand(spec.working_directory or "", known, "working_directory")
        try:
            base = os.path.join(os.getcwd(), folder)
        except OSError:  # it was removed
            base = os.path.join("/", folder)
        paths = tuple(expand(path, known, "watch.paths") for path in watch.paths)
        return Watched(os.path.normpath(base), paths, watch.ignore, watch.gitignore, watch.debounce)

    def _leave(self, name: str) -> None:
        one = self._services.pop(name, None)
        if one is None:
            return
        if one.timer is not None:
            one.timer.cancel()
        self._watcher.forget(name)
        self._tell_engine()

    def _tell_engine(self) -> None:
        """Have it known who comes back by a change, though it is at rest."""
        services = self._engine.services
        watched = frozenset(
            name
            for name, one in self._services.items()
            if not one.kept.failure and name in services and _is_over(services[name])
        )
        if watched != self._engine.watched:
            self._engine.watched = watched
            self._supervisor.request(_nothing)

    # -----------------------------------------------------------------------------------------------------------------
    # What is told

    def _heard(self, name: str, message: Message) -> None:
        one = self._services.get(name)
        if one is None:
            return
        match message:
            case Standing():
                if message.text and (one.kept.standing is None or one.kept.standing.text != message.text):
                    self._announcer.note(name, f"[watch]: {message.text}", LogLevel.WARNING)
                one.kept.standing = message
            case Failed():
                self._failed(name, one, message.text)
            case Changed():
                one.kept.due = message if one.kept.due is None else one.kept.due.joined(message)
                self._do_what_is_due(name)

    def _failed(self, name: str, one: _Watched, text: str) -> None:
        one.kept.failure, one.kept.standing = text, None
        self._announcer.note(name, f"its files are not watched: {text}", LogLevel.WARNING)
        self._tell_engine()

    # -----------------------------------------------------------------------------------------------------------------
    # What follows

    def _do_what_is_due(self, name: str) -> None:
        one, service = self._services[name], self._engine.services[name]
        due = one.kept.due
        if due is None or one.follows:
            return
        follows = self._consequence(name, one, service, due)
        if follows is None:
            return
        now = self._timers.now()
        wait = one.brake.hold(now)
        if wait:
            self._hold(name, one, due, wait)
            return
        one.brake.acted(now)
        one.follows = True
        # Not in the middle of an effect, or of telling a change of state.
        self._supervisor.later(partial(self._follow, name, one, follows))

    def _follow(self, name: str, one: _Watched, follows: Callable[[], None]) -> None:
        one.follows = False
        if self._services.get(name) is one:
            one.kept.due = None
            follows()

    def _hold(self, name: str, one: _Watched, due: Changed, wait: float) -> None:
        if one.timer is not None:
            return
        text = (
            f"{due}, as soon as something followed from that, again and again: does it write there itself? Leave that "
            f"out by [watch] ignore; waiting for {duration(wait)}"
        )
        self._announcer.note(name, text, LogLevel.WARNING)
        one.timer = self._timers.after(wait, partial(self._held, name, one))

    def _held(self, name: str, one: _Watched) -> None:
        one.timer = None
        if self._services.get(name) is one:
            self._do_what_is_due(name)

    def _consequence(self, name: str, one: _Watched, service: Service, due: Changed) -> Callable[[], None] | None:
        """Return what is to be done now for a change; None: it has to wait, or there is nothing to be done for it."""
        phase = service.phase
        if phase is Phase.WAITING or (phase in GOING_DOWN and service.leaving):
            one.kept.due = None  # the process that sees it is still to come
        elif phase is Phase.DOWN:
            if not service.stuck and not rivals.displaced(self._engine.graph, self._engine.services, [name]):
                return partial(self._start, name, due)
            one.kept.due = None
        elif phase is Phase.BACKOFF or phase in GOING_DOWN or one.watch.action is WatchAction.RESTART:
            return partial(self._restart, name, due)
        elif self._runner.stands_still(name):
            return None
        elif phase is Phase.UP and one.watch.action is WatchAction.RELOAD:
            return partial(self._reload, name, due)
        elif phase in IS_UP and one.watch.action is WatchAction.RUN and not one.kept.running:
            return partial(self._run, name, one, due)
        return None

    def _still(self, name: str) -> Service | None:
        """Return the service, if somebody still wants it up."""
        service = self._engine.services.get(name)
        unwanted = service is None or service.gone or service.state in _UNWANTED or _is_leaving(service)
        return None if unwanted else service

    def _start(self, name: str, due: Changed) -> None:
        service = self._still(name)
        if service is None or not service.at_rest:
            return
        self._announcer.note(name, f"starting again: {due}")
        self._supervisor.request(lambda now: self._engine.start([name], now))

    def _restart(self, name: str, due: Changed) -> None:
        service = self._still(name)
        if service is None:
            return
        if service.phase not in COMING_UP | IS_UP or service.replaceable:
            self._announcer.note(name, f"restarting: {due}")  # else the change of its state says so
        reason = Reason(Code.WATCH, str(due))
        self._supervisor.request(lambda now: self._engine.restart([name], now, reason=reason))

    def _reload(self, name: str, due: Changed) -> None:
        if self._still(name) is None:
            return
        self._announcer.note(name, f"to be reloaded: {due}", LogLevel.INFO)
        self._supervisor.request(lambda now: self._engine.reload([name], now))

    def _run(self, name: str, one: _Watched, due: Changed) -> None:
        service, command = self._still(name), one.watch.command
        if service is None or command is None or service.phase not in IS_UP:
            return
        self._announcer.note(name, f"running {command.argv[0]}: {due}")
        one.kept.running = True
        variables = {"WATCH_PATH": os.path.join(one.base, due.paths[0]), "WATCH_COUNT": str(due.count)}
        self._runner.run_watch(name, command, one.watch.timeout, variables)

    def command_ended(self, name: str, failure: Reason | None) -> None:
        """Take in that a command has ended, or was ended with what it was for."""
        if failure is not None and name in self._engine.services:
            self._announcer.note(name, f"watch command {failure.text}", LogLevel.ERROR)
        one = self._services.get(name)
        if one is not None:
            one.kept.running = False
            self._do_what_is_due(name)

    # -----------------------------------------------------------------------------------------------------------------
    # Over a re-exec

    def freeze(self, _keep: Keep) -> ChangesState:
        """Return what is carried over a re-exec."""
        return ChangesState({name: one.kept for name, one in self._services.items()})

    def thaw(self, state: ChangesState) -> None:
        """Go on with the services of the program before; the engine knows them by now."""
        for name, kept in state.services.items():
            service = self._engine.services.get(name)
            watch = service.declared.watch if service is not None else None
            if service is None or watch is None:
                continue
            one = self._services[name] = _Watched(watch, "")
            if kept.failure:
                one.kept = kept
            else:
                self._begin(name, service.declared, watch)
                one.kept = kept
        for name in self._watcher.watched_by():
            if name not in self._services and " " not in name:  # others have keys that are no names
                self._watcher.forget(name)
        self._tell_engine()
        self._supervisor.later(self.look)


def _is_leaving(service: Service) -> bool:
    """Tell whether somebody wants it down."""
    return not service.wanted and not service.at_rest


def _is_over(service: Service) -> bool:
    """Tell whether it has failed or completed."""
    return service.at_rest or service.stays_completed


def _nothing(_now: float) -> list[Effect]:
    return []
