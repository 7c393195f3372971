"""What the cgroups of services tell of who belongs to them; the tree of processes knows no more of them."""

from __future__ import annotations

from typing import Protocol


class Groups(Protocol):
    """What the cgroups of services tell (`runtime.cgroups.groups.Cgroups`)."""

    def has(self, life: str) -> bool:
        """Tell whether a service has a cgroup."""

    def processes(self, life: str) -> list[int]:
        """Return the processes in its cgroup."""

    def is_populated(self, life: str) -> bool:
        """Tell whether a process lives in its cgroup."""

    def owner(self, pid: int) -> str | None:
        """Return the service in whose cgroup a process is."""

    def kill(self, life: str) -> None:
        """Kill all that is in its cgroup."""


class NoGroups:
    """No service has a cgroup."""

    def has(self, life: str) -> bool:
        """Tell that it has none."""
        return False

    def processes(self, life: str) -> list[int]:
        """Return none."""
        return []

    def is_populated(self, life: str) -> bool:
        """Tell that there is none."""
        return False

    def owner(self, pid: int) -> str | None:
        """Return nobody."""
        return None

    def kill(self, life: str) -> None:
        """Do nothing."""
