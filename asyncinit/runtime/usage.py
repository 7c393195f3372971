"""What the processes of services use of the machine: time of processors, memory. For a child: it takes time.

Where a service has a cgroup, the kernel has counted for it, with all that has ended; else the processes that live are
added up, with those of their children that they have waited for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import Struct

from asyncinit.control.types import ServiceUsage, UsageReply
from asyncinit.linux import cgroups, proc
from asyncinit.runtime.doctor.processes import Family, below
from asyncinit.runtime.process.offload import StepCallback


class Asked(Struct, frozen=True):
    """Whose processes are whose, the folders of cgroups by service, and the services that are asked for."""

    family: Family
    folders: dict[str, list[str]]
    names: list[str]


class _Sum:
    """What the processes of one service use, added up."""

    def __init__(self) -> None:
        self.processes = 0
        self.seconds = 0.0
        self.memory = 0

    def add(self, pid: int) -> None:
        """Count one process; none if it has just ended."""
        found = proc.consumption(pid)
        if found is not None:
            self.processes += 1
            self.seconds += found.seconds
            self.memory += found.resident


def measure(asked: Asked, step: StepCallback) -> UsageReply:
    """In a child: return what those services use that have processes."""
    step("look at processes")
    sums: dict[str, _Sum] = {}
    wanted = set(asked.names)
    for stat, _, service in below(asked.family):
        if service in wanted and stat.alive:
            sums.setdefault(service, _Sum()).add(stat.pid)
    moment = time.clock_gettime(time.CLOCK_BOOTTIME)
    services = [_usage(name, sums[name], asked.folders.get(name, ())) for name in asked.names if name in sums]
    return UsageReply(moment=moment, services=services)


def _usage(name: str, found: _Sum, folders: Sequence[str]) -> ServiceUsage:
    microseconds = _counted([_number(folder, "cpu.stat", "usage_usec") for folder in folders])
    memory = _counted([_number(folder, "memory.current") for folder in folders])
    return ServiceUsage(
        name=name,
        cpu_seconds=round(found.seconds if microseconds is None else microseconds / 1_000_000, 6),
        memory=found.memory if memory is None else memory,
        processes=found.processes,
    )


def _counted(numbers: Sequence[int | None]) -> int | None:
    """Return the sum of what is counted in each cgroup; None where one does not count, or there is none."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known and len(known) == len(numbers) else None


def _number(folder: str, file: str, key: str = "") -> int | None:
    try:
        text = cgroups.read(folder, file)
        return cgroups.numbers(text).get(key) if key else int(text)
    except (OSError, ValueError):
        return None
