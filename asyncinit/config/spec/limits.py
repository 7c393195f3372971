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


class CpuMax(NamedTuple):
    """So much time on processors (microseconds, `INFINITE`: any) in each period of so many."""

    quota: int
    period: int = 100_000


class IoMax(Struct, frozen=True):
    """What may go over a device in a second: bytes and operations; None: not said, `INFINITE`: any."""

    read: int | None = None
    write: int | None = None
    read_ops: int | None = None
    write_ops: int | None = None


class CgroupLimits(Struct, frozen=True):
    """What holds for all processes of a service together, by its cgroup; None: not said, `INFINITE`: no limit.

    Sizes in bytes. `memory_oom_group`: where memory has run out, all of them are killed and not one. `io_max` by device
    ("/dev/vda", "8:0"). `delegate`: the cgroup is the service's user's, who may make others in it.
    """

    memory_max: int | None = None
    memory_high: int | None = None
    memory_swap_max: int | None = None
    memory_oom_group: bool = False
    cpu_weight: int | None = None
    cpu_max: CpuMax | None = None
    pids_max: int | None = None
    io_weight: int | None = None
    io_max: Mapping[str, IoMax] = field(default_factory=dict)
    delegate: bool = False

    @property
    def cgroup_keys(self) -> tuple[str, ...]:
        """The keys that take a cgroup."""
        values = {key: getattr(self, key) for key in CGROUP_KEYS}
        return tuple(key for key, value in values.items() if value is not None and value is not False and value != {})


CGROUP_KEYS: tuple[str, ...] = CgroupLimits.__struct_fields__
"""The keys of [limits] that a cgroup carries out."""


class Limits(CgroupLimits, frozen=True):
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
