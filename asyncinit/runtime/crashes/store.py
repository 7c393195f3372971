"""The newest crash reports, in bounded memory; writes nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any

import msgspec

from asyncinit.control.types import CrashReport
from asyncinit.runtime.reexec.coding import by_keys, from_keys
from asyncinit.runtime.reexec.keep import Keep

MOST_REPORTS = 64
MOST_BYTES = 256 * 1024
"""So many reports are remembered, and so much of them; a service that fails all day does not eat the memory."""


class StoreState(msgspec.Struct):
    """What is carried over a re-exec."""

    reports: list[dict[str, Any]] = []
    last_id: int = 0


class CrashStore:
    """Keep the newest reports; the newest one in any case."""

    def __init__(self) -> None:
        self._reports: deque[tuple[CrashReport, int]] = deque()
        self._size = 0
        self._last_id = 0

    def freeze(self, _keep: Keep) -> StoreState:
        """Return what is carried over a re-exec."""
        return StoreState(by_keys(report for report, _ in self._reports), self._last_id)

    def thaw(self, state: StoreState) -> None:
        """Go on with the reports of the program before."""
        for report in from_keys(state.reports, CrashReport):
            self.add(report)
        self._last_id = state.last_id

    def next_id(self) -> int:
        """Return the number of the next report."""
        return self._last_id + 1

    @property
    def forgotten(self) -> int:
        """How many reports are no longer remembered."""
        return self._last_id - len(self._reports)

    def add(self, report: CrashReport) -> None:
        """Remember a report; the oldest ones leave."""
        size = len(msgspec.json.encode(report))
        self._reports.append((report, size))
        self._last_id = report.id
        self._size += size
        while len(self._reports) > 1 and (len(self._reports) > MOST_REPORTS or self._size > MOST_BYTES):
            self._size -= self._reports.popleft()[1]

    def find(self, names: Collection[str] | None = None, number: int | None = None) -> list[CrashReport]:
        """Return the reports of `names` (None: of all), or the one of this number; oldest first."""
        return [
            report
            for report, _ in self._reports
            if (names is None or report.service in names) and (number is None or report.id == number)
        ]
