"""Answer why and how long: explanations, crash reports, times of the start, plans, the doctor (see `Insight` below
`runtime.control.operations`). Reads the engine and what was written down; changes nothing, knows no socket.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import structs

from asyncinit.config.spec import Condition, Configuration, ServiceSpec
from asyncinit.control.types import (
    CrashesReply,
    DoctorReply,
    ExecPlanReply,
    ExplainLink,
    ExplainReply,
    GraphNode,
    GraphReply,
    Outlived,
    ShutdownPlanReply,
    StartTimes,
    StartupReply,
    StopShare,
    UsageReply,
    sendable,
    timestamp,
)
from asyncinit.core import budget
from asyncinit.core.engine import Engine
from asyncinit.core.explain import explain
from asyncinit.core.phrases import duration
from asyncinit.core.shutdown_plan import plan
from asyncinit.errors import SpawnError
from asyncinit.linux.oom_score import own_score
from asyncinit.linux.process import is_subreaper
from asyncinit.runtime import early_times, usage
from asyncinit.runtime.chronicle import Chronicle
from asyncinit.runtime.control.operations import RefusedError
from asyncinit.runtime.crashes.store import CrashStore
from asyncinit.runtime.doctor.examination import TIMEOUT, Facts, Findings, examine
from asyncinit.runtime.doctor.processes import Family
from asyncinit.runtime.hardware_watchdog import HardwareWatchdog
from asyncinit.runtime.process.environment import NOT_INHERITED
from asyncinit.runtime.process.prepare import Cancellable
from asyncinit.runtime.process.prepared import Prepared, Unmet
from asyncinit.runtime.snapshot import Seen
from asyncinit.runtime.workshop import Workshop


class Runs(Protocol):
    """What is asked of the services' runs (`runtime.performer.Performer`)."""

    def seen(self, name: str) -> Seen:
        """Return what the runtime knows of a service."""

    def prepared(self, name: str) -> Prepared | None:
        """Return what the processes of the present run start with; None where there is no run."""


class Declared(Protocol):
    """What is declared now (`runtime.configuring.configured.Configured`)."""

    configuration: Configuration
    warnings: tuple[str, ...]


