"""The texts of signs, expanded from a service's environment; looks for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from asyncinit.config.spec import COMBINED_KINDS, Sign
from asyncinit.runtime.process.environment import expand

S = TypeVar("S", bound=Sign)


def expanded(sign: S, variables: Mapping[str, str], section: str) -> S:
    """Return `sign`, declared in `section`, with every `${NAME}` of its texts replaced but those of a command.

    Raises UnsetVariableError, which names the key.
    """
    key = f"{section}.{sign.kind}"
    if sign.kind in COMBINED_KINDS:
        parts = tuple(expanded(part, variables, f"{key}[{index}]") for index, part in enumerate(sign.parts))
        return replace(sign, parts=parts)
    return replace(sign, address=expand(sign.address, variables, key))
