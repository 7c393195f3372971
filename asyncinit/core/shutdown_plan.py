"""How a shutdown would share out its time if it began now and all took what they get. Pure; reads the engine alone."""

from __future__ import annotations

import math
from collections import deque

from msgspec import Struct

from asyncinit.core import budget
from asyncinit.core.engine import Engine


class Share(Struct, frozen=True):
    """What one service would get; seconds since the begin of the shutdown, `math.inf` without limit.

    `declared`: what its own time limits add up to; `begins`: when it may stop at the latest; `waits_for`: what stops
    before it.
    """

    name: str
    declared: float
    begins: float
    granted: float
    waits_for: tuple[str, ...]

    @property
    def ends(self) -> float:
        """When it has to be down."""
        return self.begins + self.granted


def plan(engine: Engine, timeout: float) -> list[Share]:
    """Return each service that is not at rest, in the order in which they may stop; `timeout` is shutdown_timeout."""
    whole = budget.usable(timeout)
    active = {name: service.spec for name, service in engine.services.items() if not service.at_rest}
    later = {name: [other for other in engine.graph.outlives[name] if other in active] for name in active}
    earlier = {name: [other for other in engine.graph.outlived_by[name] if other in active] for name in active}
    times = {name: budget.stop_time(spec, whole) for name, spec in active.items()}
    shares: dict[str, Share] = {}
    open_edges = {name: len(others) for name, others in later.items()}
    queue = deque(name for name, count in open_edges.items() if not count)
    while queue:
        name = queue.popleft()
        begins = max((shares[other].ends for other in later[name]), default=0.0)
        granted = times[name]
        if whole < math.inf:
            chain = budget.longest_chain(name, earlier.__getitem__, times.__getitem__)
            granted *= budget.pace(chain, whole - begins, whole).factor
        declared = budget.stop_time(active[name])
        shares[name] = Share(name, declared, begins, granted, tuple(later[name]))
        for other in earlier[name]:
            open_edges[other] -= 1
            if not open_edges[other]:
                queue.append(other)
    return sorted(shares.values(), key=lambda share: (share.begins, share.ends, share.name))
