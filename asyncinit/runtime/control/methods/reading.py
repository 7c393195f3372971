"""The methods that tell how things are: Status, Timers, Show."""

from __future__ import annotations

from asyncinit.control import types
from asyncinit.control.types import ShowParameters, StatusParameters, TimersParameters
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.answers import Carried, Table
from asyncinit.runtime.control.operations import Operations


class ReadingMethods:
    """What changes nothing."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.table: Table = {"Status": self._status, "Timers": self._timers, "Show": self._show}
        self.carried: Carried = {}

    def _status(self, call: Call, given: StatusParameters) -> None:
        services = self._operations.services(given.names)
        call.reply(types.StatusReply(asyncinit=self._operations.system(), services=services))

    def _timers(self, call: Call, given: TimersParameters) -> None:
        call.reply(types.TimersReply(timers=self._operations.timers(given.names)))

    def _show(self, call: Call, given: ShowParameters) -> None:
        call.reply(types.ShowReply(toml=self._operations.show(given.name)))
