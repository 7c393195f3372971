"""What the main process of a run is made with, all but its output; makes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asyncinit.config.spec import NONE, ServiceSpec
from asyncinit.runtime.process.plan import ExecPlan, Session
from asyncinit.runtime.process.prepared import Prepared
from asyncinit.runtime.sockets.passing import passed
from asyncinit.runtime.workshop import Workshop

# sd_notify's variables.
_WATCHDOG_USEC = "WATCHDOG_USEC"
_WATCHDOG_PID = "WATCHDOG_PID"


def main_plan(shop: Workshop, spec: ServiceSpec, prepared: Prepared, extra: Sequence[tuple[int, int]]) -> ExecPlan:
    """Return the plan; `extra` are descriptors for its readiness. Raises SpawnError."""
    assert spec.command is not None
    sockets = passed(shop.sockets.held(spec.name))
    # For the main process alone: a hook that reads them would think that it has to speak.
    watched = {} if spec.watchdog == NONE else {_WATCHDOG_USEC: str(round(spec.watchdog * 1e6))}
    plan = replace(
        prepared.plan(spec.command, "command", None, {**sockets.variables, **watched}),
        extra=(*sockets.descriptors, *extra),
        pid_variables=(*sockets.pid_variables, *([_WATCHDOG_PID] if watched else [])),
        session=shop.foreground.session() if spec.foreground else Session.NEW,
        method=shop.spawn_method,
        open_files=shop.open_files,
        stdin=shop.router.stdin(spec.name),
    )
    return shop.pods.placed(spec, plan)
