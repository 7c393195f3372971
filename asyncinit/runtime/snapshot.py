"""What users see of the services and of asyncinit, as the control protocol's types; reads, changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from asyncinit import __version__
from asyncinit.control.types import (
    CgroupStatus,
    ExitInfo,
    HealthStatus,
    LogStatus,
    ReasonStatus,
    ServiceStatus,
    SystemState,
    SystemStatus,
    sendable,
    timestamp,
)
from asyncinit.core.engine import Engine
from asyncinit.core.service import Service
from asyncinit.core.status import ExitStatus, Reason, State


class Seen(Protocol):
    """What the runtime knows of a service beside the core: wall-clock times and its own words."""

    @property
    def since(self) -> float | None:
        """Wall clock at which it came into its public state; None: never left inactive."""

    @property
    def ready_since(self) -> float | None:
        """Wall clock at which it became ready, None when it is not."""

    @property
    def exit_time(self) -> float | None:
        """Wall clock of its last main process's end."""

    @property
    def status_text(self) -> str | None:
        """What it says of itself (STATUS=)."""

    @property
    def waiting_text(self) -> str | None:
        """The readiness that is looked for, and the last obstacle."""

    @property
    def probed(self) -> float | None:
        """Wall clock at which the last health probe was answered; None: none was."""

    @property
    def obstacle(self) -> str | None:
        """Why the last health probe failed."""

    @property
    def log(self) -> LogStatus | None:
        """Where its output goes."""

    @property
    def frozen(self) -> bool:
        """Whether its processes stand still."""

    def cgroup(self) -> CgroupStatus | None:
        """Return what is counted in its cgroup."""

    @property
    def not_applied(self) -> list[str]:
        """Keys of `prefer` that could not be had here."""


def reason_status(reason: Reason | None) -> ReasonStatus | None:
    """Return a reason as it goes over the wire."""
    if reason is None:
        return None
    return ReasonStatus(code=reason.code, text=sendable(reason.text), service=reason.service)


def service_status(engine: Engine, name: str, seen: Seen, now: float, elapse: float | None = None) -> ServiceStatus:
    """Return one service's status; `now` is monotonic seconds, `elapse` when (wall) its timer elapses next."""
    service, successor = engine.services[name], engine.lives.successor(name)
    waiting = engine.waiting_on(name)
    if not waiting and service.state is State.STARTING and seen.waiting_text:
        waiting = [seen.waiting_text]
    next_start = elapse if service.next_start is None else time.time() + service.next_start - now
    return ServiceStatus(
        name=name,
        type=service.spec.type,
        state=service.state,
        reason=reason_status(service.reason),
        pid=service.main,
        since=_wall(seen.since),
        ready_since=_wall(seen.ready_since),
        restarts=service.restarts,
        last_exit=_last_exit(service, seen),
        waiting_on=waiting,
        next_start=_wall(next_start),
        status_text=seen.status_text or None,
        armed=name in engine.armed,
        successor=successor.main if successor is not None else None,
        draining=[
            life.main for life in engine.lives.beside_of(name) if life is not successor and life.main is not None
        ],
        requires=list(service.spec.requires) + list(service.spec.binds_to),
        not_applied=seen.not_applied,
        health=_health(service, seen),
        file=service.spec.origin or None,
        log=seen.log,
        frozen=seen.frozen,
    )


def _health(service: Service, seen: Seen) -> HealthStatus | None:
    if service.spec.health is None or not service.guarded:
        return None
    return HealthStatus(
        healthy=service.unhealthy is None,
        failures=service.checks.failures,
        probed=_wall(seen.probed),
        text=seen.obstacle or None,
    )


def _last_exit(service: Service, seen: Seen) -> ExitInfo | None:
    return None if service.last_exit is None else exit_info(service.last_exit, seen.exit_time)


def exit_info(status: ExitStatus, moment: float | None) -> ExitInfo:
    """Return how a main process ended, at wall clock `moment` (None: just now), as it goes over the wire."""
    return ExitInfo(
        code=status.code,
        signal=status.signal,
        core_dumped=status.core_dumped,
        time=timestamp(time.time() if moment is None else moment),
    )


def _wall(moment: float | None) -> str | None:
    return None if moment is None else timestamp(moment)


def system_status(engine: Engine, since: float, settled: bool, profiles: Sequence[str]) -> SystemStatus:
    """Return asyncinit's own status: started at wall clock `since`; `settled`: the first start has come to an end.

    `profiles` are active.
    """
    unhealthy = bool(engine.unhealthy)
    ready = engine.all_ready and not unhealthy and not engine.shutting_down
    if engine.shutting_down:
        state = SystemState.STOPPING
    elif engine.failed or unhealthy:
        state = SystemState.DEGRADED
    elif ready or settled:
        state = SystemState.RUNNING
    else:
        state = SystemState.STARTING
    return SystemStatus(
        version=__version__,
        pid=os.getpid(),
        state=state,
        ready=ready,
        since=timestamp(since),
        profiles=list(profiles),
    )


def overview(engine: Engine) -> Mapping[str, str]:
    """Return each service's state in a few words, for the log."""
    lines = {}
    for name, service in engine.services.items():
        pid = f" (pid {service.main})" if service.main is not None else ""
        why = f": {service.reason.text}" if service.reason is not None else ""
        waits = engine.waiting_on(name)
        lines[name] = f"{service.state}{pid}{why}" + (f", waits for {', '.join(waits)}" if waits else "")
    return lines
