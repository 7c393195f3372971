"""What a service's processes may use, resolved; sets nothing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, field

INFINITE = -1
"""No limit: RLIM_INFINITY as Python's `resource` has it."""


class IoClass(StrEnum):
    """Who waits for the disk: ioprio_set(2)."""

    REALTIME = "realtime"
    BEST_EFFORT = "best-effort"
    IDLE = "idle"


class Scheduler(StrEnum):
    """How the kernel shares out the processors: sched(7)."""

    OTHER = "other"
    BATCH = "batch"
    IDLE = "idle"
    FIFO = "fifo"
    RR = "rr"


REAL_TIME = frozenset({Scheduler.FIFO, Scheduler.RR})
"""Schedulers that take a priority."""


class Rlimit(NamedTuple):
    """A resource limit of getrlimit(2): the limit in force, and how far the process may raise it; None: as ours."""

    soft: int | None
    hard: int | None


class Limits(Struct, frozen=True):
    """The [limits] section: `rlimits` by lower-case name ("nofile"), in the kernel's units; None: as ours."""

    rlimits: Mapping[str, Rlimit] = field(default_factory=dict)
    nice: int | None = None
    io_class: IoClass | None = None
    io_priority: int | None = None
    cpu_affinity: tuple[int, ...] = ()
    scheduler: Scheduler | None = None
    scheduler_priority: int | None = None
    oom_score_adj: int | None = None

    def __bool__(self) -> bool:
        return self != _UNLIMITED


_UNLIMITED = Limits()
