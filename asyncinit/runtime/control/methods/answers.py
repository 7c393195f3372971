"""How methods answer: the errors of io.asyncinit, and names that have to exist; knows no method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asyncinit.control import types
from asyncinit.control.types import Wire
from asyncinit.errors import UnknownServiceError
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.operations import Operations, RefusedError

Table = Mapping[str, Callable[[Call, Any], None]]
"""Methods by name: each gets the call to answer and its parameters, already of their type."""

Carried = Mapping[str, tuple[type[Any], Callable[[Call, Any], None]]]
"""Methods that are gone on with after a re-exec: the type of what their calls' `carried` returns, and what takes it."""


def fail(call: Call, error: Wire) -> None:
    """Answer a call with an error of io.asyncinit: its name is its type's."""
    call.fail(f"{types.INTERFACE}.{type(error).__name__}", error)


def carry_out(call: Call, method: Callable[[], None]) -> None:
    """Have a method do its work; what an operation refuses becomes the call's error of the same meaning."""
    try:
        method()
    except UnknownServiceError as error:
        fail(call, types.NoSuchService(name=error.name, suggestion=error.suggestion))
    except RefusedError as error:
        fail(call, types.Refused(text=error.text))


def known(operations: Operations, names: Sequence[str] | None) -> frozenset[str] | None:
    """Return the names as a set, None for all; raises UnknownServiceError."""
    if names is None:
        return None
    operations.services(names)
    return frozenset(names)
