"""The methods that tell what happened and, if asked, what happens from now on: Logs, Events."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from asyncinit.control import types
from asyncinit.control.types import EventEntry, EventsParameters, LogEntry, LogsParameters, Wire, timestamp
from asyncinit.runtime.control.backlog import Slices, newest
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.answers import Carried, Table, known
from asyncinit.runtime.control.operations import JournalReader, Operations
from asyncinit.runtime.control.streams import BATCH_ITEMS, Stream
from asyncinit.runtime.output.entries import Entry, EventRecord


class FollowState(Struct):
    """A follower as it is carried over a re-exec, who has got all until then; `names` None: of all services."""

    names: list[str] | None = None


class FollowingMethods:
    """What may go on until the caller hangs up."""

    def __init__(self, loop: asyncio.AbstractEventLoop, operations: Operations) -> None:
        self._loop = loop
        self._operations = operations
        self.table: Table = {"Logs": self._logs, "Events": self._follow_events}
        self.carried: Carried = {
            "Logs": (FollowState, self._go_on_with_logs),
            "Events": (FollowState, self._go_on_with_events),
        }

    def _logs(self, call: Call, given: LogsParameters) -> None:
        names = known(self._operations, given.names)
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
                call.reply(_encode_lines(found, 0, True))

        if given.follow:  # from now on; what was there before is collected meanwhile
            stream.ends += _follow_lines(journal, names, stream)
        services = names if names is not None else [service.name for service in self._operations.services()]
        work = newest(journal, services, names, count if call.more else min(count, BATCH_ITEMS), wanted)
        call.on_cancel = stream.close
        call.carried = partial(_carried, stream, given.names)
        slices = Slices(self._loop, work, send)
        stream.ends.append(slices.cancel)

    def _follow_events(self, call: Call, given: EventsParameters) -> None:
        names = known(self._operations, given.names)
        chosen = [event for event in self._operations.recent_events() if names is None or event.service in names]
        if not call.more:
            call.reply(_encode_events(chosen, 0, True))
            return
        stream: Stream[EventEntry] = Stream(self._loop, call, _encode_events, _event_size)
        if given.follow:
            self._follow(names, stream)
        call.carried = partial(_carried, stream, given.names)
        stream.begin(chosen, bool(given.follow))

    def _follow(self, names: frozenset[str] | None, stream: Stream[EventEntry]) -> None:
        def push(event: EventEntry) -> None:
            if names is None or event.service in names:
                stream.push(event)

        stream.ends.append(self._operations.on_event(push))

    def _go_on_with_logs(self, call: Call, state: FollowState) -> None:
        stream: Stream[Entry | EventRecord] = Stream(self._loop, call, _encode_lines, _line_size)
        stream.ends += _follow_lines(self._operations.journal(), known(self._operations, state.names), stream)
        call.carried = partial(_carried, stream, state.names)
        stream.begin((), True)

    def _go_on_with_events(self, call: Call, state: FollowState) -> None:
        stream: Stream[EventEntry] = Stream(self._loop, call, _encode_events, _event_size)
        self._follow(known(self._operations, state.names), stream)
        call.carried = partial(_carried, stream, state.names)
        stream.begin((), True)


def _carried(stream: Stream[Any], names: Sequence[str] | None) -> FollowState | None:
    """Send all that was taken, and return what the follower needs to go on; None: it has got nothing yet."""
    if not stream.begun:
        return None
    stream.send_all()
    return FollowState(None if names is None else list(names))


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


def _encode_lines(items: Sequence[Entry | EventRecord], dropped: int, caught_up: bool) -> Wire:
    return types.LogsReply(entries=[_encode_line(item) for item in items], dropped=dropped, caught_up=caught_up)


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


def _event_size(event: EventEntry) -> int:
    return 200 + len(event.text)


def _encode_events(events: Sequence[EventEntry], dropped: int, _caught_up: bool) -> Wire:
    return types.EventsReply(events=list(events), dropped=dropped)
