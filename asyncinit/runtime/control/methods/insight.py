"""The methods that tell why, how long, with what and what is wrong: Explain, Crashes, Startup and so on."""

from __future__ import annotations

from collections.abc import Callable

from asyncinit.control import types
from asyncinit.control.types import CrashesParameters, ExecPlanParameters, ExplainParameters, UsageParameters, Wire
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.answers import Carried, Table, fail, known
from asyncinit.runtime.control.operations import Operations, RefusedError, Work


class InsightMethods:
    """What changes nothing, and is more than a state."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.table: Table = {
            "Explain": self._explain,
            "Crashes": self._crashes,
            "Startup": lambda call, _given: call.reply(self._operations.insight().startup()),
            "ShutdownPlan": lambda call, _given: call.reply(self._operations.insight().shutdown_plan()),
            "Graph": lambda call, _given: call.reply(self._operations.insight().graph()),
            "ExecPlan": self._exec_plan,
            "Doctor": lambda call, _given: self._later(call, self._operations.insight().doctor),
            "Usage": self._usage,
        }
        self.carried: Carried = {}

    def _explain(self, call: Call, given: ExplainParameters) -> None:
        known(self._operations, [given.name])
        call.reply(self._operations.insight().explain(given.name))

    def _crashes(self, call: Call, given: CrashesParameters) -> None:
        known(self._operations, given.names)
        reply = self._operations.insight().crashes(given.names, given.id)
        if given.id is not None and not reply.crashes:
            raise RefusedError(f"there is no crash report {given.id}" + (", or no longer" if reply.forgotten else ""))
        call.reply(reply)

    def _exec_plan(self, call: Call, given: ExecPlanParameters) -> None:
        known(self._operations, [given.name])
        insight = self._operations.insight()
        self._later(call, lambda done: insight.exec_plan(given.name, done))

    def _usage(self, call: Call, given: UsageParameters) -> None:
        known(self._operations, given.names)
        insight = self._operations.insight()
        self._later(call, lambda done: insight.usage(given.names, done))

    def _later(self, call: Call, ask: Callable[[Callable[[Wire | RefusedError], None]], Work]) -> None:
        """Answer with what is found in a later turn of the loop; whoever hangs up calls it off."""

        def done(result: Wire | RefusedError) -> None:
            if isinstance(result, RefusedError):
                fail(call, types.Refused(text=result.text))
            else:
                call.reply(result)

        work = ask(done)
        call.on_cancel = lambda: (work.cancel(), None)[1]
        call.carried = lambda: None
