"""All output and all events, in order: written where they go, remembered in bounded memory, told to followers.

Knows no descriptor of a service and nothing of what an event means; where output goes, a service's route says. Every
line and every event gets the next number of one cursor, so that a follower can go on where it was.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from asyncinit.config.spec import LogFormat, LogLevel
from asyncinit.runtime.output.buffer import BufferState
from asyncinit.runtime.output.console import Console
from asyncinit.runtime.output.entries import Entry, EventRecord, Fields
from asyncinit.runtime.output.format import Format, RawFormat, choose
from asyncinit.runtime.output.ring import RING_BYTES, Ring, RingState, entries_of
from asyncinit.runtime.output.route import Outlet, Route
from asyncinit.runtime.reexec.keep import Keep

if TYPE_CHECKING:
    import asyncio

    from asyncinit.runtime.output.rate import RateLimit

EVENTS_KEPT = 512
IN_SIGHT = 10
"""Lines of others that may have come between a service's last lines for these to count as still seen."""
_ORDER = (LogLevel.ERROR, LogLevel.WARNING, LogLevel.INFO, LogLevel.DEBUG)

LinesCallback = Callable[[Sequence[Entry]], None]
EventCallback = Callable[[EventRecord], None]
_Follower = tuple[frozenset[str] | None, Callable[[Any], None]]


class JournalState(Struct):
    """What is carried over a re-exec: the cursor, what is remembered, and what was not written yet.

    `events_console` is there where events go elsewhere; `unfinished` is the raw format's; `dropped` counts lines.
    """

    cursor: int = 0
    rings: dict[str, RingState] = {}
    started: dict[str, tuple[int, int]] = {}
    events: list[EventRecord] = []
    console: BufferState = field(default_factory=BufferState)
    events_console: BufferState | None = None
    unfinished: tuple[str, str] | None = None
    dropped: dict[str, int] = {}


