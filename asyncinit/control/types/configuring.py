"""What is asked and told of a reload of the configuration."""

from __future__ import annotations

from enum import StrEnum

from asyncinit.control.types.acts import ActionResult
from asyncinit.control.types.records import EventEntry
from asyncinit.control.types.wire import Wire


class ChangeKind(StrEnum):
    """How a service differs from what was declared before."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class ChangeEffect(StrEnum):
    """What that does to it now."""

    NONE = "none"
    NEXT_START = "next_start"
    START = "start"
    STOP = "stop"
    RESTART = "restart"


class ServiceChange(Wire, frozen=True):
    """One service that differs: `keys` are those that do, for a changed one; `effect` is what is done to it."""

    name: str
    change: ChangeKind
    keys: list[str]
    effect: ChangeEffect


class ReloadConfigParameters(Wire, frozen=True):
    """Parameters of ReloadConfig: `dry_run` changes nothing; `wait` null or true: answer when it is done."""

    dry_run: bool | None = None
    wait: bool | None = None


class ScaleParameters(Wire, frozen=True):
    """Parameters of Scale: how many numbered instances of `template`; `wait` as for ReloadConfig."""

    template: str
    count: int
    wait: bool | None = None


class ReloadConfigReply(Wire, frozen=True):
    """Reply of ReloadConfig and Scale: see the interface."""

    changed: bool
    services: list[ServiceChange]
    affected: list[str]
    init: list[str]
    needs_restart: list[str]
    warnings: list[str]
    results: list[ActionResult]
    progress: list[EventEntry]
