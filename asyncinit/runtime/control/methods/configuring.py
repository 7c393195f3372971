"""The methods that concern the configuration as a whole: ReloadConfig, Scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from asyncinit.control import types
from asyncinit.control.types import (
    ActionResult,
    ChangeEffect,
    ChangeKind,
    EventEntry,
    ReloadConfigParameters,
    ReloadConfigReply,
    ScaleParameters,
    ServiceChange,
)
from asyncinit.core.difference import Impact
from asyncinit.core.reconfiguration import Reconfiguration
from asyncinit.runtime.configuring.configured import Outcome, Reloaded, Unusable
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.acting import PROGRESS_HELD
from asyncinit.runtime.control.methods.answers import Carried, Table, fail
from asyncinit.runtime.control.operations import Operations


class ConfiguringMethods:
    """What changes all services at once."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.table: Table = {"ReloadConfig": self._reload, "Scale": self._scale}
        self.carried: Carried = {}

    def _reload(self, call: Call, given: ReloadConfigParameters) -> None:
        waits = given.wait is not False and not given.dry_run
        call.on_cancel = self._operations.reload_config(bool(given.dry_run), partial(self._told, call, waits))

    def _scale(self, call: Call, given: ScaleParameters) -> None:
        told = partial(self._told, call, given.wait is not False)
        call.on_cancel = self._operations.templates().scale(given.template, given.count, told)

    def _told(self, call: Call, waits: bool, outcome: Outcome) -> None:
        if isinstance(outcome, Unusable):
            if outcome.errors:
                fail(call, types.InvalidConfiguration(problems=list(outcome.errors)))
            else:
                fail(call, types.Refused(text=outcome.text))
            return
        plan = outcome.plan
        up, down = [*plan.started, *plan.restarted], plan.removed
        if not waits or not (up or down):
            call.reply(_reply(outcome))
            return
        ends: list[Callable[[], None]] = []

        def finish(results: list[ActionResult]) -> None:
            for end in ends:
                end()
            call.reply(_reply(outcome, results))

        if call.more:
            call.reply(_reply(outcome), continues=True)
            concerned = frozenset((*up, *down, *plan.affected))
            ends.append(self._operations.on_event(lambda event: _tell_progress(call, concerned, outcome, event)))
        ends.append(self._operations.until_settled(up, down, plan.affected, finish))

        def cancel() -> None:
            for end in ends:
                end()

        call.on_cancel = cancel


def _tell_progress(call: Call, concerned: frozenset[str], outcome: Reloaded, event: EventEntry) -> None:
    if event.service in concerned and call.connection.output_size < PROGRESS_HELD:
        call.reply(_reply(outcome, progress=[event]), continues=True)


def _reply(
    outcome: Reloaded, results: list[ActionResult] | None = None, progress: list[EventEntry] | None = None
) -> ReloadConfigReply:
    plan = outcome.plan
    return ReloadConfigReply(
        changed=outcome.changed,
        services=sorted(_changes(plan), key=lambda change: change.name),
        affected=sorted({*plan.affected, *(set(plan.started) - set(plan.added) - _changed(plan))}),
        init=list(outcome.init.now),
        needs_restart=list(outcome.init.at_restart),
        warnings=list(outcome.warnings),
        results=results or [],
        progress=progress or [],
    )


def _changed(plan: Reconfiguration) -> set[str]:
    """Return what the reply lists as changed."""
    return {name for name, change in plan.changed.items() if change.keys}


def _changes(plan: Reconfiguration) -> Iterator[ServiceChange]:
    for name in plan.added:
        effect = ChangeEffect.START if name in plan.started else ChangeEffect.NONE
        yield ServiceChange(name=name, change=ChangeKind.ADDED, keys=[], effect=effect)
    for name in plan.removed:
        yield ServiceChange(name=name, change=ChangeKind.REMOVED, keys=[], effect=ChangeEffect.STOP)
    for name, change in plan.changed.items():
        if change.keys:
            effect = ChangeEffect.NEXT_START if change.impact > Impact.NOW else ChangeEffect.NONE
            effect = ChangeEffect.START if name in plan.started else effect
            effect = ChangeEffect.RESTART if name in plan.restarted else effect
            yield ServiceChange(name=name, change=ChangeKind.CHANGED, keys=list(change.keys), effect=effect)
