"""What the keys of [limits] are in the kernel's words: a file and a text each; writes nothing, knows no folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from asyncinit.config.spec import CGROUP_KEYS, INFINITE, CgroupLimits, CpuMax, IoMax

MEMORY, CPU, PIDS, IO = "memory", "cpu", "pids", "io"

ALL = (CPU, IO, MEMORY, PIDS)
"""The controllers that there are keys for."""


class Setting(NamedTuple):
    """A text for a file of a cgroup; `key` is the one of [limits] that it comes from."""

    key: str
    file: str
    text: str


_FILES = {
    "memory_max": "memory.max",
    "memory_high": "memory.high",
    "memory_swap_max": "memory.swap.max",
    "memory_oom_group": "memory.oom.group",
    "cpu_weight": "cpu.weight",
    "cpu_max": "cpu.max",
    "pids_max": "pids.max",
    "io_weight": "io.weight",
    "io_max": "io.max",
}
_UNSET = {
    **dict.fromkeys(("memory_max", "memory_high", "memory_swap_max", "pids_max"), "max"),
    **dict.fromkeys(("cpu_weight", "io_weight"), "100"),
    "memory_oom_group": "0",
    "cpu_max": "max 100000",
}
_IO_NAMES = {"read": "rbps", "write": "wbps", "read_ops": "riops", "write_ops": "wiops"}


def controller_of(key: str) -> str | None:
    """Return the controller that carries out a key; None: the hierarchy alone does."""
    file = _FILES.get(key)
    return None if file is None else file.partition(".")[0]


def needed(limits: CgroupLimits) -> set[str]:
    """Return the controllers that a service with these limits cannot do without."""
    return {controller for key in limits.cgroup_keys if (controller := controller_of(key)) is not None}


def settings(limits: CgroupLimits) -> Iterator[Setting]:
    """Yield what has to be written for the keys that are set. Raises OSError for a device that is not there."""
    for key in limits.cgroup_keys:
        yield from _settings(key, limits)


def changes(old: CgroupLimits, new: CgroupLimits) -> Iterator[Setting]:
    """Yield what has to be written where `old` holds, and `new` shall."""
    for key in CGROUP_KEYS:
        if key not in _FILES or getattr(old, key) == getattr(new, key):
            continue
        if key == "io_max":
            for device in old.io_max.keys() - new.io_max.keys():
                yield _io_max(device, IoMax())
        elif key not in new.cgroup_keys:
            yield Setting(key, _FILES[key], _UNSET[key])
            continue
        yield from _settings(key, new)


def together(limits: CgroupLimits) -> CgroupLimits:
    """Return what of limits holds for all processes together."""
    return CgroupLimits(**{key: getattr(limits, key) for key in CGROUP_KEYS})


def only(limits: CgroupLimits, key: str) -> CgroupLimits:
    """Return limits with no other key."""
    return CgroupLimits(**{key: getattr(limits, key)})


def without(limits: CgroupLimits, key: str) -> CgroupLimits:
    """Return limits less a key."""
    return CgroupLimits(**{name: getattr(limits, name) for name in limits.cgroup_keys if name != key})


def _settings(key: str, limits: CgroupLimits) -> Iterator[Setting]:
    if key not in _FILES:
        return
    if key == "io_max":
        for device, limit in limits.io_max.items():
            yield _io_max(device, limit)
        return
    value = getattr(limits, key)
    if isinstance(value, CpuMax):
        text = f"{_text(value.quota)} {value.period}"
    else:
        text = "1" if value is True else _text(value)
    yield Setting(key, _FILES[key], text)


def _io_max(device: str, limit: IoMax) -> Setting:
    words = [f"{name}={_text(getattr(limit, part))}" for part, name in _IO_NAMES.items()]
    return Setting("io_max", "io.max", " ".join((_numbers(device), *words)))


def _text(number: int | None) -> str:
    return "max" if number is None or number == INFINITE else str(number)


def _numbers(device: str) -> str:
    """Return the two numbers of a block device; of a partition those of the disk, which alone can be limited."""
    if not device.startswith("/"):
        return device
    found = os.stat(device)  # below /dev, which is in the kernel's memory
    if not stat.S_ISBLK(found.st_mode):
        raise OSError(errno.ENOTBLK, os.strerror(errno.ENOTBLK), device)
    numbers = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    folder = f"/sys/dev/block/{numbers}"
    if os.path.exists(f"{folder}/partition"):
        with open(f"{folder}/../dev", encoding="ascii") as file:
            return file.read().strip()
    return numbers
