"""The services as `top` shows them: which, in which order, which is selected; pure, knows neither screen nor socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from asyncinit.cli.screen import seconds_of

Status = dict[str, Any]
"""A ServiceStatus of the protocol, as JSON gives it."""

WORST_FIRST = (
    "failed",
    "unhealthy",
    "backoff",
    "stopping",
    "starting",
    "reloading",
    "waiting",
    "ready",
    "listening",
    "completed",
    "inactive",
)


class Use(NamedTuple):
    """What a service uses: processors (1.0: one of them, all the time) since the answer before, bytes, processes."""

    cpu: float | None
    memory: int
    processes: int


class Services:
    """All services by name, and those of them that are shown, in order."""

    SORTS = ("name", "state", "since", "cpu", "memory", "restarts")

    def __init__(self) -> None:
        self.by_name: dict[str, Status] = {}
        self.system: dict[str, Any] = {}
        self.use: dict[str, Use] = {}
        self.sort = "name"
        self.reversed = False
        self.filter = ""
        self.selected: str | None = None
        self._measured: dict[str, tuple[float, float]] = {}
        self._shown: list[str] | None = None

    # -----------------------------------------------------------------------------------------------------------------
    # What is known

    def replace(self, statuses: Iterable[Status]) -> None:
        """Take these for all that there are."""
        self.by_name = {status["name"]: status for status in statuses}
        self.use = {name: use for name, use in self.use.items() if name in self.by_name}
        self._shown = None
        self._keep_selection()

    def update(self, statuses: Iterable[Status]) -> None:
        """Take these in place of what was known of them."""
        self.by_name |= {status["name"]: status for status in statuses}
        self._shown = None
        self._keep_selection()

    def measure(self, moment: float, usages: Iterable[Mapping[str, Any]]) -> None:
        """Take an answer of Usage, of all services that have a process; `moment` in seconds, of the same clock."""
        found = {}
        measured = {}
        for usage in usages:
            name, seconds = usage["name"], usage["cpu_seconds"]
            measured[name] = (moment, seconds)
            then, before = self._measured.get(name, (moment, seconds))
            # Less than before: another process, or one that has ended uncounted.
            cpu = max(0.0, seconds - before) / (moment - then) if moment > then else None
            found[name] = Use(cpu, usage["memory"], usage["processes"])
        self.use, self._measured = found, measured
        if self.sort in {"cpu", "memory"}:
            self._shown = None

    # -----------------------------------------------------------------------------------------------------------------
    # What is shown

    def shown(self) -> list[str]:
        """Return the names that are shown, in order."""
        if self._shown is None:
            wanted = self.filter.lower()
            names = [name for name in self.by_name if not wanted or self._has(name, wanted)]
            names.sort()
            key = self._keys()[self.sort]
            names.sort(key=key, reverse=self.reversed)
            self._shown = names
        return self._shown

    def set_filter(self, text: str) -> None:
        """Show only those that have this text in their name, state or reason."""
        self.filter = text.strip()
        self._shown = None
        self._keep_selection()

    def next_sort(self) -> None:
        """Sort by the next column."""
        self.sort = self.SORTS[(self.SORTS.index(self.sort) + 1) % len(self.SORTS)]
        self.reversed = False
        self._shown = None

    def reverse(self) -> None:
        """Sort the other way round."""
        self.reversed = not self.reversed
        self._shown = None

    def _has(self, name: str, wanted: str) -> bool:
        status = self.by_name[name]
        return wanted in name.lower() or wanted in status["state"] or wanted in remark(status).lower()

    def _keys(self) -> dict[str, Callable[[str], Any]]:
        """Return what to sort by; of numbers the largest come first, of times the shortest."""
        nothing = Use(None, -1, 0)
        return {
            "name": lambda name: name,
            "state": lambda name: WORST_FIRST.index(self.by_name[name]["state"]),
            "since": lambda name: -(seconds_of(self.by_name[name]["since"]) if self.by_name[name]["since"] else 0.0),
            "cpu": lambda name: -(self.use.get(name, nothing).cpu or 0.0),
            "memory": lambda name: -self.use.get(name, nothing).memory,
            "restarts": lambda name: -self.by_name[name]["restarts"],
        }

    # -----------------------------------------------------------------------------------------------------------------
    # Which is selected

    @property
    def position(self) -> int:
        """The place of the selected service among those that are shown; 0 without any."""
        shown = self.shown()
        return shown.index(self.selected) if self.selected in shown else 0

    def select(self, position: int) -> None:
        """Select the service at a place, or the nearest to it that there is."""
        shown = self.shown()
        self.selected = shown[max(0, min(position, len(shown) - 1))] if shown else None

    def _keep_selection(self) -> None:
        if self.selected not in self.shown():
            self.select(0)

    @property
    def current(self) -> Status | None:
        """The selected service."""
        return None if self.selected is None else self.by_name.get(self.selected)

    def up(self) -> int:
        """Return how many are up, or have completed."""
        return sum(status["state"] in {"ready", "reloading", "completed"} for status in self.by_name.values())


def remark(status: Status) -> str:
    """Return what there is to say beside a service's state."""
    from asyncinit.cli.status import remark as told

    return told({"successor": None, "draining": (), **status})


def health(status: Status) -> str:
    """Return what the health probes say, in a word."""
    found = status.get("health")
    if found is None:
        return ""
    if found["probed"] is None:
        return "-"
    return f"{found['failures']} bad" if found["failures"] or not found["healthy"] else "well"
