"""Tell which services come up badly in a boot: those that crash in a row, and those that are late for it; pure.

Their policies restart them all the same, for ever if they say so. Here is only what a boot makes of that.
"""

from __future__ import annotations

import math

from msgspec import Struct

from asyncinit.core.phrases import duration
from asyncinit.core.service import Phase, Service

IN_A_ROW = 5
"""So many crashes, none of them after `reset_after` of being up, are too many."""

LATE = 120.0
"""Seconds after its first crash in which a service may be down, or go down again."""


class Crashes(Struct):
    """Those of one service since the boot began: how many in a row, the moment of the first of all, the last's text."""

    first: float
    count: int = 0
    text: str = ""


class Crashing:
    """The crashes of a boot by the services' names."""

    def __init__(self, found: dict[str, Crashes]) -> None:
        self.found = found

    def take(self, service: Service, now: float) -> None:
        """Take note of the end of a service that will be restarted; one that has ended well has not crashed."""
        if service.phase is not Phase.BACKOFF:
            return
        if service.reason is None:
            if service.name in self.found:
                self.found[service.name].count = 0
            return
        crashes = self.found.setdefault(service.name, Crashes(now))
        crashes.count = 1 if service.attempt <= 1 else crashes.count + 1
        crashes.text = service.reason.text

    def why(self, name: str, now: float) -> str | None:
        """Return why a service that is not up will not be waited for any more, None while it is."""
        crashes = self.found.get(name)
        if crashes is None:
            return None
        if crashes.count >= IN_A_ROW:
            return f"{crashes.text}, {crashes.count} times in a row"
        if now - crashes.first >= LATE:
            return f"{crashes.text}, and is down {duration(LATE)} after its first crash"
        return None

    def next_late(self, now: float) -> float:
        """Return when the next of them is late."""
        return min((one.first + LATE for one in self.found.values() if one.first + LATE > now), default=math.inf)
