"""What a reload of the configuration does, in words for the log; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asyncinit.config.spec import LogLevel
from asyncinit.core.difference import Impact, InitChange
from asyncinit.core.phrases import few
from asyncinit.core.reconfiguration import Reconfiguration


def told(plan: Reconfiguration, init: InitChange, warnings: Sequence[str]) -> Iterator[tuple[str, LogLevel]]:
    """Return the lines, each with its level."""
    for warning in warnings:
        yield warning, LogLevel.WARNING
    parts = list(_parts(plan, init))
    yield "configuration: " + ("; ".join(parts) if parts else "nothing has changed"), LogLevel.INFO
    if init.at_restart:
        what, verb = _named(init.at_restart), "takes" if len(init.at_restart) == 1 else "take"
        yield f"{what} of [init] {verb} another start of asyncinit", LogLevel.WARNING


def _parts(plan: Reconfiguration, init: InitChange) -> Iterator[str]:
    visible = {name: change.impact for name, change in plan.changed.items() if change.keys}
    coming = {*plan.restarted, *plan.started}
    later = [name for name, impact in visible.items() if impact > Impact.NOW and name not in coming]
    now = [name for name, impact in visible.items() if impact is Impact.NOW and name not in coming]
    starting = [name for name in plan.started if name in visible]
    also = [name for name in plan.started if name not in plan.added and name not in visible]
    groups = (
        ("added", plan.added),
        ("removing", plan.removed),
        ("restarting", plan.restarted),
        ("with them", plan.affected),
        ("starting", starting),
        ("changed in place", now),
        ("changed for the next start", later),
        ("newly needed", also),
        ("[init]", init.now),
    )
    yield from (f"{what} {_named(names)}" for what, names in groups if names)


def _named(names: Sequence[str]) -> str:
    return few(names) if len(names) != 3 else f"{names[0]}, {names[1]} and {names[2]}"
