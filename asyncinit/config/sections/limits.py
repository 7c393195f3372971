"""[limits]: what a service's processes may use of the machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, spec, values
from asyncinit.config.problems import Finding
from asyncinit.config.sections import cgroup_limits
from asyncinit.config.sections.cgroup_limits import CgroupKeys
from asyncinit.config.sections.given import Keys, filled, or_none
from asyncinit.config.values import BadValueError

_MOST = 2**63 - 1  # of what setrlimit(2) takes from us; "none" says more
_MOST_CPUS = 4096

Amount = Annotated[
    int | str, Meta(extra={"kind": kinds.Kind("size", 'a size such as "64K" or "8M", or "none"', values.size)})
]
Number = Annotated[int, Meta(ge=0, le=_MOST)] | kinds.NoLimit


class AmountPair(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A limit of bytes in its two parts."""

    soft: Annotated[Amount | UnsetType, Meta(description="What holds.", extra={"default": "asyncinit's own"})] = UNSET
    hard: Annotated[
        Amount | UnsetType,
        Meta(description="How far the service may raise it itself.", extra={"default": "asyncinit's own"}),
    ] = UNSET


class NumberPair(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A limit that counts, in its two parts."""

    soft: Annotated[Number | UnsetType, Meta(description="What holds.", extra={"default": "asyncinit's own"})] = UNSET
    hard: Annotated[
        Number | UnsetType,
        Meta(description="How far the service may raise it itself.", extra={"default": "asyncinit's own"}),
    ] = UNSET


class DurationPair(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A limit of time in its two parts."""

    soft: Annotated[
        kinds.Duration | UnsetType, Meta(description="What holds.", extra={"default": "asyncinit's own"})
    ] = UNSET
    hard: Annotated[
        kinds.Duration | UnsetType,
        Meta(description="How far the service may raise it itself.", extra={"default": "asyncinit's own"}),
    ] = UNSET


def cpu_list(value: str) -> tuple[int, ...]:
    """Return the processors of "0-3,6", as the kernel and taskset(1) write them."""
    found: set[int] = set()
    for part in value.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if not (first.isascii() and first.isdigit() and len(first) < 6 and (not dash or (last.isdigit()))):
            raise BadValueError
        low, high = int(first), int(last[:6]) if dash else int(first)
        if high < low or high >= _MOST_CPUS:
            raise BadValueError(f"has no processor number up to {_MOST_CPUS - 1}" if high >= low else "runs backwards")
        found.update(range(low, high + 1))
    return tuple(sorted(found))


Cpus = Annotated[str, Meta(extra={"kind": kinds.Kind("processors", 'a list of processors such as "0-3,6"', cpu_list)})]


class LimitsTable(CgroupKeys, kw_only=True, frozen=True, forbid_unknown_fields=True, rename={"as_": "as"}):
    """What the processes of the service may use. The first keys are the limits of setrlimit(2) by their names in
    limits.conf: one value is both the limit and how far the service may raise it; a table `{ soft, hard }` gives both.
    What is not set is as asyncinit has it. The keys from `memory_max` to `delegate` hold for all of its processes
    together, and take a [cgroup](../guides/limits.md#cgroups)."""

    nofile: Annotated[
        Number | NumberPair | UnsetType,
        Meta(description="Open files.", examples=[65536, {"soft": 1024, "hard": 65536}]),
    ] = UNSET
    nproc: Annotated[
        Number | NumberPair | UnsetType, Meta(description="Processes and threads of its user, all services together.")
    ] = UNSET
    core: Annotated[
        Amount | AmountPair | UnsetType, Meta(description="Size of a core dump; 0: none.", examples=[0])
    ] = UNSET
    memlock: Annotated[
        Amount | AmountPair | UnsetType, Meta(description="Memory that is locked.", examples=["64M"])
    ] = UNSET
    stack: Annotated[Amount | AmountPair | UnsetType, Meta(description="Stack of the first thread.")] = UNSET
    as_: Annotated[Amount | AmountPair | UnsetType, Meta(description="Address space of each process.")] = UNSET
    data: Annotated[Amount | AmountPair | UnsetType, Meta(description="Heap of each process.")] = UNSET
    fsize: Annotated[Amount | AmountPair | UnsetType, Meta(description="Size of a file that it writes.")] = UNSET
    rss: Annotated[Amount | AmountPair | UnsetType, Meta(description="Without effect since Linux 2.6.")] = UNSET
    cpu: Annotated[
        kinds.Duration | DurationPair | UnsetType, Meta(description="Time on a processor; SIGXCPU, at `hard` SIGKILL.")
    ] = UNSET
    rttime: Annotated[
        kinds.Duration | DurationPair | UnsetType,
        Meta(description="Time on a processor under a real-time scheduler without a blocking call."),
    ] = UNSET
    rtprio: Annotated[Number | NumberPair | UnsetType, Meta(description="Real-time priority that it may take.")] = UNSET
    sigpending: Annotated[Number | NumberPair | UnsetType, Meta(description="Queued signals of its user.")] = UNSET
    msgqueue: Annotated[Amount | AmountPair | UnsetType, Meta(description="Message queues of its user.")] = UNSET
    nice: Annotated[
        Annotated[int, Meta(ge=-20, le=19)] | UnsetType,
        Meta(description="-20 (first) to 19 (last); less than asyncinit's own needs a right."),
    ] = UNSET
    io_class: Annotated[
        Literal["realtime", "best-effort", "idle"] | UnsetType, Meta(description="Its turn at the disk: ionice(1).")
    ] = UNSET
    io_priority: Annotated[
        Annotated[int, Meta(ge=0, le=7)] | UnsetType,
        Meta(description="0 (first) to 7 (last) within `io_class`, which without this key is best-effort."),
    ] = UNSET
    cpu_affinity: Annotated[Cpus | UnsetType, Meta(description="Processors that it runs on.", examples=["0-3,6"])] = (
        UNSET
    )
    scheduler: Annotated[
        Literal["other", "batch", "idle", "fifo", "rr"] | UnsetType, Meta(description="How it gets its turn: sched(7).")
    ] = UNSET
    scheduler_priority: Annotated[
        Annotated[int, Meta(ge=1, le=99)] | UnsetType,
        Meta(description="Priority of `fifo` and `rr`.", extra={"default": "1"}),
    ] = UNSET
    oom_score_adj: Annotated[
        Annotated[int, Meta(ge=-1000, le=1000)] | UnsetType,
        Meta(description="-1000: never, 1000: the first to be killed when memory runs out."),
    ] = UNSET


def _infinite(number: float) -> int:
    return spec.INFINITE if number == math.inf else math.ceil(number)


def _bytes(value: Any) -> int:
    return _infinite(values.size(value))


def _count(value: Any) -> int:
    return spec.INFINITE if value == "none" else int(value)


def _seconds(value: Any) -> int:
    return _infinite(values.duration(value))


def _microseconds(value: Any) -> int:
    return _infinite(values.duration(value) * 1_000_000)


Reader = Callable[[Any], int]
Writer = Callable[[int], Any]


def _finite(write: Writer) -> Writer:
    return lambda number: "none" if number == spec.INFINITE else write(number)


_RLIMITS: Mapping[str, tuple[Reader, Writer]] = {
    **dict.fromkeys(("nofile", "nproc", "rtprio", "sigpending"), (_count, _finite(int))),
    **dict.fromkeys(
        ("core", "memlock", "stack", "as", "data", "fsize", "rss", "msgqueue"), (_bytes, _finite(values.format_size))
    ),
    "cpu": (_seconds, _finite(values.format_duration)),
    "rttime": (_microseconds, _finite(lambda number: values.format_duration(number / 1_000_000))),
}
"""Each limit of setrlimit(2): how its value becomes the kernel's number, and back."""

KEYS = frozenset(field if field != "as_" else "as" for field in LimitsTable.__struct_fields__)
"""All keys of the table."""


def _attribute(key: str) -> str:
    return "as_" if key == "as" else key


def resolve(declared: LimitsTable) -> spec.Limits:
    """Return what the table declares."""
    rlimits: dict[str, spec.Rlimit] = {}
    for key, (read, _) in _RLIMITS.items():
        value = getattr(declared, _attribute(key))
        if isinstance(value, AmountPair | NumberPair | DurationPair):
            pair = spec.Rlimit(_read(read, value.soft), _read(read, value.hard))
            rlimits |= {key: pair} if any(part is not None for part in pair) else {}
        elif value is not UNSET:
            rlimits[key] = spec.Rlimit(read(value), read(value))
    cpus = declared.cpu_affinity
    return spec.Limits(
        rlimits=rlimits,
        nice=or_none(declared.nice),
        io_class=None if isinstance(declared.io_class, UnsetType) else spec.IoClass(declared.io_class),
        io_priority=or_none(declared.io_priority),
        cpu_affinity=() if isinstance(cpus, UnsetType) else cpu_list(cpus),
        scheduler=None if isinstance(declared.scheduler, UnsetType) else spec.Scheduler(declared.scheduler),
        scheduler_priority=or_none(declared.scheduler_priority),
        oom_score_adj=or_none(declared.oom_score_adj),
        **cgroup_limits.resolve(declared),
    )


def _read(read: Reader, value: Any) -> int | None:
    return None if value is UNSET else read(value)


def declare(limits: spec.Limits) -> Keys:
    """Return the keys that resolve to `limits`."""
    keys: Keys = {}
    for key, (_, write) in _RLIMITS.items():
        if key in limits.rlimits:
            soft, hard = limits.rlimits[key]
            parts = {"soft": soft, "hard": hard}
            pair = {part: write(number) for part, number in parts.items() if number is not None}
            keys[key] = pair["soft"] if soft == hard else pair
    return filled(
        {
            **keys,
            "nice": limits.nice,
            "io_class": limits.io_class and str(limits.io_class),
            "io_priority": limits.io_priority,
            "cpu_affinity": format_cpus(limits.cpu_affinity),
            "scheduler": limits.scheduler and str(limits.scheduler),
            "scheduler_priority": limits.scheduler_priority,
            "oom_score_adj": limits.oom_score_adj,
            **cgroup_limits.declare(limits),
        }
    )


def format_cpus(cpus: tuple[int, ...]) -> str:
    """Return the text that `cpu_list` reads as `cpus`."""
    ranges: list[list[int]] = []
    for cpu in cpus:
        if ranges and ranges[-1][-1] == cpu - 1:
            ranges[-1][1:] = [cpu]
        else:
            ranges.append([cpu])
    return ",".join("-".join(map(str, part)) for part in ranges)


def check(table: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what the keys of [limits] must agree on among themselves."""
    for key, (read, _) in _RLIMITS.items():
        value = table.get(key)
        if isinstance(value, dict) and value.keys() == {"soft", "hard"}:
            try:
                soft, hard = read(value["soft"]), read(value["hard"])
            except (ValueError, TypeError):
                continue  # told elsewhere
            if hard != spec.INFINITE and (soft == spec.INFINITE or soft > hard):
                yield Finding(("limits", key, "soft"), f"is more than limits.{key}.hard")
    if "scheduler_priority" in table and table.get("scheduler") not in tuple(spec.REAL_TIME):
        expected = 'scheduler = "fifo" or "rr" beside it'
        yield Finding(
            ("limits", "scheduler_priority"), "means nothing without a real-time scheduler", expected=expected
        )
    if "io_priority" in table and table.get("io_class") == "idle":
        yield Finding(("limits", "io_priority"), 'means nothing for io_class = "idle"')
    yield from cgroup_limits.check(table)
