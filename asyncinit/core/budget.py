"""How the time for a shutdown is shared out. Pure arithmetic; knows no clock and no phases.

The budget B is `shutdown_timeout` less a reserve for the last kills and the flush. A service that may stop at time t
gets min(its own timeout, (B - t) x T / L): T is its own stop timeout with hooks, L the largest sum of T along a chain
from it through what may stop only after it. So a chain of slow services shares the time in proportion, and what one
does not use the next ones get. Of each time limit that T is made of no more counts than B: who would wait an hour, or
for ever, takes part with what there is, and does not leave the others with nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from msgspec import Struct

from asyncinit.config.spec import ServiceSpec

_RESERVE_SHARE = 0.05
_RESERVE_MOST = 0.5


class Pace(Struct, frozen=True):
    """How much of its own time limits a service gets for its stop: at most `most` seconds of each, times `factor`."""

    factor: float = 1.0
    most: float = math.inf

    def of(self, limit: float) -> float:
        """Return what is granted of a time limit, in seconds."""
        return min(limit, self.most) * self.factor


UNHURRIED = Pace()
"""Outside a shutdown each has its own time limits."""


def usable(shutdown_timeout: float) -> float:
    """Return the seconds of `shutdown_timeout` that services may use."""
    if shutdown_timeout == math.inf:
        return math.inf
    return shutdown_timeout - min(_RESERVE_MOST, shutdown_timeout * _RESERVE_SHARE)


def stop_time(spec: ServiceSpec, most: float = math.inf) -> float:
    """Return T: the longest that a service's stop takes by its own declaration, each time limit cut at `most`."""
    return granted(spec, Pace(most=most))


def granted(spec: ServiceSpec, pace: Pace) -> float:
    """Return the longest that a service's stop takes at a pace."""
    if not spec.has_process:
        return 0.0
    hooks, stop = spec.hooks, spec.stop
    limits = [stop.timeout, *(step.timeout for step in stop.escalate)]
    limits += [hook.timeout for hook in (*hooks.pre_stop, *hooks.post_stop)]
    return sum(pace.of(limit) for limit in limits)


def longest_chain(name: str, earlier: Callable[[str], Iterable[str]], time_of: Callable[[str], float]) -> float:
    """Return L: the largest sum of T along a chain from `name` through what may stop only after it.

    `earlier(x)` gives what x starts after, and so what may stop only after x; the graph has no cycle.
    """
    memo: dict[str, float] = {}
    stack = [name]
    while stack:
        current = stack[-1]
        if current in memo:
            stack.pop()
            continue
        pending = [other for other in earlier(current) if other not in memo]
        if pending:
            stack.extend(pending)
            continue
        memo[current] = time_of(current) + max((memo[other] for other in earlier(current)), default=0.0)
        stack.pop()
    return memo[name]


def pace(chain: float, left: float, budget: float) -> Pace:
    """Return the pace for a service that may stop now: min(T, (B - t) x T / L), divided by T.

    L is `chain` (made of time limits cut at B), B - t is `left`, B is `budget`.
    """
    if budget == math.inf:
        return UNHURRIED
    return Pace(min(1.0, max(left, 0.0) / chain) if chain > 0 else 1.0, budget)