class Insight:
    """What can be asked; `elapses` gives the wall clock's time at which a service's timer starts it."""

    def __init__(
        self,
        engine: Engine,
        workshop: Workshop,
        runs: Runs,
        crashes: CrashStore,
        configured: Declared,
        elapses: Callable[[str], float | None],
        watchdog: HardwareWatchdog,
    ) -> None:
        self._engine = engine
        self._shop = workshop
        self._runs = runs
        self._crashes = crashes
        self._configured = configured
        self._elapses = elapses
        self._watchdog = watchdog

    @property
    def _chronicle(self) -> Chronicle:
        return self._shop.chronicle

    def explain(self, name: str) -> ExplainReply:
        """Return why a service is in its state, and what would follow."""
        found = explain(
            self._engine,
            name,
            self._shop.timers.now(),
            obstacle=lambda one: self._runs.seen(one).waiting_text,
            trigger=self._trigger,
        )
        chain = [
            ExplainLink(service=link.service, state=link.state, text=sendable(link.text + self._frozen(link.service)))
            for link in found.chain
        ]
        return ExplainReply(chain=chain, next=[sendable(step) for step in found.next], more=found.more)

    def _frozen(self, name: str) -> str:
        return ", but frozen: asyncinit thaw lets it go on" if self._runs.seen(name).frozen else ""

    def _trigger(self, name: str) -> str | None:
        """Return what will start a service that is at rest, in words."""
        elapses = self._elapses(name)
        return None if elapses is None else f"in {duration(max(0.0, elapses - time.time()))} its timer starts {name}"

    def crashes(self, names: Sequence[str] | None, number: int | None) -> CrashesReply:
        """Return crash reports, oldest first."""
        return CrashesReply(crashes=self._crashes.find(names, number), forgotten=self._crashes.forgotten)

    def startup(self) -> StartupReply:
        """Return how the first start went."""
        record = self._chronicle.record

        def since(moment: float | None) -> float | None:
            return None if moment is None else round(moment - record.begun, 6)

        services = [
            StartTimes(
                name=name,
                type=self._engine.services[name].spec.type,
                state=self._engine.services[name].state,
                waiting=round(start.waiting - record.begun, 6),
                preparing=since(start.preparing),
                starting=since(start.starting),
                ready=since(start.ready),
                ended=since(start.ended),
                attempts=start.attempts,
                after=[other for other in self._engine.graph.after[name] if other in record.starts],
            )
            for name, start in record.starts.items()
            if name in self._engine.services
        ]
        early = None if record.early is None else early_times.told(record.early, record.begun)
        return StartupReply(
            begun=timestamp(record.wall), finished=since(record.finished), early=early, services=services
        )

    def shutdown_plan(self) -> ShutdownPlanReply:
        """Return how the time would be shared out if a shutdown began now."""
        timeout = self._configured.configuration.init.shutdown_timeout
        services = [
            StopShare(
                name=share.name,
                declared=_finite(share.declared),
                begins=_finite(share.begins),
                granted=_finite(share.granted),
                waits_for=list(share.waits_for),
            )
            for share in plan(self._engine, timeout)
        ]
        return ShutdownPlanReply(timeout=_finite(timeout), budget=_finite(budget.usable(timeout)), services=services)

    def graph(self) -> GraphReply:
        """Return all services and their edges."""
        services = [self._engine.services[name] for name in sorted(self._engine.services)]
        return GraphReply(
            services=[
                GraphNode(
                    name=service.name,
                    type=service.spec.type,
                    state=service.state,
                    enabled=service.spec.enabled,
                    requires=list(service.spec.requires),
                    wants=list(service.spec.wants),
                    after=list(service.spec.after),
                    before=list(service.spec.before),
                    binds_to=list(service.spec.binds_to),
                )
                for service in services
            ]
        )

    # -----------------------------------------------------------------------------------------------------------------
    # What takes a child

    def exec_plan(self, name: str, done: Callable[[ExecPlanReply | RefusedError], None]) -> Cancellable:
        """Find out what a process of a service runs with, and call `done` with it, later."""
        spec = self._engine.services[name].spec
        if not spec.has_process:
            raise RefusedError(f"cannot run a command as {name}: it is a target, and has no processes")
        running = self._runs.prepared(name)
        if running is not None:
            apart = running.isolation or running.pid1 is not None
            main = self._engine.services[name].main
            if apart and main is None:
                raise RefusedError(
                    f"cannot run a command as {name}: it has no process whose namespaces could be joined"
                )
            return self._shop.loop.call_soon(done, _exec_plan(spec, running, True, main if apart else None))
        if spec.namespaces:
            raise RefusedError(f"cannot run a command as {name}: it does not run, and its namespaces are there with it")

        def looked(result: Prepared | Unmet | SpawnError) -> None:
            if isinstance(result, Prepared):
                done(_exec_plan(spec, result, False))
            else:
                why = result.text if isinstance(result, Unmet) else str(result)
                done(RefusedError(f"cannot run a command as {name}: {why}"))

        address = self._shop.control_address
        own = {"ASYNCINIT_SOCKET": address} if address else {}
        try:
            whatever = structs.replace(spec, condition=Condition())  # a command may run where the service does not
            return self._shop.preparation.begin(whatever, own, looked, make=False)
        except SpawnError as error:
            return self._shop.loop.call_soon(looked, error)

    def doctor(self, done: Callable[[DoctorReply | RefusedError], None]) -> Cancellable:
        """Look at everything, and call `done` with what was found, later."""
        facts = self._facts()

        def looked(result: Findings | SpawnError) -> None:
            if isinstance(result, SpawnError):
                done(RefusedError(str(result)))
                return
            record = self._chronicle.record
            outlived = [Outlived(service=name, count=count) for name, count in sorted(record.outlived.items())]
            done(
                DoctorReply(
                    processes=result.processes,
                    total=result.total,
                    checks=result.checks,
                    outlived=outlived,
                    strays_ended=record.strays_ended,
                )
            )

        return self._shop.offloader.run(lambda step: examine(facts, step), Findings, TIMEOUT, looked)

    def usage(self, names: Sequence[str] | None, done: Callable[[UsageReply | RefusedError], None]) -> Cancellable:
        """Measure what the processes of services use, and call `done` with it, later."""
        folders: dict[str, list[str]] = {}
        for life in self._engine.lives.all():
            if (folder := self._shop.cgroups.folder(life.key)) is not None:
                folders.setdefault(life.name, []).append(folder)
        asked = usage.Asked(self._family(), folders, sorted(self._engine.services) if names is None else list(names))

        def measured(result: UsageReply | SpawnError) -> None:
            done(RefusedError(str(result)) if isinstance(result, SpawnError) else result)

        return self._shop.offloader.run(lambda step: usage.measure(asked, step), UsageReply, TIMEOUT, measured)

    def _family(self) -> Family:
        members = self._shop.members
        members.refresh()
        owners = {pid: life.name for life in self._engine.lives.all() for pid in members.roots(life.key)}
        return Family(os.getpid(), owners, self._shop.reaper.pids() - owners.keys())

    def _facts(self) -> Facts:
        names = self._engine.services
        left_out = {name: self._runs.seen(name).not_applied for name in names}
        early = self._chronicle.record.early
        return Facts(
            family=self._family(),
            subreaper=is_subreaper(),
            loop="uvloop" if type(self._shop.loop).__module__.startswith("uvloop") else "asyncio",
            control=self._shop.control_address,
            warnings=tuple(self._configured.warnings),
            not_applied={name: keys for name, keys in left_out.items() if keys},
            oom_refusal=own_score.refusal,
            watchdog=self._watchdog.described,
            watched=self._watchdog.dog is not None or not self._watchdog.wanted,
            early=None if early is None else tuple(step.failure for step in early.steps if step.failure),
        )


def _finite(seconds: float) -> float | None:
    return None if seconds == math.inf else round(seconds, 6)


def _exec_plan(spec: ServiceSpec, prepared: Prepared, running: bool, main: int | None = None) -> ExecPlanReply:
    """Return what a command beside the service's own processes runs with: not what is for its main process alone."""
    environment: list[str] = []
    left_out: list[str] = []
    for name, value in prepared.environment.items():
        if name in NOT_INHERITED:
            continue
        text = f"{name}={value}"
        try:
            text.encode()
        except UnicodeEncodeError:
            left_out.append(sendable(name))
        else:
            environment.append(text)
    who, security = prepared.credentials, prepared.security
    return ExecPlanReply(
        environment=environment,
        left_out=left_out,
        uid=None if who is None else who.uid,
        gid=None if who is None else who.gid,
        groups=None if who is None or who.groups is None else list(who.groups),
        user=spec.user or "",
        working_directory=None if prepared.working_directory is None else sendable(prepared.working_directory),
        umask=prepared.umask,
        running=running,
        pid=main,
        capabilities=None if security.capabilities is None else list(security.capabilities),
        ambient_capabilities=list(security.ambient_capabilities),
        no_new_privileges=security.gains_nothing,
    )