class Journal:
    """Take lines and events; write, remember and tell them in the order in which they came.

    `console` is where lines go that have no other `routes`; events go there too, or where the format wants them apart
    (raw) to `events_console`, and to the `event_outlets`.
    `level` decides which events are written; service output is never filtered by it.
    """

    def __init__(
        self,
        console: Console,
        log_format: Format,
        level: LogLevel = LogLevel.INFO,
        *,
        events_console: Console | None = None,
        clock: Callable[[], float] = time.time,
        ring_bytes: int = RING_BYTES,
    ) -> None:
        self.console = console
        self.format = log_format
        self._events_console = console if log_format.mixes_events or events_console is None else events_console
        self.routes: dict[str, Route] = {}
        """Where the output of services goes, by name; to the console where nothing is said."""
        self.to_console = Route(*2 * ((Outlet(console, log_format),),), console=True)
        self.events_on_console = True
        self.event_outlets: tuple[Outlet, ...] = ()
        self.dropped: dict[str, int] = {}
        """Lines of each service that a destination has not got, or that were more than its rate."""
        self.limited: Callable[[str, Route], None] = lambda service, route: None
        """Told when lines are suppressed for a rate limit, once in an interval."""
        self.relieved: Callable[[], None] = lambda: None
        """Called when services whose output was `held` may not be any more."""
        self._clock = clock
        self._ring_bytes = ring_bytes
        self._cursor = 0
        self._rings: dict[str, Ring] = {}
        self._started: dict[str, tuple[int, int]] = {}  # the cursor, and what the console had dropped by then
        self._events: deque[EventRecord] = deque(maxlen=EVENTS_KEPT)
        self._followers: dict[int, _Follower] = {}
        self._event_followers: dict[int, _Follower] = {}
        self.set_level(level)
        console.notice = self._dropped_on_console
        console.lost = self.lose
        console.relieved = self.relieve

    @property
    def cursor(self) -> int:
        """The number of the newest line or event; 0: nothing yet."""
        return self._cursor

    def set_level(self, level: LogLevel) -> None:
        """Write events of `level` and of those before it (error, warning, info, debug) only."""
        self._shown = frozenset(_ORDER[: _ORDER.index(level) + 1])

    def shows(self, level: LogLevel) -> bool:
        """Tell whether an event of `level` would be written: asked before an expensive text is made."""
        return level in self._shown

    def set_names(self, names: Iterable[str]) -> None:
        """Learn the names of all services, in the order of the configuration (column width and colours)."""
        self.format.set_names(names)

    def freeze(self, keep: Keep) -> JournalState:
        """Return what is carried over a re-exec."""
        apart = self._events_console is not self.console
        return JournalState(
            self._cursor,
            {name: ring.freeze() for name, ring in self._rings.items()},
            dict(self._started),
            list(self._events),
            self.console.freeze(keep),
            self._events_console.freeze(keep) if apart else None,
            self.format.unfinished if isinstance(self.format, RawFormat) else None,
            dict(self.dropped),
        )

    def thaw(self, state: JournalState) -> None:
        """Go on where the program before was."""
        self._cursor, self._started = state.cursor, state.started
        self.dropped = dict(state.dropped)
        self._events.extend(state.events)
        for name, ring in state.rings.items():
            self._rings[name] = Ring(name, self._ring_bytes)
            self._rings[name].thaw(ring)
        self.console.thaw(state.console)
        if state.events_console is not None and self._events_console is not self.console:
            self._events_console.thaw(state.events_console)
        if isinstance(self.format, RawFormat):
            self.format.unfinished = state.unfinished

    # -----------------------------------------------------------------------------------------------------------------
    # In

    def lines(self, service: str, stream: str, data: bytes, cut: bool = False) -> None:
        """Take what a service wrote: whole lines with their newlines, or one piece without one (see `LineSplitter`)."""
        route = self.routes.get(service, self.to_console)
        if route.limit is not None and not (data := self._within(route.limit, service, route, data)):
            return
        now = self._clock()
        whole = data if data.endswith(b"\n") else data + b"\n"
        count = whole.count(b"\n")
        first = self._cursor + 1
        self._cursor += count
        ring = self._rings.get(service)
        if ring is None:
            ring = self._rings[service] = Ring(service, self._ring_bytes)
        ring.append(now, stream, first, whole, cut)
        for buffer, form in route.of(stream):
            buffer.write(form.lines(now, service, stream, data, cut), count, source=service, keep=route.block)
        if self._followers:
            self._tell(self._followers, service, entries_of(now, service, stream, first, whole, cut=cut))

    def line(self, service: str, stream: str, message: bytes) -> None:
        """Take one line, without its newline."""
        self.lines(service, stream, message.replace(b"\n", b" ") + b"\n")

    def event(
        self,
        service: str | None,
        text: str,
        level: LogLevel = LogLevel.INFO,
        fields: Fields | None = None,
        output: int = 0,
    ) -> None:
        """Take something that happened to `service` (None: to asyncinit): one line, in words.

        `fields` are for programs: `state` (it also gives the colour), `pid`, `reason` ...: strings, numbers, lists,
        dicts. `output`: show up to so many of the service's last lines since `started` with it, unless they can be seen
        right above. An event of a level that is not shown is remembered and told, but not written; debug: forgotten.
        """
        visible = level in self._shown
        if not visible and level is LogLevel.DEBUG:
            return
        shown: Sequence[Entry]
        last = self.last(service, output, since_start=True) if service is not None and output else []
        shown = () if not last or self._in_sight(service or "", last) else last
        self._cursor += 1
        record = EventRecord(self._clock(), self._cursor, service, _plain(text), level, fields or {})
        self._events.append(record)
        if visible:
            if self.events_on_console:
                written = self.format.event(record, shown)
                self._events_console.write(written, written.count(b"\n"), important=True)
            for buffer, form in self.event_outlets:
                written = form.event(record, last)
                buffer.write(written, written.count(b"\n"), important=True)
        self._tell(self._event_followers, service, record)

    def started(self, service: str) -> None:
        """Note that `service` starts anew: lines from before do not explain a failure from now on."""
        self._started[service] = (self._cursor, self.console.dropped)

    def forget(self, service: str) -> None:
        """Drop what is remembered of `service`: it is not declared any more."""
        self._rings.pop(service, None)
        self._started.pop(service, None)
        self.dropped.pop(service, None)

    def outlets(self) -> Iterator[Outlet]:
        """Yield where anything goes beside the console's own lines."""
        for route in self.routes.values():
            yield from route.stdout
            yield from route.stderr
        yield from self.event_outlets

    def held(self, service: str) -> bool:
        """Tell whether the service's pipes should be left alone until a buffer of its route is relieved."""
        return self.routes.get(service, self.to_console).held

    def relieve(self) -> None:
        """Have those looked at again that were held: a buffer has room."""
        self.relieved()

    def chunk_size(self, service: str) -> int:
        """Return how many bytes of a service should come at once at most."""
        return self.routes.get(service, self.to_console).chunk_size

    def lose(self, service: str, lines: int) -> None:
        """Count lines that a destination of a service has dropped."""
        self.dropped[service] = self.dropped.get(service, 0) + lines

    def _within(self, limit: RateLimit, service: str, route: Route, data: bytes) -> bytes:
        """Return what of `data` is within the rate; the rest is counted, and told when the interval is over."""
        now = time.monotonic()
        self.tell_suppressed(service, route, now)
        before = limit.suppressed
        passed = limit.take(now, data)
        if limit.suppressed > before:
            self.lose(service, limit.suppressed - before)
            if not before:
                self.limited(service, route)
        return passed

    def tell_suppressed(self, service: str, route: Route, now: float) -> None:
        """Tell, where lines are missing, how many an interval that is over has suppressed."""
        assert route.limit is not None
        count = route.limit.ended(now)
        if count:
            rate = f"{route.limit.lines} in {route.limit.interval:g} s"
            self.gap(service, f"{count} lines were dropped here: more than {rate}", count, route.stdout + route.stderr)

    def gap(self, service: str | None, text: str, lines: int, outlets: Iterable[Outlet]) -> None:
        """Tell that lines are missing: as an event, and in the outlets beside the console that have room for words."""
        self.event(service, text, LogLevel.WARNING, {"dropped": lines})
        told = {id(self.console)}
        for buffer, form in outlets:
            if id(buffer) not in told:
                told.add(id(buffer))
                buffer.write(self.notice(form, service, text, lines), important=True)

    def notice(self, form: Format, service: str | None, text: str, lines: int) -> bytes:
        """Return the line that stands for missing ones; nothing where a format is only what services wrote."""
        if not form.mixes_events:
            return b""
        record = EventRecord(self._clock(), self._cursor, service, text, LogLevel.WARNING, {"dropped": lines})
        return form.event(record, ())

    # -----------------------------------------------------------------------------------------------------------------
    # Out

    def last(self, services: str | Collection[str] | None, count: int, since_start: bool = False) -> list[Entry]:
        """Return the newest `count` lines of a service, of several merged in order, or (None) of all; oldest first."""
        if isinstance(services, str):
            after = self._started.get(services, (0, 0))[0] if since_start else 0
            ring = self._rings.get(services)
            return ring.last(count, after) if ring is not None else []
        merged = [entry for name in self._named(services) for entry in self._rings[name].last(count)]
        merged.sort(key=_by_cursor)
        return merged[-count:] if count > 0 else []

    def since(self, cursor: int, services: Collection[str] | None = None) -> list[Entry]:
        """Return the lines that came after `cursor` and are still remembered, of `services` or all, in order."""
        found = [entry for name in self._named(services) for entry in self._rings[name].after(cursor)]
        found.sort(key=_by_cursor)
        return found

    def events(self, count: int | None = None, services: Collection[str] | None = None) -> list[EventRecord]:
        """Return the newest `count` events (None: all that are remembered), of `services` or all; oldest first."""
        found = [record for record in self._events if services is None or record.service in services]
        return found if count is None else found[-count:] if count > 0 else []

    def subscribe(self, services: Collection[str] | None, callback: LinesCallback) -> Callable[[], None]:
        """Call `callback` with each batch of lines from now on, of `services` or (None) all; return how to end that.

        Nothing is lost and the order is kept: what was there before is `last` or `since`, called in the same callback
        of the loop. Batches are what one read gave (one service, one stream, up to 64 KiB).
        A `callback` that raises is removed.
        """
        return _follow(self._followers, (None if services is None else frozenset(services), callback))

    def subscribe_events(self, callback: EventCallback) -> Callable[[], None]:
        """Call `callback` with each event from now on; return how to end that. One that raises is removed."""
        return _follow(self._event_followers, (None, callback))

    def flush(self, seconds: float) -> bool:
        """Write what is buffered, blocking for up to `seconds`, for the very end; tell whether all is written."""
        deadline = time.monotonic() + seconds
        done = self.console.flush(seconds)
        if self._events_console is not self.console:
            done = self._events_console.flush(max(0.0, deadline - time.monotonic())) and done
        return done

    def close(self) -> None:
        """Stop writing and release the consoles; what is remembered stays."""
        self.console.close()
        self._events_console.close()

    # -----------------------------------------------------------------------------------------------------------------

    def _named(self, services: Collection[str] | None) -> Iterable[str]:
        return self._rings if services is None else [name for name in self._rings if name in services]

    def _tell(self, followers: dict[int, _Follower], service: str | None, what: Any) -> None:
        for number, (services, callback) in tuple(followers.items()):
            if number in followers and (services is None or service in services):
                try:
                    callback(what)
                except Exception as error:  # a broken follower costs itself, not the output
                    followers.pop(number, None)
                    self.event(None, f"a follower of the output failed and was removed: {error!r}", LogLevel.ERROR)

    def _in_sight(self, service: str, last: Sequence[Entry]) -> bool:
        """Tell whether these lines stand right above on the console, so that repeating them would be noise.

        They do where events and lines share the console, nothing was dropped since the service's start, and only few
        lines of others came since the first of them.
        """
        if not self.routes.get(service, self.to_console).console:
            return False
        if self.format.repeats_output or self.console.dropped != self._started.get(service, (0, 0))[1]:
            return False
        return self._cursor - last[0].cursor - len(last) < IN_SIGHT

    def _dropped_on_console(self, lines: int, size: int) -> bytes:
        text = f"{lines} lines of output ({size} bytes) were dropped here: nobody read them in time"
        self._cursor += 1
        record = EventRecord(self._clock(), self._cursor, None, text, LogLevel.WARNING, {"dropped": lines})
        self._events.append(record)
        self._tell(self._event_followers, None, record)
        notice = self.format.event(record, ())
        if self._events_console is self.console:
            return notice
        self._events_console.write(notice, important=True)
        return b""


