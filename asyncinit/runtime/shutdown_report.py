"""Who used up the time of the shutdown: what each got, took and waited for. Told of changes; tells nobody."""

from __future__ import annotations

import math
from typing import Any

from msgspec import Struct

from asyncinit.core import budget
from asyncinit.core.engine import Engine
from asyncinit.core.events import Announce
from asyncinit.core.phrases import duration
from asyncinit.core.service import Service
from asyncinit.core.status import State
from asyncinit.runtime.reexec.keep import Keep


class Stopped(Struct, frozen=True):
    """A service that has stopped in the shutdown; seconds.

    `waited`: from the begin of the shutdown until it might stop, at last for `waited_for`. `granted`: what it got,
    `math.inf` without limit; `used`: what it took. `killed`: it had to be. `failed`: something of it would not die.
    """

    name: str
    waited: float
    waited_for: str | None
    granted: float
    used: float
    killed: bool
    failed: bool


class ReportState(Struct):
    """What is carried over a re-exec."""

    began: float = math.inf
    ends: dict[str, float] = {}
    rows: list[Stopped] = []


class ShutdownReport:
    """Follow the changes of a shutdown; `rows` are the services that have stopped in it, in that order."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._began = math.inf
        self._ends: dict[str, float] = {}
        self.rows: list[Stopped] = []

    def freeze(self, _keep: Keep) -> ReportState:
        """Return what is carried over a re-exec."""
        return ReportState(self._began, dict(self._ends), list(self.rows))

    def thaw(self, state: ReportState) -> None:
        """Go on with the shutdown that the program before has begun."""
        self._began, self._ends, self.rows = state.began, state.ends, state.rows

    def begin(self, now: float) -> None:
        """Note that the shutdown begins."""
        self._began = now

    def changed(self, effect: Announce, now: float) -> None:
        """Take a change of state."""
        service = self._engine.services[effect.service]
        if now < self._began or effect.old is not State.STOPPING or not service.at_rest:
            return
        if not service.spec.has_process:
            return  # it has no process that could take time
        begun = now if service.stop_begun is None else service.stop_begun
        waited = max(0.0, begun - self._began)
        self._ends[service.name] = now
        self.rows.append(
            Stopped(
                service.name,
                waited,
                self._held_by(service) if waited else None,
                budget.granted(service.spec, service.pace),
                now - begun,
                service.killed,
                effect.new is State.FAILED,
            )
        )

    def _held_by(self, service: Service) -> str | None:
        """Return who was down last of those that had to be before `service` might stop."""
        later = (name for name in self._engine.graph.outlives[service.name] if name in self._ends)
        return max(later, key=self._ends.__getitem__, default=None)

    def lines(self) -> list[str]:
        """Return a line for each service, aligned, for people."""
        width = max((len(row.name) for row in self.rows), default=0)
        return [f"{row.name:<{width}}  {_told(row)}" for row in self.rows]

    def fields(self) -> list[dict[str, Any]]:
        """Return the table for programs; no limit is null."""
        return [
            {
                "service": row.name,
                "waited": round(row.waited, 3),
                "waited_for": row.waited_for,
                "granted": None if row.granted == math.inf else round(row.granted, 3),
                "used": round(row.used, 3),
                "killed": row.killed,
            }
            for row in self.rows
        ]


def _told(row: Stopped) -> str:
    of = "" if row.granted == math.inf else f" of {duration(row.granted)}"
    end = "killed after " if row.killed else "would not die for " if row.failed else "stopped in "
    waited = f", after {duration(row.waited)} for {row.waited_for}" if row.waited_for is not None else ""
    return f"{end}{duration(row.used)}{of}{waited}"
