"""The method that replaces asyncinit by the program now installed: Reexec."""

from __future__ import annotations

from msgspec import Struct

from asyncinit import __version__
from asyncinit.control import types
from asyncinit.control.types import Nothing, ReexecReply
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.answers import Carried, Table, fail
from asyncinit.runtime.control.operations import Operations


class ReexecState(Struct):
    """Who asked for a re-exec is answered by the new program; `before` is the version of the old one."""

    before: str = ""


class ReplacingMethods:
    """What ends this very program."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.table: Table = {"Reexec": self._reexec}
        self.carried: Carried = {"Reexec": (ReexecState, self._done)}

    def _reexec(self, call: Call, _given: Nothing) -> None:
        self._operations.reexec(lambda reason: fail(call, types.Refused(text=reason)))
        call.carried = lambda: ReexecState(__version__)

    def _done(self, call: Call, state: ReexecState) -> None:
        call.reply(ReexecReply(before=state.before, after=__version__))
