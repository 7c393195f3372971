"""What each method of the control protocol does with the operations; knows no sockets.

A method gets a `Call` to answer and its parameters, already of their type. What an operation refuses becomes the
protocol's error of the same meaning; anything else that it raises is a bug, which the caller turns into Failed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any

from asyncinit.control import types
from asyncinit.control.types import (
    ActionResult,
    ActParameters,
    ActReply,
    EventEntry,
    EventsParameters,
    LogEntry,
    LogsParameters,
    RestartParameters,
    ShowParameters,
    ShutdownParameters,
    SignalParameters,
    StatusParameters,
    Wire,
    timestamp,
)
from asyncinit.errors import UnknownServiceError
from asyncinit.runtime.control.backlog import Slices, newest
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.operations import JournalReader, Operations, RefusedError, Verb
from asyncinit.runtime.control.streams import BATCH_ITEMS, Stream
from asyncinit.runtime.output.entries import Entry, EventRecord

PROGRESS_HELD = 64 * 1024
"""Bytes of progress that a client may leave untaken before it gets no more of it (the results come in any case)."""


class Methods:
    """The methods of io.asyncinit, by name."""

    def __init__(self, loop: asyncio.AbstractEventLoop, operations: Operations) -> None:
        self._loop = loop
        self._operations = operations
        self._table: dict[str, Callable[[Call, Any], None]] = {
            "Status": self._status,
            "Start": lambda call, given: self._act(Verb.START, call, given),
            "Stop": lambda call, given: self._act(Verb.STOP, call, given),
            "Restart": lambda call, given: self._act(Verb.RESTART, call, given),
            "Reload": lambda call, given: self._act(Verb.RELOAD, call, given),
            "Signal": self._signal,
            "Logs": self._logs,
            "Events": self._follow_events,
            "Show": self._show,
            "Shutdown": self._shutdown,
        }

    def run(self, name: str, call: Call, parameters: Wire) -> None:
        """Carry out a method; it answers the call now or later."""
        try:
            self._table[name](call, parameters)
        except UnknownServiceError as error:
            fail(call, types.NoSuchService(name=error.name, suggestion=error.suggestion))
        except RefusedError as error:
            fail(call, types.Refused(text=error.text))

    def _status(self, call: Call, given: StatusParameters) -> None:
        services = self._operations.services(given.names)
        call.reply(types.StatusReply(asyncinit=self._operations.system(), services=services))

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

    def _show(self, call: Call, given: ShowParameters) -> None:
        call.reply(types.ShowReply(toml=self._operations.show(given.name)))

    def _shutdown(self, call: Call, given: ShutdownParameters) -> None:
        peer = call.connection.peer
        who = f"uid {peer.uid}, pid {peer.pid or 'of another namespace'}"
        reason = "".join(letter if letter.isprintable() else " " for letter in (given.reason or "")[:200])
        self._operations.shutdown(f"{reason} ({who})" if reason else f"requested by {who}")
        call.reply(types.Nothing())

    def _logs(self, call: Call, given: LogsParameters) -> None:
        names = self._known(given.names)
        journal = self._operations.journal()
        count = sys.maxsize if given.lines is None else max(0, given.lines)
        since, after, until = given.since or 0.0, -1 if given.after is None else given.after, journal.cursor
        stream: Stream[Entry | EventRecord] = Stream(self._loop, call, _encode_lines, _line_size)

        def wanted(item: Entry | EventRecord) -> bool:
            return item.time >= since and after < item.cursor <= until

        def send(found: list[Entry | EventRecord]) -> None:
            if call.more:
                stream.begin(found, bool(given.follow))
            else:
                call.reply(_encode_lines(found, 0))

        if given.follow:  # from now on; what was there before is collected meanwhile
            stream.ends += _follow_lines(journal, names, stream)
        services = names if names is not None else [service.name for service in self._operations.services()]
        work = newest(journal, services, names, count if call.more else min(count, BATCH_ITEMS), wanted)
        call.on_cancel = stream.close
        slices = Slices(self._loop, work, send)
        stream.ends.append(slices.cancel)

    def _follow_events(self, call: Call, given: EventsParameters) -> None:
        names = self._known(given.names)
        chosen = [event for event in self._operations.recent_events() if names is None or event.service in names]
        if not call.more:
            call.reply(_encode_events(chosen, 0))
            return
        stream: Stream[EventEntry] = Stream(self._loop, call, _encode_events, lambda event: 200 + len(event.text))
        if given.follow:

            def push(event: EventEntry) -> None:
                if names is None or event.service in names:
                    stream.push(event)

            stream.ends.append(self._operations.on_event(push))
        stream.begin(chosen, bool(given.follow))

    def _known(self, names: Sequence[str] | None) -> frozenset[str] | None:
        """Return the names as a set, None for all; raises UnknownServiceError."""
        if names is None:
            return None
        self._operations.services(names)
        return frozenset(names)


def fail(call: Call, error: Wire) -> None:
    """Answer a call with an error of io.asyncinit: its name is its type's."""
    call.fail(f"{types.INTERFACE}.{type(error).__name__}", error)


def _tell_progress(call: Call, concerned: frozenset[str], event: EventEntry) -> None:
    if event.service in concerned and call.connection.output_size < PROGRESS_HELD:
        call.reply(ActReply(results=[], affected=[], progress=[event]), continues=True)


def _follow_lines(
    journal: JournalReader, names: Collection[str] | None, stream: Stream[Entry | EventRecord]
) -> list[Callable[[], None]]:
    """Have new lines and events pushed into the stream; returns what ends it."""

    def push_lines(lines: Sequence[Entry]) -> None:
        for line in lines:
            stream.push(line)

    def push_event(event: EventRecord) -> None:
        if names is None or event.service in names:
            stream.push(event)

    return [journal.subscribe(names, push_lines), journal.subscribe_events(push_event)]


def _encode_lines(items: Sequence[Entry | EventRecord], dropped: int) -> Wire:
    return types.LogsReply(entries=[_encode_line(item) for item in items], dropped=dropped)


def _encode_line(item: Entry | EventRecord) -> LogEntry:
    return LogEntry(
        time=timestamp(item.time),
        service=item.service,
        stream="event" if isinstance(item, EventRecord) else item.stream,
        message=item.text if isinstance(item, EventRecord) else item.message.decode("utf-8", "replace"),
        cursor=item.cursor,
    )


def _line_size(item: Entry | EventRecord) -> int:
    return 100 + len(item.text if isinstance(item, EventRecord) else item.message)


def _encode_events(events: Sequence[EventEntry], dropped: int) -> Wire:
    return types.EventsReply(events=list(events), dropped=dropped)
