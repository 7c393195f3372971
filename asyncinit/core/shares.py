"""How the time of the shutdown under way is shared out among the services as they are now. Pure; decides nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping

from asyncinit.core import budget
from asyncinit.core.budget import UNHURRIED, Pace
from asyncinit.core.graph import Graph
from asyncinit.core.service import Service


class Shares:
    """The shares of `services`, which stop against the order of `graph`, of `whole` seconds that end at `deadline`."""

    def __init__(self, services: Mapping[str, Service], graph: Graph, whole: float, deadline: float) -> None:
        self._services = services
        self._graph = graph
        self._whole = whole
        self._deadline = deadline

    def pace(self, name: str, now: float) -> Pace:
        """Return the pace for a service that may stop now."""
        if self._whole == math.inf:
            return UNHURRIED
        return budget.pace(self._chain(name), self._deadline - now, self._whole)

    def latest_end(self, name: str) -> float:
        """Return when a stop must be over that asks for more time: those that stop only after it keep theirs."""
        if self._whole == math.inf:
            return math.inf
        return self._deadline - (self._chain(name) - self._stop_time(name))

    def _chain(self, name: str) -> float:
        return budget.longest_chain(name, self._graph.after.__getitem__, self._stop_time)

    def _stop_time(self, name: str) -> float:
        service = self._services[name]
        return 0.0 if service.at_rest else budget.stop_time(service.spec, self._whole)
