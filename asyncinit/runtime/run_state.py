"""A run of a service as it is carried over a re-exec; plain data."""

from __future__ import annotations

from msgspec import Struct, field

from asyncinit.config.spec import ServiceSpec
from asyncinit.runtime.commands import CommandsState
from asyncinit.runtime.health.guard import GuardState
from asyncinit.runtime.process.foreign_main import ForeignState
from asyncinit.runtime.process.prepared import NotApplied, Prepared
from asyncinit.runtime.ready.notify import NotifyState
from asyncinit.runtime.ready.waiting import ReadinessState


class RunState(Struct):
    """What a `runtime.run.Run` goes on from.

    `born` is the process that we have made as its main one, until its end; `channel` is the number of its output's;
    `preparing`: what it needs is still being found out, which is begun again.
    """

    spec: ServiceSpec
    token: str = ""
    main: int | None = None
    born: int | None = None
    text: str = ""
    service_errno: int | None = None
    not_executed: int | None = None
    skipped: bool = False
    without: tuple[NotApplied, ...] = ()
    preparing: bool = False
    prepared: Prepared | None = None
    channel: int = 0
    notify: NotifyState | None = None
    readiness: ReadinessState | None = None
    foreign: ForeignState | None = None
    commands: CommandsState = field(default_factory=CommandsState)
    guard: GuardState | None = None
