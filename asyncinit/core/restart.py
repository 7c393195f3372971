"""Whether a service is restarted by itself, and when: policy, back-off, limit. Pure arithmetic; time comes in."""

from __future__ import annotations

import math

from asyncinit.config.spec import Cause, HealthAction, Outcomes, Restart, RestartPolicy, ServiceSpec, ServiceType
from asyncinit.core.status import Code, ExitStatus, Reason

# With `delay = 0` the first restart is immediate; a service that keeps dying young must not eat the machine.
_SPIN_DELAY = 0.01
_SPIN_BACKOFF = 2.0

# As systemd's sockets have it: more starts by connections than this within so many seconds are a loop.
TRIGGER_LIMIT = 20
TRIGGER_WINDOW = 2.0

_ABNORMAL = frozenset({Code.SIGNAL, Code.CORE_DUMP, Code.TIMEOUT, Code.WATCHDOG, Code.OOM_KILL, Code.HEALTH})
_CAUSES = {Code.OOM_KILL: Cause.OOM, Code.HEALTH: Cause.HEALTH, Code.WATCHDOG: Cause.WATCHDOG}


def wants_restart(spec: ServiceSpec, failure: Reason | None, status: ExitStatus | None) -> bool:
    """Tell whether the policy restarts a service that ended by itself with `failure` (None: well).

    `never_on` wins over `on`, and `on` over the policy. A oneshot that has completed is done under every policy, and
    so is what takes the whole system down when it is unhealthy.
    """
    restart = spec.restart
    if takes_all_down(spec, failure):
        return False
    done = failure is None and spec.type is ServiceType.ONESHOT
    if done or _among(restart.never_on, failure, status):
        return False
    return _among(restart.on, failure, status) or _by_policy(restart.policy, failure)


def takes_all_down(spec: ServiceSpec, failure: Reason | None) -> bool:
    """Tell whether a service has failed in the way for which its [health] has the whole system shut down."""
    if spec.health is None or failure is None:
        return False
    return failure.code is Code.HEALTH and spec.health.action is HealthAction.SHUTDOWN


def _by_policy(policy: RestartPolicy, failure: Reason | None) -> bool:
    match policy:
        case RestartPolicy.ALWAYS:
            return True
        case RestartPolicy.ON_FAILURE:
            return failure is not None
        case RestartPolicy.ON_ABNORMAL:
            return failure is not None and failure.code in _ABNORMAL
        case RestartPolicy.NEVER:
            return False


def _among(outcomes: Outcomes, failure: Reason | None, status: ExitStatus | None) -> bool:
    if failure is not None and failure.code in _CAUSES and _CAUSES[failure.code] in outcomes.causes:
        return True
    return status is not None and status.within(outcomes)


def triggered(triggers: tuple[float, ...], now: float) -> tuple[tuple[float, ...], bool]:
    """Return the starts by a connection that still count, with one at `now`, and whether that are too many.

    A service that ends well without taking the connection that started it would be started again at once, for ever.
    """
    recent = (*(moment for moment in triggers if moment > now - TRIGGER_WINDOW), now)
    return recent, len(recent) > TRIGGER_LIMIT


def delay(restart: Restart, attempt: int, draw: float) -> float:
    """Return the seconds to wait before automatic restart number `attempt` (from 1) since the service was stable.

    `draw` is a random number in [0, 1): the wait is stretched by up to `jitter`.
    """
    if restart.delay > 0:
        base = _grown(restart.delay, restart.backoff, attempt - 1, restart.max_delay)
    elif attempt <= 1:
        return 0.0
    else:
        base = _grown(_SPIN_DELAY, _SPIN_BACKOFF, attempt - 2, restart.max_delay)
    return base * (1 + restart.jitter * draw)


def _grown(first: float, factor: float, times: int, limit: float) -> float:
    try:
        return min(limit, first * math.pow(factor, times))
    except OverflowError:
        return limit


def within_window(restart: Restart, recent: tuple[float, ...], now: float) -> tuple[float, ...]:
    """Return the restart moments that still count at `now`, oldest first."""
    if restart.limit is None:
        return ()
    return tuple(moment for moment in recent if moment > now - restart.window)


def limit_reached(restart: Restart, recent: tuple[float, ...]) -> bool:
    """Tell whether one more automatic restart would be more than `limit` within the window."""
    return restart.limit is not None and len(recent) >= restart.limit
