"""[condition]: what must hold for a service to be started; where it does not, the service is skipped."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from asyncinit.config import kinds, spec
from asyncinit.config.sections.given import Keys, filled

Given = kinds.Condition | list[kinds.Condition]


class ConditionTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What must hold, looked at before each start; else the service is skipped: it stays inactive, which is no failure,
    and what requires it goes on without it. Each key is one text or a list; all must hold. "!" before a text: it must
    not be so."""

    path_exists: Annotated[Given, Meta(description="This is there.", examples=["/etc/web.conf", "!/run/nologin"])] = []
    path_is_directory: Annotated[Given, Meta(description="This is a folder.")] = []
    path_executable: Annotated[
        Given, Meta(description="This is a file that can be executed.", examples=["/usr/sbin/nginx"])
    ] = []
    env_set: Annotated[
        Given,
        Meta(
            description="This variable is set, here or by who started asyncinit; `NAME=VALUE`: to this value.",
            examples=["WEB_ENABLED", "!MODE=test"],
        ),
    ] = []
    kernel_option: Annotated[
        Given,
        Meta(
            description="The kernel's command line has this word; `NAME` stands for `NAME=...` too.",
            examples=["quiet", "!rescue"],
        ),
    ] = []
    architecture: Annotated[Given, Meta(description="The machine is of this kind.", examples=["x86_64"])] = []


def resolve(declared: ConditionTable) -> spec.Condition:
    """Return what the table declares."""
    return spec.Condition(
        tuple(
            spec.Check(kind, text.removeprefix("!"), text.startswith("!"))
            for kind in spec.CheckKind
            for text in _texts(getattr(declared, kind))
        )
    )


def _texts(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def declare(condition: spec.Condition) -> Keys:
    """Return the keys that resolve to `condition`."""
    texts: dict[str, list[str]] = {}
    for check in condition.checks:
        texts.setdefault(str(check.kind), []).append(("!" if check.negated else "") + check.argument)
    return filled({key: found[0] if len(found) == 1 else found for key, found in texts.items()})
