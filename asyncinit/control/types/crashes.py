"""What is known of a failure: the report that stays when the process is gone."""

from __future__ import annotations

from asyncinit.control.types.records import LogEntry
from asyncinit.control.types.status import CgroupStatus, ExitInfo, ReasonStatus
from asyncinit.control.types.wire import Wire
from asyncinit.core.status import State


class ResourceUse(Wire, frozen=True):
    """What the main process used, with those of its children that it has waited for: seconds, bytes, counts.

    `max_rss` is the largest that one of them was.
    """

    user_seconds: float
    system_seconds: float
    max_rss: int
    minor_faults: int
    major_faults: int
    blocks_read: int
    blocks_written: int
    voluntary_switches: int
    involuntary_switches: int


class LeftOver(Wire, frozen=True):
    """A process of the service that still lived when its main process had ended."""

    pid: int
    name: str
    state: str


class CrashReport(Wire, frozen=True):
    """One failure of one run of a service.

    `state`: what it was in when it failed. `pid`: its main process. `uptime`: seconds from the making of that process
    to its end, `ready_for` from when it was ready. `outcome`: what became of the service, for people; `given_up`: no
    restart is left. `killed`: it had to be. `command` is as declared, `environment` has names only: their values may be
    secrets. `output` are its last lines since its start, oldest first. `cgroup`: what all its processes together used;
    null where it had none.
    """

    id: int
    service: str
    time: str
    reason: ReasonStatus
    state: State
    phase: str
    exit: ExitInfo | None
    killed: bool
    pid: int | None
    uptime: float | None
    ready_for: float | None
    restarts: int
    outcome: str
    given_up: bool
    usage: ResourceUse | None
    left_over: list[LeftOver]
    output: list[LogEntry]
    command: list[str]
    environment: list[str]
    status_text: str | None
    file: str | None
    cgroup: CgroupStatus | None = None


class CrashesParameters(Wire, frozen=True):
    """Parameters of Crashes: `names` null for all."""

    names: list[str] | None = None
    id: int | None = None


class CrashesReply(Wire, frozen=True):
    """Reply of Crashes: oldest first; so many older ones were forgotten."""

    crashes: list[CrashReport]
    forgotten: int
