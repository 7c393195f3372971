"""[hooks]: commands around a service's life."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, spec, values
from asyncinit.config.sections.given import Keys, account, filled


class HookTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A command of [hooks] with more to say than its words."""

    command: Annotated[kinds.Command, Meta(description="The program and its arguments.")]
    user: Annotated[
        kinds.Account | UnsetType, Meta(description="Who runs it.", extra={"default": "the service's user"})
    ] = UNSET
    timeout: Annotated[kinds.Duration, Meta(description="Its processes are killed after this, and it has failed.")] = (
        "30s"
    )
    ignore_failure: Annotated[bool, Meta(description="Go on as if it had succeeded.")] = False


Hooks = Annotated[
    list[kinds.Command | HookTable],
    Meta(extra={"kind": kinds.Kind("list of commands", 'a list of commands, such as [["/bin/prepare", "-v"]]', list)}),
]


class HooksTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Commands around the service's life, with its environment and user, each list in order. A command is a list of
    words, a string, or a table `{ command, user, timeout, ignore_failure }`."""

    pre_start: Annotated[
        Hooks,
        Meta(description="Before the main process; a failure fails the start.", examples=[[["/usr/bin/prepare"]]]),
    ] = []
    post_start: Annotated[Hooks, Meta(description="Once ready.")] = []
    pre_stop: Annotated[Hooks, Meta(description="Before the stop signal, when the service was ready.")] = []
    post_stop: Annotated[
        Hooks, Meta(description="After every end; gets `SERVICE_RESULT`, `EXIT_CODE` and `EXIT_STATUS`.")
    ] = []


STAGES = ("pre_start", "post_start", "pre_stop", "post_stop")
"""The lists of [hooks], in the order of a life."""


def resolve(declared: HooksTable) -> spec.Hooks:
    """Return what the table declares."""
    return spec.Hooks(**{stage: _hooks(getattr(declared, stage)) for stage in STAGES})


def _hooks(declared: Sequence[str | list[str] | HookTable]) -> tuple[spec.Hook, ...]:
    return tuple(
        spec.Hook(
            spec.Command(values.command(hook.command)),
            account(hook.user),
            values.duration(hook.timeout),
            hook.ignore_failure,
        )
        if isinstance(hook, HookTable)
        else spec.Hook(spec.Command(values.command(hook)))
        for hook in declared
    )


def declare(hooks: spec.Hooks) -> Keys:
    """Return the keys that resolve to `hooks`."""
    return filled({stage: [_hook(hook) for hook in getattr(hooks, stage)] for stage in STAGES})


def _hook(hook: spec.Hook) -> list[str] | Keys:
    words = list(hook.command.argv)
    if hook == spec.Hook(hook.command):
        return words
    keys: Keys = {"command": words, "user": hook.user, "timeout": values.format_duration(hook.timeout)}
    return filled({**keys, "ignore_failure": hook.ignore_failure})
