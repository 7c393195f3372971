"""The keys of [limits] that hold for all processes of a service together: its cgroup's."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, spec, values
from asyncinit.config.problems import Finding
from asyncinit.config.sections.given import Keys
from asyncinit.config.values import BadValueError

_PERCENT = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)%")
_DEVICE = re.compile(r"/dev/[^\s\0]+|[0-9]{1,4}:[0-9]{1,7}")
_PERIOD = 100_000  # microseconds: the kernel's own
_PERIODS = (1_000, 1_000_000)
_LEAST_QUOTA = 1_000  # the kernel takes no less than a millisecond


def cpu_share(value: str) -> spec.CpuMax:
    """Return what "150%" of a processor, or "none", is."""
    if value == "none":
        return spec.CpuMax(spec.INFINITE)
    match = _PERCENT.fullmatch(value)
    if match is None:
        raise BadValueError(suggestion=f'"{value}%"' if re.fullmatch(r"[0-9]+", value) else "")
    quota = round(float(match[1]) / 100 * _PERIOD)
    if quota < _LEAST_QUOTA:
        raise BadValueError("is less than 1% of a processor")
    return spec.CpuMax(quota)


def device(value: str) -> str:
    """Return the path of a device below /dev, or its two numbers ("8:0")."""
    if not _DEVICE.fullmatch(value) or ".." in value:
        raise BadValueError
    return value


_SIZE = kinds.Kind("size", 'a size such as "64K" or "512M", or "none"', values.size)
Amount = Annotated[int | str, Meta(extra={"kind": _SIZE})]
Number = Annotated[int, Meta(ge=1, le=2**63 - 1)] | kinds.NoLimit
Weight = Annotated[int, Meta(ge=1, le=10_000)]
Share = Annotated[
    str, Meta(extra={"kind": kinds.Kind("share", 'a share of one processor such as "150%", or "none"', cpu_share)})
]
Device = Annotated[str, Meta(extra={"kind": kinds.Kind("device", 'a device such as "/dev/vda" or "8:0"', device)})]


class CpuQuota(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """So much time on processors in each period."""

    quota: Annotated[kinds.Duration, Meta(description="How long, on all processors together.", examples=["20ms"])] = (
        "none"
    )
    period: Annotated[kinds.Positive, Meta(description="Of how long; 1 ms to 1 s.")] = "100ms"


class IoLimits(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What may go over a device in a second."""

    read: Annotated[Amount | UnsetType, Meta(description="Bytes that are read.")] = UNSET
    write: Annotated[Amount | UnsetType, Meta(description="Bytes that are written.")] = UNSET
    read_ops: Annotated[Number | UnsetType, Meta(description="Reads.")] = UNSET
    write_ops: Annotated[Number | UnsetType, Meta(description="Writes.")] = UNSET


