"""What the runtime knows of a service beside the core, for its status; plain data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncinit.control.types import CgroupStatus, LogStatus
from asyncinit.runtime.announcer import Times
from asyncinit.runtime.health.monitor import Monitor


class Seen:
    """What the runtime knows of a service (`runtime.snapshot.Seen`)."""

    def __init__(
        self,
        times: Times,
        status_text: str,
        waiting_text: str | None = None,
        not_applied: Sequence[str] = (),
        monitor: Monitor | None = None,
        log: LogStatus | None = None,
        frozen: bool = False,
        cgroup: Callable[[], CgroupStatus | None] = lambda: None,
    ) -> None:
        self.since = times.since
        self.ready_since = times.ready_since
        self.exit_time = times.exit_time
        self.status_text = status_text or None
        self.waiting_text = waiting_text
        self.not_applied = list(not_applied)
        self.probed = monitor.asked_at if monitor is not None else None
        self.obstacle = monitor.obstacle if monitor is not None else None
        self.log = log
        self.frozen = frozen
        self.cgroup = cgroup
