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
    ShutdownReply,
    SignalParameters,
)
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.answers import Carried, Table, carry_out, fail
from asyncinit.runtime.control.operations import Job, JobState, Operations, RefusedError, Verb

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
        self.carried: Carried = dict.fromkeys(("Start", "Stop", "Restart", "Reload"), (JobState, self._go_on))

    def _act(self, verb: Verb, call: Call, given: ActParameters | RestartParameters) -> None:
        if not given.names:
            raise RefusedError("no service was named")
        only = isinstance(given, RestartParameters) and bool(given.only)
        names = list(dict.fromkeys(given.names))
        templates = self._operations.templates()
        missing = templates.missing(names) if verb is Verb.START else []
        if not missing:
            self._begin(verb, call, names, only, given.wait is not False)
            return

        def made(problem: str) -> None:
            if problem:
                fail(call, types.Refused(text=problem))
            else:
                carry_out(call, lambda: self._begin(verb, call, names, only, given.wait is not False))

        call.on_cancel = templates.make(missing, made)
        call.carried = lambda: None  # it is carried out anew

    def _begin(self, verb: Verb, call: Call, names: list[str], only: bool, wait: bool) -> None:
        waiting = _Waiting(call)
        waiting.job = job = self._operations.act(verb, names, only, waiting.finish)
        if not wait:
            job.cancel()
            now = self._operations.services(names)
            waiting.finish([ActionResult(name=one.name, ok=True, state=one.state, text="") for one in now])
            return
        self._tell_progress(waiting, names)
        if call.more:
            call.reply(ActReply(results=[], affected=list(job.affected), progress=[]), continues=True)

    def _go_on(self, call: Call, state: JobState) -> None:
        waiting = _Waiting(call)
        waiting.job = self._operations.go_on(state, waiting.finish)
        self._tell_progress(waiting, state.names)

    def _tell_progress(self, waiting: _Waiting, names: Sequence[str]) -> None:
        call = waiting.call
        if call.more:
            concerned = frozenset((*names, *waiting.affected))
            waiting.end = self._operations.on_event(lambda event: _tell_progress(call, concerned, event))
        call.on_cancel = waiting.cancel
        call.carried = waiting.carried

    def _signal(self, call: Call, given: SignalParameters) -> None:
        if not 0 < given.signal <= 64:
            raise RefusedError(f"{given.signal} is no signal")
        self._operations.signal(given.signal, list(dict.fromkeys(given.names)))
        call.reply(types.Nothing())

    def _shutdown(self, call: Call, given: ShutdownParameters) -> None:
        peer = call.connection.peer
        who = f"uid {peer.uid}, pid {peer.pid or 'of another namespace'}"
        reason = "".join(letter if letter.isprintable() else " " for letter in (given.reason or "")[:200])
        why = f"{reason} ({who})" if reason else f"requested by {who}"
        action = self._operations.shutdown(why, given.action, bool(given.at_once))
        call.reply(ShutdownReply(action=action))


class _Waiting:
    """A client that waits for an action; `end` ends that it is told of the progress."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.job: Job | None = None
        self.end: Callable[[], None] = lambda: None

    @property
    def affected(self) -> list[str]:
        return [] if self.job is None else list(self.job.affected)

    def finish(self, results: Sequence[ActionResult]) -> None:
        self.end()
        if all(result.ok for result in results):
            self.call.reply(ActReply(results=list(results), affected=self.affected, progress=[]))
        else:
            fail(self.call, types.ActionFailed(results=list(results), affected=self.affected))

    def cancel(self) -> None:
        self.end()
        if self.job is not None:
            self.job.cancel()

    def carried(self) -> JobState | None:
        return None if self.job is None else self.job.freeze()


def _tell_progress(call: Call, concerned: frozenset[str], event: EventEntry) -> None:
    if event.service in concerned and call.connection.output_size < PROGRESS_HELD:
        call.reply(ActReply(results=[], affected=[], progress=[event]), continues=True)
