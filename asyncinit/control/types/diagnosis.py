"""What `doctor` finds: processes and whose they are, and what asyncinit can and cannot do here."""

from __future__ import annotations

from enum import StrEnum

from asyncinit.control.types.wire import Wire


class Standing(StrEnum):
    """What a process below asyncinit is to it."""

    SERVICE = "service"
    HELPER = "helper"
    STRAY = "stray"


class Grade(StrEnum):
    """How a check came out: `limited` means that something is switched off, `problem` that something goes wrong."""

    GOOD = "good"
    LIMITED = "limited"
    PROBLEM = "problem"


class ProcessEntry(Wire, frozen=True):
    """A process below asyncinit: `age` in seconds; `zombie`: it has ended, and `parent` has not waited for it."""

    pid: int
    parent: int
    age: float | None
    zombie: bool
    standing: Standing
    service: str | None
    command: str


class Check(Wire, frozen=True):
    """One thing that was looked at: what was found, and what follows from that where it is not good."""

    name: str
    grade: Grade
    found: str
    means: str


class Outlived(Wire, frozen=True):
    """So many processes of a service have outlived it, and were ended by asyncinit."""

    service: str
    count: int


class ServiceUsage(Wire, frozen=True):
    """What the processes of a service use together: processor time since they began, bytes of memory, their number."""

    name: str
    cpu_seconds: float
    memory: int
    processes: int


class UsageParameters(Wire, frozen=True):
    """Parameters of Usage: `names` null for all."""

    names: list[str] | None = None


class UsageReply(Wire, frozen=True):
    """Reply of Usage: `moment` in seconds since the machine was started."""

    moment: float
    services: list[ServiceUsage]


class DoctorReply(Wire, frozen=True):
    """Reply of Doctor: processes that are zombies or strays, all that was checked, and the audit of leaks."""

    processes: list[ProcessEntry]
    total: int
    checks: list[Check]
    outlived: list[Outlived]
    strays_ended: int
