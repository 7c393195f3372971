"""[reload]: how a service reads its configuration again."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import ends, kinds, spec
from asyncinit.config.sections.given import Keys, command


class ReloadTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the service is told to read its configuration again."""

    signal: Annotated[kinds.Signal, Meta(description="What is sent to the main process.")] = "SIGHUP"
    command: Annotated[kinds.Command | UnsetType, Meta(description="Run in place of `signal`.")] = UNSET


def resolve(declared: ReloadTable) -> spec.Reload:
    """Return what the table declares."""
    return spec.Reload(ends.signal_number(declared.signal), command(declared.command))


def declare(reload: spec.Reload) -> Keys:
    """Return the keys that resolve to `reload`."""
    if reload.command is not None:
        return {"command": list(reload.command.argv)}
    return {"signal": ends.format_signal(reload.signal)}