def open_journal(
    loop: asyncio.AbstractEventLoop, log_format: LogFormat, level: LogLevel, environment: Mapping[str, str]
) -> Journal:
    """Return the journal that writes to our standard output, in raw format events to our standard error.

    `environment` is ours: NO_COLOR and TERM are looked at. Never fails: what cannot be written is still remembered.
    """
    console = Console(loop, 1)
    form = choose(log_format, console.terminal, environment)
    if form.mixes_events:
        return Journal(console, form, level)
    return Journal(console, form, level, events_console=Console(loop, 2))


def _follow(followers: dict[int, _Follower], follower: _Follower) -> Callable[[], None]:
    number = next(_numbers)
    followers[number] = follower

    def end() -> None:
        followers.pop(number, None)

    return end


_numbers = itertools.count()


def _by_cursor(entry: Entry) -> int:
    return entry.cursor


def _plain(text: str) -> str:
    """Return `text` without control characters but newlines, and fit for UTF-8: it may quote what a service sent."""
    if text.isprintable() and text.isascii():
        return text
    shown = [f"^{chr(ord(c) ^ 0x40)}" if (c < " " and c != "\n") or c == "\x7f" else c for c in text]
    return "".join("?" if "\x80" <= c < "\xa0" or "\ud800" <= c <= "\udfff" else c for c in shown)
