"""All directives by section, in the order in which they are translated: what says who and what runs comes first."""

from __future__ import annotations

from collections.abc import Mapping

from asyncinit.migration.systemd.directives import (
    conditions,
    ending,
    execution,
    identity,
    output,
    relations,
    resources,
    sandbox,
    sockets,
    timers,
)
from asyncinit.migration.systemd.work import Table

SECTIONS: Mapping[str, Table] = {
    "Unit": {**identity.UNIT, **relations.UNIT, **conditions.UNIT, **ending.UNIT},
    "Service": {**identity.SERVICE, **execution.SERVICE, **ending.SERVICE, **output.SERVICE}
    | {**resources.SERVICE, **sandbox.SERVICE},
    "Socket": sockets.SOCKET,
    "Timer": timers.TIMER,
    "Install": relations.INSTALL,
}
