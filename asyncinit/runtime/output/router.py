"""Make each service's route of what is declared, and open where it leads; decides nothing of when, knows no process.

A place is closed when nobody writes to it any more. What cannot be opened
because of what was declared (a folder that we may not write to) fails the service; what may pass (a full disk, a system
log that is not there yet) is tried again when there is something to write.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from asyncinit.config.spec import (
    CONSOLE,
    FILE,
    INHERIT,
    NULL,
    SYSLOG,
    Log,
    LogFormat,
    LogLevel,
    ReadyKind,
    ServiceSpec,
    WhenFull,
)
from asyncinit.control.types import LogFile, LogStatus
from asyncinit.errors import SpawnError
from asyncinit.runtime.output.compress import RunInChild
from asyncinit.runtime.output.files import reason
from asyncinit.runtime.output.format import Format, choose
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.output.places import Places, PlacesState
from asyncinit.runtime.output.rate import RateLimit
from asyncinit.runtime.output.route import Ends, Outlet, Route
from asyncinit.runtime.output.syslog import PLACE, SyslogFormat
from asyncinit.runtime.process.directories import base, of_the_system
from asyncinit.runtime.process.environment import UnsetVariableError, expand
from asyncinit.runtime.process.prepared import NotApplied, Prepared
from asyncinit.runtime.reexec.keep import Keep

if TYPE_CHECKING:
    import asyncio

SERVICE = "SERVICE"
"""What a log file's path may refer to beside the service's environment: the service's name."""


class RoutedState(Struct):
    """What a route is made of, as it is carried over a re-exec; `suppressed` lines are not told of yet."""

    log: Log = Log()
    environment: dict[str, str] = {}
    watched: bool = False
    suppressed: int = 0


class RouterState(Struct):
    """What is carried over a re-exec: the routes, and the places that they lead to."""

    routed: dict[str, RoutedState] = {}
    places: PlacesState = field(default_factory=PlacesState)


@dataclass(slots=True)
class Routed:
    """What is known of a service whose output has a route: what was asked for, and the files that came of it.

    `files` are (path, format, stream), stream None: both; `watched`: its lines have to be seen, for readiness.
    """

    log: Log
    environment: Mapping[str, str]
    watched: bool
    files: tuple[tuple[str, LogFormat, str | None], ...] = ()


