"""The methods that concern pods: Pods."""

from __future__ import annotations

from asyncinit.control import types
from asyncinit.control.types import PodsParameters
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.answers import Carried, Table
from asyncinit.runtime.control.operations import Operations


class PodMethods:
    """What can be asked of pods."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.table: Table = {"Pods": self._pods}
        self.carried: Carried = {}

    def _pods(self, call: Call, given: PodsParameters) -> None:
        call.reply(types.PodsReply(pods=self._operations.pods().statuses(given.names)))
