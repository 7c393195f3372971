"""What each method of the control protocol does with the operations, in groups; knows no sockets.

What an operation refuses becomes the protocol's error of the same meaning; anything else that it raises is a bug, which
the caller turns into Failed.
"""

from __future__ import annotations

import asyncio

from asyncinit.control import types
from asyncinit.control.types import Wire
from asyncinit.errors import UnknownServiceError
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.acting import ActingMethods
from asyncinit.runtime.control.methods.answers import Carried, Table, carry_out, fail
from asyncinit.runtime.control.methods.attaching import AttachingMethods
from asyncinit.runtime.control.methods.configuring import ConfiguringMethods
from asyncinit.runtime.control.methods.following import FollowingMethods
from asyncinit.runtime.control.methods.freezing import FreezingMethods
from asyncinit.runtime.control.methods.insight import InsightMethods
from asyncinit.runtime.control.methods.pods import PodMethods
from asyncinit.runtime.control.methods.reading import ReadingMethods
from asyncinit.runtime.control.methods.replacing import ReplacingMethods
from asyncinit.runtime.control.operations import Operations
from asyncinit.runtime.reexec.coding import StateError, decode


class Methods:
    """The methods of io.asyncinit, by name.

    A group has a `table` of its methods, and as `carried` those that may take a while: with the type of what such a
    call's `carried` returns, and what goes on with that after a re-exec.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, operations: Operations) -> None:
        groups = (
            ReadingMethods(operations),
            ActingMethods(operations),
            FollowingMethods(loop, operations),
            InsightMethods(operations),
            ConfiguringMethods(operations),
            PodMethods(operations),
            ReplacingMethods(operations),
            FreezingMethods(operations),
            AttachingMethods(operations),
        )
        self._table: Table = {name: method for group in groups for name, method in group.table.items()}
        self._carried: Carried = {name: one for group in groups for name, one in group.carried.items()}

    def go_on(self, call: Call, state: bytes) -> None:
        """Go on with a call that was made before a re-exec; it is told if that cannot be."""
        try:
            kind, method = self._carried[call.method]
            method(call, decode(state, kind))
        except (KeyError, StateError, UnknownServiceError):
            fail(call, types.Refused(text="asyncinit was replaced by another version meanwhile; ask again"))

    def run(self, name: str, call: Call, parameters: Wire) -> None:
        """Carry out a method; it answers the call now or later."""
        carry_out(call, lambda: self._table[name](call, parameters))


__all__ = ["Methods", "fail"]
