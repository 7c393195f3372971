"""The methods that have services stand still and go on: Freeze, Thaw."""

from __future__ import annotations

from collections.abc import Callable

from asyncinit.control import types
from asyncinit.control.types import FreezeParameters
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.answers import Carried, Table
from asyncinit.runtime.control.operations import FreezingOperations, Operations, RefusedError


class FreezingMethods:
    """What stops the time of services."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.table: Table = {
            "Freeze": lambda call, given: self._do(call, given, lambda freezing: freezing.freeze),
            "Thaw": lambda call, given: self._do(call, given, lambda freezing: freezing.thaw),
        }
        self.carried: Carried = {}

    def _do(
        self,
        call: Call,
        given: FreezeParameters,
        what: Callable[[FreezingOperations], Callable[[list[str]], None]],
    ) -> None:
        if not given.names:
            raise RefusedError("no service was named")
        what(self._operations.freezing())(list(dict.fromkeys(given.names)))
        call.reply(types.Nothing())