class Router:
    """Make routes for `journal`.

    `inherited` is the environment that asyncinit was given; `is_logger` tells whether others write to a service,
    `run_in_child` is for what may take long.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        journal: Journal,
        inherited: Mapping[str, str],
        is_logger: Callable[[str], bool] = lambda service: False,
        run_in_child: RunInChild | None = None,
        syslog: str = PLACE,
    ) -> None:
        self._loop = loop
        self._journal = journal
        self._inherited = inherited
        self._is_logger = is_logger
        self.places = Places(loop, journal, run_in_child, syslog)
        self._own_files: tuple[str, ...] = ()
        self._own_syslog = False
        self.routed: dict[str, Routed] = {}
        journal.limited = self._limited

    # -----------------------------------------------------------------------------------------------------------------
    # Routes

    def own(self, log: Log) -> None:
        """Write asyncinit's own events to where `log` says. What cannot be opened is told, and left out."""
        outlets: list[Outlet] = []
        self._own_files = ()
        self._own_syslog = SYSLOG in log.to
        if FILE in log.to:
            try:
                path = log.file or self._default_file("asyncinit")
                outlets.append(Outlet(self.places.file(path, log), _file_format(LogFormat.TEXT)))
                self._own_files = (path,)
            except SpawnError as error:
                self._complain(f"{error}; going on without")
        if SYSLOG in log.to:
            outlets.append(Outlet(self.places.system_log(), SyslogFormat("asyncinit", log.facility)))
        self._journal.events_on_console = CONSOLE in log.to
        self._journal.event_outlets = tuple(outlets)
        self._tidy()

    def begin(self, spec: ServiceSpec, prepared: Prepared | SpawnError) -> Prepared | SpawnError:
        """Make the route of a service that starts with `prepared`; return that, or why it cannot start.

        What has failed already is returned as it is. Where `prefer` allows it, its output goes to the console instead,
        and `prepared` says so.
        """
        if isinstance(prepared, SpawnError) or spec.inherit_stdio:
            return prepared
        # A terminal of its own, and a line that tells its readiness, have to be read by us.
        watched = spec.ready.has(ReadyKind.LOG) or spec.tty is True
        try:
            self.route(spec.name, spec.log, prepared.environment, watched)
        except SpawnError as error:
            if "log" not in spec.prefer:
                return error
            self._to_console(spec.name)
            missing = NotApplied("log", f"{error}; its output goes to the console")
            return replace(prepared, not_applied=(*prepared.not_applied, missing))
        return prepared

    def route(self, service: str, log: Log, environment: Mapping[str, str], watched: bool = False) -> None:
        """Have the output of a service go where `log` says from now on.

        `environment` is the service's, for paths; `watched`: its lines have to come by us, for readiness. Raises
        SpawnError, and then nothing has changed.
        """
        routed = Routed(log, environment, watched)
        try:
            route = self._made(service, routed)
        except SpawnError:
            self._tidy()  # of two files one may be open
            raise
        self._set(service, routed, route)

    def _set(self, service: str, routed: Routed, route: Route) -> None:
        before = self.routed.get(service)
        self._journal.routes[service] = route
        self.routed[service] = routed
        if before is not None:
            self._journal.relieve()  # what was held for a place that it does not write to any more
            if before.files or SYSLOG in before.log.to:
                self._tidy()

    def reroute(self, service: str, log: Log) -> None:
        """Apply a changed [log] to a service at once, as far as it is not what its process has as its output.

        Where that cannot be had the output goes on as before, until the next start.
        """
        known = self.routed.get(service)
        if known is None or known.log == log:
            return
        before = self._journal.routes[service]
        routed = Routed(log, known.environment, known.watched)
        try:
            route = self._made(service, routed)
        except SpawnError as error:
            self._journal.event(service, f"{error}; its output goes on as before", LogLevel.WARNING)
        else:
            if before.ends is route.ends and before.pipe is route.pipe:
                self._set(service, routed, route)
        self._tidy()

    def _to_console(self, service: str) -> None:
        self._set(service, Routed(Log(), {}, watched=False), self._journal.to_console)

    def forget(self, service: str) -> None:
        """Let go of the route of a service that is no longer declared, and of its pipe as a logger."""
        self._journal.routes.pop(service, None)
        self.routed.pop(service, None)
        self.places.close_pipe(service)
        self._tidy()

    def _made(self, service: str, routed: Routed) -> Route:
        log = routed.log
        if log.given == INHERIT:
            return Route(ends=Ends.OURS)
        if log.given == NULL:
            return Route(ends=Ends.NOTHING)
        if log.given is not None and not routed.watched:
            return Route(ends=Ends.LOGGER, pipe=self.places.pipe(log.loggers[0]))
        alone = len(log.to) == 1 and bool(log.loggers)
        outlets = [self._outlets(service, routed, word) for word in log.to]
        return Route(
            stdout=tuple(stdout for stdout, _ in outlets),
            stderr=tuple(stderr for _, stderr in outlets),
            block=log.when_full is WhenFull.BLOCK or (alone and log.when_full is None),
            limit=None if log.rate_limit is None else RateLimit(log.rate_limit, log.rate_interval),
            console=CONSOLE in log.to,
        )

    def _outlets(self, service: str, routed: Routed, word: str) -> tuple[Outlet, Outlet]:
        """Return the outlets of standard output and of standard error for one destination."""
        log = routed.log
        if word == CONSOLE:
            outlet = self._journal.to_console.stdout[0]
        elif word == SYSLOG:
            outlet = Outlet(self.places.system_log(), SyslogFormat(log.tag or service, log.facility))
        elif word == FILE:
            return self._file_outlets(service, routed)
        else:
            pipe = self.places.pipe(word.partition(":")[2])
            outlet = Outlet(pipe.buffer, _file_format(log.format or LogFormat.RAW))
        return outlet, outlet

    def _file_outlets(self, service: str, routed: Routed) -> tuple[Outlet, Outlet]:
        log = routed.log
        form = log.format or LogFormat.TEXT
        paths = [self._path(service, routed, text, key) for text, key in ((log.file, "file"), (log.stderr_file, ""))]
        first = paths[0] or self._default_file(service)
        second = paths[1] or first
        if first == second:
            outlet = Outlet(self.places.file(first, log), _file_format(form))
            routed.files = ((first, form, None),)
            return outlet, outlet
        outlets = (
            Outlet(self.places.file(first, log), _file_format(form)),
            Outlet(self.places.file(second, log), _file_format(form)),
        )
        routed.files = ((first, form, "stdout"), (second, form, "stderr"))
        return outlets

    def _path(self, service: str, routed: Routed, text: str | None, key: str) -> str | None:
        if text is None:
            return None
        try:
            path = expand(text, {**routed.environment, SERVICE: service}, f"log.{key or 'stderr_file'}")
        except UnsetVariableError as error:
            raise SpawnError("open the log file", 0, str(error)) from error
        return os.path.abspath(path)

    def _default_file(self, service: str) -> str:
        return f"{base('logs', of_the_system(), self._inherited)}/asyncinit/{service}.log"

    # -----------------------------------------------------------------------------------------------------------------
    # Services that read the output of others

    def stdin(self, service: str) -> int:
        """Return what a service gets as its standard input: a pipe where others write to it, else -1."""
        return self.places.pipe(service).reader if self._is_logger(service) else -1

    # -----------------------------------------------------------------------------------------------------------------
    # What others ask

    def status(self, name: str, spec: ServiceSpec) -> LogStatus | None:
        """Return where the output of a service goes and what became of it."""
        if not spec.has_process:
            return None
        route, routed = self._journal.routes.get(name), self.routed.get(name)
        log = routed.log if routed is not None else spec.log
        buffers = route.buffers if route is not None else ()
        return LogStatus(
            to=[INHERIT] if spec.inherit_stdio else list(log.to),
            files=[LogFile(path=path, format=str(form), stream=stream) for path, form, stream in routed.files]
            if routed is not None
            else [],
            dropped=self._journal.dropped.get(name, 0),
            trouble=[
                f"{self.places.name_of(buffer)}: {reason(buffer.trouble)}"
                for buffer in buffers
                if buffer.trouble is not None
            ],
            remembered=not spec.inherit_stdio and (route is None or route.ends is Ends.PIPES),
        )

    # -----------------------------------------------------------------------------------------------------------------
    # Over a re-exec

    def freeze(self, keep: Keep) -> RouterState:
        """Return what is carried over a re-exec."""
        frozen = {name: self._frozen(name, routed) for name, routed in self.routed.items()}
        return RouterState(frozen, self.places.freeze(keep))

    def _frozen(self, name: str, routed: Routed) -> RoutedState:
        limit = self._journal.routes[name].limit
        suppressed = 0 if limit is None else limit.suppressed
        return RoutedState(routed.log, dict(routed.environment), routed.watched, suppressed)

    def thaw(self, state: RouterState) -> None:
        """Make the same routes again and go on with what was not written; before anything is read or told."""
        self.places.thaw_pipes(state.places)
        for name, one in state.routed.items():
            try:
                self.route(name, one.log, one.environment, one.watched)
            except SpawnError as error:
                self._to_console(name)
                self._complain(f"{error}; the output of {name} goes to the console")
            route = self._journal.routes[name]
            if route.limit is not None and one.suppressed:
                route.limit.suppressed = one.suppressed
                self._limited(name, route)
        self.places.thaw(state.places)

    def _tidy(self) -> None:
        """Close what no route leads to any more."""
        files = {path for routed in self.routed.values() for path, _, _ in routed.files}
        syslog = self._own_syslog or any(SYSLOG in routed.log.to for routed in self.routed.values())
        self.places.keep_only(files | set(self._own_files), syslog)

    def _limited(self, service: str, route: Route) -> None:
        """Tell how much a rate limit has suppressed once its interval is over, if no further line does."""
        assert route.limit is not None
        wait = max(0.0, route.limit.ends - time.monotonic()) + 0.001
        self._loop.call_later(wait, lambda: self._journal.tell_suppressed(service, route, time.monotonic()))

    def _complain(self, text: str) -> None:
        self._journal.event(None, text, LogLevel.WARNING)


def _file_format(form: LogFormat) -> Format:
    return choose(form, terminal=False, environment={})
