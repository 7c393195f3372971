"""One cgroup of a service's life: its folder, who is in it, and what stops, ends and counts them; knows no other."""

from __future__ import annotations

import contextlib
import os

from msgspec import Struct

from asyncinit.config.spec import POD_PREFIX, CgroupLimits
from asyncinit.control.types import CgroupStatus
from asyncinit.linux import cgroups
from asyncinit.runtime.cgroups.events import Watch
from asyncinit.runtime.cgroups.names import LEAF


class GroupState(Struct):
    """A cgroup as it is carried over a re-exec: its path below ours, the limits that hold, and what was told of it.

    `oom_kills` are the kills for want of memory that are accounted for, `full` that it could not fork.
    """

    path: str = ""
    limits: CgroupLimits = CgroupLimits()
    suspended: bool = False
    oom_kills: int = 0
    full: bool = False


class Group:
    """The cgroup of `life` below the folder `ours`; `joined` is the one that its processes are in."""

    def __init__(self, life: str, ours: str, state: GroupState) -> None:
        self.life = life
        self.folder = f"{ours}/{state.path}"
        self.state = state
        # The members of a pod have folders beside that of its own process, which may not be in the one above them.
        self.joined = f"{self.folder}/{LEAF}" if life.startswith(POD_PREFIX) else self.folder
        self.watches: list[Watch] = []
        self.populated: bool | None = None
        """What was told of it last; None: its end would not be told."""

    def processes(self) -> list[int]:
        """Return the processes in it."""
        return cgroups.all_processes(self.joined)

    def is_populated(self) -> bool:
        """Tell whether a process lives in it."""
        if self.populated:
            return True
        try:
            return cgroups.is_populated(self.joined)
        except OSError:
            return False

    def kill(self) -> None:
        """Send SIGKILL to all that is in it; harmless where that cannot be."""
        try:
            cgroups.kill(self.joined)
        except OSError:
            # Before Linux 5.14: frozen, nobody forks past who lists and kills, and SIGKILL ends the frozen too.
            with contextlib.suppress(OSError):
                cgroups.freeze(self.joined, True)
        else:
            self.resume()

    def suspend(self) -> None:
        """Stop all that is in it, where it stands. Raises OSError."""
        cgroups.freeze(self.folder, True)
        self.state.suspended = True

    def resume(self) -> bool:
        """Let them go on; tell whether they were stopped."""
        if not self.state.suspended:
            return False
        with contextlib.suppress(OSError):
            cgroups.freeze(self.folder, False)
        self.state.suspended = False
        return True

    def remove(self) -> None:
        """Remove it, with nobody in it. Raises OSError."""
        if self.joined != self.folder:
            os.rmdir(self.joined)
        os.rmdir(self.folder)

    def status(self) -> CgroupStatus:
        """Return what the kernel has counted; null for what it does not count here."""
        cpu = self.numbers("cpu.stat")
        return CgroupStatus(
            path=self.folder,
            memory=self._number("memory.current"),
            memory_peak=self._number("memory.peak"),
            swap=self._number("memory.swap.current"),
            processes=self._number("pids.current"),
            processes_peak=self._number("pids.peak"),
            cpu_seconds=_seconds(cpu.get("usage_usec")),
            throttled_seconds=_seconds(cpu.get("throttled_usec")),
            oom_kills=self.numbers("memory.events").get("oom_kill"),
            forks_refused=self.numbers("pids.events").get("max"),
        )

    def numbers(self, file: str) -> dict[str, int]:
        """Return the counters of a file; none where there is no such file."""
        try:
            return cgroups.numbers(cgroups.read(self.folder, file))
        except OSError:
            return {}

    def _number(self, file: str) -> int | None:
        try:
            return int(cgroups.read(self.folder, file))
        except (OSError, ValueError):
            return None


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1_000_000
