"""The gates between services: who may start, who may stop, who has to fail, because of whom. Pure; changes nothing.

A service asks only about those that it has an edge to, and (see `holders`) only about what is new since it last asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from asyncinit.core import rivals
from asyncinit.core.graph import Graph
from asyncinit.core.handover import Lives
from asyncinit.core.holders import Holders
from asyncinit.core.service import GOING_DOWN, STOPPABLE, Phase, Service
from asyncinit.core.status import State


class Gates:
    """The gates between services, each by its present life, which change as they live, along the edges of `graph`."""

    def __init__(self, lives: Lives, graph: Graph) -> None:
        self._services: Mapping[str, Service] = lives.present
        self._lives = lives
        self._graph = graph
        self._start_holders = Holders(self.holds_start)
        self._return_holders = Holders(self.goes_down)
        self._stop_holders = Holders(self.holds_stop)
        self._rival_holders = Holders(self.in_the_way)

    def forget(self, name: str) -> None:
        """Forget a service that is about to be dropped from the graph."""
        graph = self._graph
        down = [(holders, graph.outlived_by) for holders in (self._return_holders, self._stop_holders)]
        for holders, others in ((self._start_holders, graph.before), *down, (self._rival_holders, graph.conflicts)):
            for other in (name, *others[name]):
                holders.forget(other)

    def keep_from_starting(self, name: str, changed: Collection[str]) -> bool:
        """Tell whether `name` has to wait, where `changed` are new since it last asked."""
        held = self._start_holders.hold(name, self._graph.after[name], changed)
        awaits_stop = self._return_holders.hold(name, self._graph.outlives[name], changed)
        awaits_room = self._rival_holders.hold(name, self._graph.conflicts[name], changed)
        return held or awaits_stop or awaits_room

    def keep_from_stopping(self, name: str, changed: Collection[str]) -> bool:
        """Tell whether something has to be down before `name`, where `changed` are new since it last asked."""
        return self._stop_holders.hold(name, self._graph.outlives[name], changed)

    def waiting_on(self, name: str) -> list[str]:
        """Return the services that `name` waits for: to start, or (wanted down) to stop."""
        service, graph = self._services[name], self._graph
        if service.phase is Phase.WAITING:
            held = [other for other in graph.after[name] if self.holds_start(name, other)]
            held = held or [other for other in graph.outlives[name] if self.goes_down(name, other)]
            return held or [other for other in graph.conflicts[name] if self.in_the_way(name, other)]
        if service.leaving and service.phase in STOPPABLE:
            return [other for other in graph.outlives[name] if self.holds_stop(name, other)]
        return []

    # -----------------------------------------------------------------------------------------------------------------
    # The rules

    def holds_start(self, name: str, other: str) -> bool:
        """Tell whether `name` must not start yet because of `other`, which it starts after."""
        earlier = self._services[other]
        if self.has(name, other):
            return False
        if earlier.listening:  # started for who needs it; to CMD, which awaits all, it is as good as ready
            return other in self._graph.needs[name]
        if other in self._graph.hard[name]:
            return not earlier.at_rest or self.fails(name, other)
        # Order alone: only what is on its way up is waited for, and only its first attempt.
        return earlier.wanted and not earlier.at_rest and not earlier.settled

    def has(self, name: str, other: str) -> bool:
        """Tell whether `name` has what it needs of `other`; who is bound to another that was skipped has not."""
        earlier = self._services[other]
        return earlier.satisfied and not (earlier.skipped and other in self._graph.bound_to[name])

    def fails(self, name: str, other: str) -> bool:
        """Tell whether `name` has to fail for `other`: it must be there, and will not come by itself.

        Of what is only awaited, what has ended well or was stopped by somebody's wish is no failure.
        """
        earlier = self._services[other]
        if other not in self._graph.hard[name] or not earlier.at_rest or self.has(name, other) or earlier.listening:
            return False
        return earlier.rest is State.FAILED or other in self._graph.needs[name]

    def goes_down(self, _name: str, other: str) -> bool:
        """Tell whether `other` is going down: what starts before it may not start until that is over."""
        later = self._services[other]
        return (later.leaving and later.phase in STOPPABLE) or later.phase in GOING_DOWN

    def holds_stop(self, name: str, other: str) -> bool:
        """Tell whether `other` is going down, or an instance of it beside: what starts before it may not stop yet."""
        return self.goes_down(name, other) or any(not life.at_rest for life in self._lives.beside_of(other))

    def in_the_way(self, _name: str, other: str) -> bool:
        """Tell whether something of `other` is there, which cannot be up beside who asks."""
        return any(map(rivals.in_the_way, (self._services[other], *self._lives.beside_of(other))))
