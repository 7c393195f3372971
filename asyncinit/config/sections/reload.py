"""[reload]: how a service reads its configuration again."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import ends, kinds, spec, values
from asyncinit.config.sections.given import Keys, command


class ReloadTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the service is told to read its configuration again."""

    signal: Annotated[kinds.Signal, Meta(description="What is sent to the main process.")] = "SIGHUP"
    command: Annotated[kinds.Command | UnsetType, Meta(description="Run in place of `signal`.")] = UNSET
    timeout: Annotated[
        kinds.Duration,
        Meta(description="A command, or a `RELOADING=1`, without an end after this: the reload has failed."),
    ] = "90s"


def resolve(declared: ReloadTable) -> spec.Reload:
    """Return what the table declares."""
    timeout = values.duration(declared.timeout)
    return spec.Reload(ends.signal_number(declared.signal), command(declared.command), timeout)


def declare(reload: spec.Reload) -> Keys:
    """Return the keys that resolve to `reload`."""
    timeout = values.format_duration(reload.timeout)
    if reload.command is not None:
        return {"command": list(reload.command.argv), "timeout": timeout}
    return {"signal": ends.format_signal(reload.signal), "timeout": timeout}
