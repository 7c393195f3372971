"""The methods that change what runs: Start, Stop, Restart, Reload, Signal, Shutdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncinit.control import types
from asyncinit.control.types import (
    ActionResult,
    ActParameters,
    ActReply,
    EventEntry,
    RestartParameters,
    ShutdownParameters,
    SignalParameters,
)
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.answers import Table, fail
from asyncinit.runtime.control.operations import Operations, RefusedError, Verb

PROGRESS_HELD = 64 * 1024
"""Bytes of progress that a client may leave untaken before it gets no more of it (the results come in any case)."""


class ActingMethods:
    """What changes something."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.table: Table = {
            "Start": lambda call, given: self._act(Verb.START, call, given),
            "Stop": lambda call, given: self._act(Verb.STOP, call, given),
            "Restart": lambda call, given: self._act(Verb.RESTART, call, given),
            "Reload": lambda call, given: self._act(Verb.RELOAD, call, given),
            "Signal": self._signal,
            "Shutdown": self._shutdown,
        }

    def _act(self, verb: Verb, call: Call, given: ActParameters | RestartParameters) -> None:
        if not given.names:
            raise RefusedError("no service was named")
        only = isinstance(given, RestartParameters) and bool(given.only)
        names = list(dict.fromkeys(given.names))
        ends: list[Callable[[], None]] = []

        def finish(results: Sequence[ActionResult]) -> None:
            for end in ends:
                end()
            affected = list(job.affected)
            if all(result.ok for result in results):
                call.reply(ActReply(results=list(results), affected=affected, progress=[]))
            else:
                fail(call, types.ActionFailed(results=list(results), affected=affected))

        job = self._operations.act(verb, names, only, finish)
        if given.wait is False:
            job.cancel()
            finish([ActionResult(name=now.name, ok=True, state=now.state, text="") for now in self._now(names)])
            return
        if call.more:
            concerned = frozenset((*names, *job.affected))
            ends.append(self._operations.on_event(lambda event: _tell_progress(call, concerned, event)))
            call.reply(ActReply(results=[], affected=list(job.affected), progress=[]), continues=True)

        def cancel() -> None:
            job.cancel()
            for end in ends:
                end()

        call.on_cancel = cancel

    def _now(self, names: Sequence[str]) -> list[types.ServiceStatus]:
        return self._operations.services(names)

    def _signal(self, call: Call, given: SignalParameters) -> None:
        if not 0 < given.signal <= 64:
            raise RefusedError(f"{given.signal} is no signal")
        self._operations.signal(given.signal, list(dict.fromkeys(given.names)))
        call.reply(types.Nothing())

    def _shutdown(self, call: Call, given: ShutdownParameters) -> None:
        peer = call.connection.peer
        who = f"uid {peer.uid}, pid {peer.pid or 'of another namespace'}"
        reason = "".join(letter if letter.isprintable() else " " for letter in (given.reason or "")[:200])
        self._operations.shutdown(f"{reason} ({who})" if reason else f"requested by {who}")
        call.reply(types.Nothing())


def _tell_progress(call: Call, concerned: frozenset[str], event: EventEntry) -> None:
    if event.service in concerned and call.connection.output_size < PROGRESS_HELD:
        call.reply(ActReply(results=[], affected=[], progress=[event]), continues=True)