class CgroupKeys(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What holds for all processes of a service together."""

    memory_max: Annotated[
        Amount | UnsetType,
        Meta(description="Memory of all together; beyond it the kernel kills one of them.", examples=["512M"]),
    ] = UNSET
    memory_high: Annotated[
        Amount | UnsetType,
        Meta(description="Memory from which on they are slowed down and have to give it back.", examples=["400M"]),
    ] = UNSET
    memory_swap_max: Annotated[
        Amount | UnsetType, Meta(description="Swap space of all together; 0: none.", examples=[0])
    ] = UNSET
    memory_oom_group: Annotated[
        bool, Meta(description="When memory has run out the kernel kills all of them, and not one.")
    ] = False
    cpu_weight: Annotated[
        Weight | UnsetType, Meta(description="Share of the processors beside others; what has no such key has 100.")
    ] = UNSET
    cpu_max: Annotated[
        Share | CpuQuota | UnsetType,
        Meta(
            description="Time on processors, in percent of one.", examples=["150%", {"quota": "5ms", "period": "10ms"}]
        ),
    ] = UNSET
    pids_max: Annotated[
        Number | UnsetType, Meta(description="Processes and threads of all together.", examples=[200])
    ] = UNSET
    io_weight: Annotated[
        Weight | UnsetType, Meta(description="Share of the disks beside others; what has no such key has 100.")
    ] = UNSET
    io_max: Annotated[
        dict[Device, IoLimits],
        Meta(description="Most that goes over a device in a second.", examples=[{"/dev/vda": {"write": "10M"}}]),
    ] = {}
    delegate: Annotated[
        bool, Meta(description="The cgroup belongs to the service's user, who may make others in it.")
    ] = False


_SIZES = ("memory_max", "memory_high", "memory_swap_max")
_COUNTS = ("pids_max",)
_WEIGHTS = ("cpu_weight", "io_weight")


def _size(value: int | str | UnsetType) -> int | None:
    if isinstance(value, UnsetType):
        return None
    number = values.size(value)
    return spec.INFINITE if number == math.inf else int(number)


def _count(value: int | str | UnsetType) -> int | None:
    return None if isinstance(value, UnsetType) else spec.INFINITE if value == "none" else int(value)


def _cpu_max(value: str | CpuQuota | UnsetType) -> spec.CpuMax | None:
    if isinstance(value, UnsetType):
        return None
    if isinstance(value, str):
        return cpu_share(value)
    quota, period = values.duration(value.quota), round(values.positive(value.period) * 1_000_000)
    return spec.CpuMax(spec.INFINITE if quota == math.inf else round(quota * 1_000_000), period)


def resolve(declared: CgroupKeys) -> Mapping[str, Any]:
    """Return the fields of `spec.CgroupLimits`."""
    return {
        **{key: _size(getattr(declared, key)) for key in _SIZES},
        **{key: _count(getattr(declared, key)) for key in (*_COUNTS, *_WEIGHTS)},
        "memory_oom_group": declared.memory_oom_group,
        "cpu_max": _cpu_max(declared.cpu_max),
        "io_max": {
            name: spec.IoMax(_size(one.read), _size(one.write), _count(one.read_ops), _count(one.write_ops))
            for name, one in declared.io_max.items()
        },
        "delegate": declared.delegate,
    }


def _shown(number: int | None, *, size: bool = False) -> int | str | None:
    if number == spec.INFINITE:
        return "none"
    return number if number is None or not size else values.format_size(number)


def declare(limits: spec.CgroupLimits) -> Keys:
    """Return the keys that resolve to `limits`; None where there is nothing to say."""
    return {
        **{key: _shown(getattr(limits, key), size=True) for key in _SIZES},
        **{key: _shown(getattr(limits, key)) for key in (*_COUNTS, *_WEIGHTS)},
        "memory_oom_group": limits.memory_oom_group or None,
        "cpu_max": None if limits.cpu_max is None else _shown_cpu_max(limits.cpu_max),
        "io_max": {name: _shown_io_max(one) for name, one in limits.io_max.items()},
        "delegate": limits.delegate or None,
    }


def _shown_cpu_max(limit: spec.CpuMax) -> str | dict[str, Any]:
    if limit.quota == spec.INFINITE and limit.period == _PERIOD:
        return "none"
    share = f"{limit.quota * 100 / _PERIOD:.3f}".rstrip("0").rstrip(".") + "%"
    if limit.period == _PERIOD and limit.quota >= _LEAST_QUOTA and cpu_share(share) == limit:
        return share
    quota = "none" if limit.quota == spec.INFINITE else values.format_duration(limit.quota / 1_000_000)
    return {"quota": quota, "period": values.format_duration(limit.period / 1_000_000)}


def _shown_io_max(limit: spec.IoMax) -> dict[str, Any]:
    shown = {
        "read": _shown(limit.read, size=True),
        "write": _shown(limit.write, size=True),
        "read_ops": _shown(limit.read_ops),
        "write_ops": _shown(limit.write_ops),
    }
    return {key: value for key, value in shown.items() if value is not None}


def check(table: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what a cgroup's keys must agree on among themselves."""
    share = table.get("cpu_max")
    if isinstance(share, dict) and "quota" in share:
        try:
            period = round(values.positive(share.get("period", "100ms")) * 1_000_000)
            quota = values.duration(share["quota"]) * 1_000_000
        except (ValueError, TypeError):
            return  # told elsewhere
        if not _PERIODS[0] <= period <= _PERIODS[1]:
            yield Finding(("limits", "cpu_max", "period"), "is not from 1 ms to 1 s")
        if quota < _LEAST_QUOTA:
            yield Finding(("limits", "cpu_max", "quota"), "is less than 1 ms")
    most, high = (_size_of(table.get(key)) for key in ("memory_max", "memory_high"))
    if most is not None and high is not None and high > most:
        yield Finding(("limits", "memory_high"), "is more than limits.memory_max, and so never reached")


def _size_of(value: Any) -> float | None:
    try:
        return None if value is None else values.size(value)
    except (ValueError, TypeError, AttributeError):
        return None  # told elsewhere
