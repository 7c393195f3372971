"""How it is seen that a service which is up still works, resolved; probes nothing."""

from __future__ import annotations

from enum import StrEnum

from asyncinit.config.spec.ready import Sign


class HealthAction(StrEnum):
    """What follows when a service is unhealthy; `none`: it is marked."""

    RESTART = "restart"
    SHUTDOWN = "shutdown"
    NONE = "none"


class Health(Sign, frozen=True, kw_only=True):
    """The [health] section: a sign of a kind that is probed, or of several such.

    Every `interval` seconds it is asked, each time for `probe_timeout` seconds at most. `threshold` failures in a row
    make it unhealthy, `success_threshold` successes healthy again. Failures within `start_period` seconds after it
    became ready, and before the first success, do not count.
    """

    interval: float = 10.0
    probe_timeout: float = 1.0
    threshold: int = 3
    success_threshold: int = 1
    start_period: float = 0.0
    action: HealthAction = HealthAction.RESTART
