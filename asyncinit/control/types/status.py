"""What asyncinit and its services are doing, as the control protocol tells it."""

from __future__ import annotations

from enum import StrEnum

from asyncinit.config.spec import ServiceType
from asyncinit.control.types.wire import Wire
from asyncinit.core.status import Code, State


class SystemState(StrEnum):
    """What asyncinit as a whole is doing: `degraded` is running, but something has failed for good or is unhealthy."""

    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    STOPPING = "stopping"


class SystemStatus(Wire, frozen=True):
    """asyncinit itself: `ready` while all that shall run is up and healthy; `since` when it started.

    `profiles` are active, of which the later win.
    """

    version: str
    pid: int
    state: SystemState
    ready: bool
    since: str
    profiles: list[str]


class ReasonStatus(Wire, frozen=True):
    """Why a service is in its state; `service` is the one that caused it, if another."""

    code: Code
    text: str
    service: str | None = None


class ExitInfo(Wire, frozen=True):
    """How a main process ended: by code, by signal number, or (both null) nobody knows."""

    code: int | None
    signal: int | None
    core_dumped: bool
    time: str


class HealthStatus(Wire, frozen=True):
    """What the health probes say: `failures` in a row so far, when the last one was answered, and its obstacle."""

    healthy: bool
    failures: int
    probed: str | None
    text: str | None


class LogFile(Wire, frozen=True):
    """A file that output is written to: `format` is text, json or raw; `stream` stdout or stderr, null for both."""

    path: str
    format: str
    stream: str | None


class LogStatus(Wire, frozen=True):
    """Where a service's output goes: the words of `log.to`, and the files that are open for it.

    `dropped`: lines that a destination has not got, or that were more than the rate limit. `trouble`: what is wrong
    with destinations now. `remembered`: asyncinit sees the lines and has the newest in memory.
    """

    to: list[str]
    files: list[LogFile]
    dropped: int
    trouble: list[str]
    remembered: bool


class CgroupStatus(Wire, frozen=True):
    """What the kernel has counted in the cgroup of a service; null for what it does not count here.

    `path`: its folder. `memory`, `swap` in bytes. `processes` are threads too. `throttled_seconds`: so long it had to
    wait for limits.cpu_max. `oom_kills`: processes that were killed for want of memory. `forks_refused`: so often it
    wanted more processes than it may have.
    """

    path: str
    memory: int | None
    memory_peak: int | None
    swap: int | None
    processes: int | None
    processes_peak: int | None
    cpu_seconds: float | None
    throttled_seconds: float | None
    oom_kills: int | None
    forks_refused: int | None


class WatchStatus(Wire, frozen=True):
    """What a service's [watch] says and does: `action` is restart, reload or run.

    `watching`: a change is seen; not while it is stopped by request. `folders`: how many are watched. `text`: what
    cannot be watched, and why.
    """

    action: str
    paths: list[str]
    watching: bool
    folders: int | None
    text: str | None


class ServiceStatus(Wire, frozen=True):
    """One service.

    `since`: when it came into `state`, null if it never left `inactive`. `restarts` counts automatic
    ones. `waiting_on`: names of services (waiting, stopping) or the readiness that is looked for (starting).
    `next_start`: when a backoff ends, or its timer elapses. `status_text`: what the service says of itself. `armed`:
    its timer will start it. `successor` and `draining`: pids of its other instances, while a restart without a gap is
    under way: the one that comes up, and those that end. `not_applied`: keys of `prefer` that could not be had here.
    `health`: null where nothing is probed at present. `file`: where it is declared. `log`: where
    its output goes, null for a target. `frozen`: its processes stand still. `cgroup`: null where it has none. `watch`:
    null where it has no [watch].
    """

    name: str
    type: ServiceType
    state: State
    reason: ReasonStatus | None
    pid: int | None
    since: str | None
    ready_since: str | None
    restarts: int
    last_exit: ExitInfo | None
    waiting_on: list[str]
    next_start: str | None
    status_text: str | None
    armed: bool
    successor: int | None
    draining: list[int]
    requires: list[str]
    not_applied: list[str]
    health: HealthStatus | None
    file: str | None
    log: LogStatus | None = None
    frozen: bool = False
    cgroup: CgroupStatus | None = None
    watch: WatchStatus | None = None


class StatusParameters(Wire, frozen=True):
    """Parameters of Status: `names` null for all."""

    names: list[str] | None = None


class StatusReply(Wire, frozen=True):
    """Reply of Status: `services` by name, or in the order that was asked for."""

    asyncinit: SystemStatus
    services: list[ServiceStatus]


class TimerStatus(Wire, frozen=True):
    """One service's timer.

    `armed`: it will start its service; not if that is not enabled. `schedule`: its rules, in words. `next`: when it
    elapses next. `last`: when the service was started last, by whomever. `result`: what came of that, or what it is
    doing now. `skipped`: runs that were left out because the one before was still going on.
    """

    name: str
    armed: bool
    schedule: list[str]
    next: str | None
    last: str | None
    result: str | None
    skipped: int


class TimersParameters(Wire, frozen=True):
    """Parameters of Timers: `names` null for all."""

    names: list[str] | None = None


class TimersReply(Wire, frozen=True):
    """Reply of Timers: by name, or in the order that was asked for."""

    timers: list[TimerStatus]


class ShowParameters(Wire, frozen=True):
    """Parameters of Show."""

    name: str


class ShowReply(Wire, frozen=True):
    """Reply of Show: `toml` is the merged service with each value's origin as a comment, secrets masked."""

    toml: str
