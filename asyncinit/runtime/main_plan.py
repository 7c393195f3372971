"""What the main process of a run is made with, all but its output; makes nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from asyncinit.config.spec import NONE, READY_FD, Command, ServiceSpec
from asyncinit.runtime import handed
from asyncinit.runtime.process.plan import ExecPlan, Session
from asyncinit.runtime.process.prepared import Prepared
from asyncinit.runtime.sockets.passing import passed
from asyncinit.runtime.workshop import Workshop

# sd_notify's variables.
_WATCHDOG_USEC = "WATCHDOG_USEC"
_WATCHDOG_PID = "WATCHDOG_PID"


def main_plan(shop: Workshop, spec: ServiceSpec, prepared: Prepared, extra: Sequence[tuple[int, int]]) -> ExecPlan:
    """Return the plan; `extra` are descriptors for its readiness. Raises SpawnError."""
    words = spec.command or Command(handed.command(READY_FD), expand=False)
    sockets = passed(shop.sockets.held(spec.name))
    declarations, told = _handed(shop, spec)
    # For the main process alone: a hook that reads them would think that it has to speak.
    watched = {} if spec.watchdog == NONE else {_WATCHDOG_USEC: str(round(spec.watchdog * 1e6))}
    plan = replace(
        prepared.plan(words, "command", None, {**sockets.variables, **watched, **told}),
        extra=(*sockets.descriptors, *extra, *declarations),
        pid_variables=(*sockets.pid_variables, *([_WATCHDOG_PID] if watched else [])),
        session=shop.foreground.session() if spec.foreground else Session.NEW,
        method=shop.spawn_method,
        open_files=shop.open_files,
        stdin=shop.router.stdin(spec.name),
    )
    return shop.pods.placed(spec, plan)


def _handed(shop: Workshop, spec: ServiceSpec) -> tuple[list[tuple[int, int]], dict[str, str]]:
    """Return what an asyncinit in a pod gets beside what any service does; the descriptor is ours for this turn."""
    if spec.sandbox is None:
        return [], {}
    descriptor = handed.hand_over(spec, handed.socket_of(spec.pod_name, shop.control_address))
    shop.loop.call_soon(os.close, descriptor)
    pair, variables = handed.given(descriptor)
    return [pair], variables
