"""Make a report of each failure, from what the engine, the chronicle and the journal know; writes no file.

A run that fails is told twice: when the failure is seen (then it is known what it was doing), and when nothing of it is
left (then how it ended and what becomes of it). A report is opened at the first and finished at the second. What fails
only because of another service has no report: the other one has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeGuard

from msgspec import Struct

from asyncinit.control.types import (
    CrashReport,
    ExitInfo,
    LeftOver,
    LogEntry,
    ReasonStatus,
    ResourceUse,
    sendable,
    timestamp,
)
from asyncinit.core.engine import Engine
from asyncinit.core.events import Announce
from asyncinit.core.phrases import duration
from asyncinit.core.service import Service
from asyncinit.core.status import Code, ExitStatus, Reason, State
from asyncinit.linux.process import Usage
from asyncinit.runtime.chronicle import Chronicle, CurrentRun
from asyncinit.runtime.crashes.store import CrashStore
from asyncinit.runtime.output.entries import Entry
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.reexec.keep import Keep

LAST_LINES = 50
LAST_BYTES = 8 * 1024
"""So much of a service's last output is part of a report."""
_LONGEST_COMMAND = 4096


class Opened(Struct, frozen=True):
    """A failure that was seen at `moment` (wall clock): what the service was in then."""

    state: State
    phase: str
    reason: Reason
    moment: float


class CrashRecorder:
    """Follow the changes of all services; a finished report goes to `store` and to `deliver`.

    `said` gives what a service says of itself, `now` monotonic seconds. `open` are the reports that are not finished.
    """

    def __init__(
        self,
        engine: Engine,
        chronicle: Chronicle,
        journal: Journal,
        store: CrashStore,
        *,
        now: Callable[[], float],
        said: Callable[[str], str | None],
        deliver: Callable[[CrashReport], None],
    ) -> None:
        self._engine = engine
        self._chronicle = chronicle
        self._journal = journal
        self._store = store
        self._now = now
        self._said = said
        self._deliver = deliver
        self._open: dict[str, Opened] = {}

    def freeze(self, _keep: Keep) -> dict[str, Opened]:
        """Return what is carried over a re-exec: the failures that were seen and are not reported yet."""
        return dict(self._open)

    def thaw(self, state: dict[str, Opened]) -> None:
        """Go on with the failures that the program before has seen."""
        self._open.update(state)

    def changed(self, effect: Announce) -> None:
        """Take a change of state."""
        name = effect.service
        if effect.new is State.STOPPING:
            self._look(effect)
        elif name in self._open:
            self._finish(effect, self._open.pop(name))
        elif effect.new in {State.BACKOFF, State.FAILED} and _is_its_own(effect.reason):
            phase = self._chronicle.run_of(name).phase
            self._finish(effect, Opened(effect.old, phase, effect.reason, time.time()))

    def forget(self, name: str) -> None:
        """Forget a service that is not declared any more; its finished reports stay."""
        self._open.pop(name, None)

    def _look(self, effect: Announce) -> None:
        """Open a report if this stop begins because of a failure."""
        service = self._engine.services[effect.service]
        if service.leaving or not _is_its_own(service.failure):
            return
        phase = effect.old.value if effect.old is not State.STARTING else self._chronicle.run_of(service.name).phase
        self._open[service.name] = Opened(effect.old, phase, service.failure, time.time())

    def _finish(self, effect: Announce, opened: Opened) -> None:
        service = self._engine.services[effect.service]
        run = self._chronicle.run_of(service.name)
        report = CrashReport(
            id=self._store.next_id(),
            service=service.name,
            time=timestamp(opened.moment),
            reason=ReasonStatus(
                code=opened.reason.code, text=sendable(opened.reason.text), service=opened.reason.service
            ),
            state=opened.state,
            phase=opened.phase,
            exit=_exit(effect.status, run),
            killed=service.killed,
            pid=run.pid,
            uptime=_span(run.spawned, run.ended),
            ready_for=_span(run.ready, run.ended),
            restarts=service.restarts - (effect.new is State.BACKOFF),
            outcome=sendable(_outcome(service, effect, self._now())),
            given_up=effect.new is State.FAILED,
            usage=_usage(run.usage),
            left_over=[LeftOver(pid=pid, name=name, state=state) for pid, name, state in run.left],
            output=_newest(self._journal.last(service.name, LAST_LINES, since_start=True)),
            command=_command(service),
            environment=[sendable(name) for name in run.environment],
            status_text=self._said(service.name) or None,
            file=service.spec.origin or None,
            cgroup=run.cgroup,
        )
        self._store.add(report)
        self._deliver(report)


def _is_its_own(failure: Reason | None) -> TypeGuard[Reason]:
    """Tell whether something failed, and not only because another one did."""
    return failure is not None and failure.code not in {Code.DEPENDENCY, Code.POD} and failure.service is None


def _outcome(service: Service, effect: Announce, now: float) -> str:
    """Return what became of the service, in words."""
    match effect.new:
        case State.BACKOFF:
            wait = max(0.0, (service.next_start or now) - now)
            return f"restart {service.attempt} {'in ' + duration(wait) if wait else 'at once'}"
        case State.FAILED:
            reason = effect.reason
            given_up = reason is not None and reason.code is Code.START_LIMIT_HIT
            return f"failed for good: {reason.text}" if given_up and reason is not None else "failed for good"
        case State.INACTIVE:
            return "stopped on request before it could be restarted"
    return "started again on request"


def _exit(status: ExitStatus | None, run: CurrentRun) -> ExitInfo | None:
    if status is None or run.ended_wall is None:
        return None
    moment = timestamp(run.ended_wall)
    return ExitInfo(code=status.code, signal=status.signal, core_dumped=status.core_dumped, time=moment)


def _span(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else round(max(0.0, end - begin), 6)


def _usage(usage: Usage | None) -> ResourceUse | None:
    return None if usage is None else ResourceUse(**usage._asdict())


def _newest(lines: Sequence[Entry]) -> list[LogEntry]:
    """Return the newest lines that fit into a report, oldest first."""
    room = LAST_BYTES
    kept: list[LogEntry] = []
    for line in reversed(lines):
        message = line.message[-room:].decode("utf-8", "replace") if len(line.message) > room else None
        if message is not None and kept:
            break
        text = message if message is not None else line.message.decode("utf-8", "replace")
        kept.append(
            LogEntry(
                time=timestamp(line.time), service=line.service, stream=line.stream, message=text, cursor=line.cursor
            )
        )
        room -= len(line.message) + 1
        if room <= 0:
            break
    return kept[::-1]


def _command(service: Service) -> list[str]:
    """Return the command as it is declared: expanded, it may hold secrets of the environment."""
    command = service.spec.command
    words = [sendable(word) for word in command.argv] if command is not None else []
    return [word if len(word) <= _LONGEST_COMMAND else word[:_LONGEST_COMMAND] + "…" for word in words[:256]]
