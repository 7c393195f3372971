"""How the time for a shutdown is shared out. Pure arithmetic; knows no clock and no phases.

The budget B is `shutdown_timeout` less a reserve for the last kills and the flush. A service that may stop at time t
gets min(its own timeout, (B - t) x T / L): T is its own stop timeout with hooks, L the largest sum of T along a chain
from it through what may stop only after it. So a chain of slow services shares the time in proportion, and what one
does not use the next ones get.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from asyncinit.config.spec import Hook, ServiceSpec, ServiceType

_RESERVE_SHARE = 0.05
_RESERVE_MOST = 0.5


def usable(shutdown_timeout: float) -> float:
    """Return the seconds of `shutdown_timeout` that services may use."""
    if shutdown_timeout == math.inf:
        return math.inf
    return shutdown_timeout - min(_RESERVE_MOST, shutdown_timeout * _RESERVE_SHARE)


def stop_time(spec: ServiceSpec) -> float:
    """Return T: the longest that the stop of a service takes by its own declaration, in seconds."""
    if spec.type is ServiceType.TARGET:
        return 0.0
    return (
        _hooks(spec.hooks.pre_stop)
        + spec.stop.timeout
        + sum(step.timeout for step in spec.stop.escalate)
        + _hooks(spec.hooks.post_stop)
    )


def _hooks(hooks: Iterable[Hook]) -> float:
    return sum(hook.timeout for hook in hooks)


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


def squeeze(own: float, chain: float, left: float) -> float:
    """Return the factor (0 to 1) for a service's stop timers: T is `own`, L is `chain`, and B - t is `left`."""
    if left == math.inf or own <= 0:
        return 1.0
    if left <= 0:
        return 0.0
    share = left * own / chain if chain > 0 else left
    return min(1.0, share / own)
