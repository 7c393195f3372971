"""The methods that tell what happened and, if asked, what happens from now on: Logs, Events."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Sequence

from asyncinit.control import types
from asyncinit.control.types import EventEntry, EventsParameters, LogEntry, LogsParameters, Wire, timestamp
from asyncinit.runtime.control.backlog import Slices, newest
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.answers import Table, known
from asyncinit.runtime.control.operations import JournalReader, Operations
from asyncinit.runtime.control.streams import BATCH_ITEMS, Stream
from asyncinit.runtime.output.entries import Entry, EventRecord


class FollowingMethods:
    """What may go on until the caller hangs up."""

    def __init__(self, loop: asyncio.AbstractEventLoop, operations: Operations) -> None:
        self._loop = loop
        self._operations = operations
        self.table: Table = {"Logs": self._logs, "Events": self._follow_events}

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
                call.reply(_encode_lines(found, 0))

        if given.follow:  # from now on; what was there before is collected meanwhile
            stream.ends += _follow_lines(journal, names, stream)
        services = names if names is not None else [service.name for service in self._operations.services()]
        work = newest(journal, services, names, count if call.more else min(count, BATCH_ITEMS), wanted)
        call.on_cancel = stream.close
        slices = Slices(self._loop, work, send)
        stream.ends.append(slices.cancel)

    def _follow_events(self, call: Call, given: EventsParameters) -> None:
        names = known(self._operations, given.names)
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
