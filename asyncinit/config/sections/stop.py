"""[stop]: how a service is ended."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import ends, kinds, spec, values
from asyncinit.config.sections.given import Keys, command, filled


class StopStepTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A further signal on the way to the kill."""

    signal: Annotated[kinds.Signal, Meta(description="What is sent.")]
    timeout: Annotated[kinds.Finite, Meta(description="How long to wait then.")]


class StopTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the service is ended: `signal` or `command`, `timeout`, `escalate`, and then SIGKILL to all of it."""

    signal: Annotated[kinds.Signal, Meta(description="What is sent, and SIGCONT after it.")] = "SIGTERM"
    command: Annotated[
        kinds.Command | UnsetType,
        Meta(
            description="Run in place of `signal`. Of a oneshot that has completed: undoes it when it is stopped.",
            examples=[["nginx", "-s", "quit"]],
        ),
    ] = UNSET
    scope: Annotated[
        Literal["process", "group", "tree"],
        Meta(description="Who gets the signals: the main process, its process group, or every process of the service."),
    ] = "group"
    timeout: Annotated[
        kinds.Duration | UnsetType,
        Meta(description="How long to wait for the end.", extra={"default": "5s; 30s on a machine"}),
    ] = UNSET
    escalate: Annotated[
        list[StopStepTable],
        Meta(description="Steps before the kill.", examples=[[{"signal": "SIGINT", "timeout": "2s"}]]),
    ] = []


def resolve(declared: StopTable, default_timeout: float) -> spec.Stop:
    """Return what the table declares; `default_timeout` in seconds."""
    timeout = declared.timeout
    return spec.Stop(
        signal=ends.signal_number(declared.signal),
        command=command(declared.command),
        scope=spec.Scope(declared.scope),
        timeout=default_timeout if isinstance(timeout, UnsetType) else values.duration(timeout),
        escalate=tuple(
            spec.StopStep(ends.signal_number(step.signal), values.duration(step.timeout)) for step in declared.escalate
        ),
    )


def declare(stop: spec.Stop) -> Keys:
    """Return the keys that resolve to `stop`."""
    return filled(
        {
            "signal": None if stop.command else ends.format_signal(stop.signal),
            "command": list(stop.command.argv) if stop.command else None,
            "scope": str(stop.scope),
            "timeout": values.format_duration(stop.timeout),
            "escalate": [
                {"signal": ends.format_signal(step.signal), "timeout": values.format_duration(step.timeout)}
                for step in stop.escalate
            ],
        }
    )
