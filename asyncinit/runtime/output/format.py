"""How output and events look: text for a terminal, text for a pipe, JSON, raw; pure, writes nothing, reads no clock.

A format gets lines by the chunk (one read of a service's pipe) and answers with the bytes for the console: one join per
chunk, no Python code per line in the text formats. `|` marks what a service wrote, `*` what asyncinit says:

    12:00:00.123 web       | listening on port 8080
    12:00:00.124 web       * ready (pid 12, 35 ms)

In text, bytes that are not UTF-8 pass as they are. A line that was cut ends in ` [cut]` and goes on in the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from asyncinit.config.spec import LogFormat, LogLevel
from asyncinit.core.status import State
from asyncinit.runtime.output.entries import OWN_NAME, Entry, EventRecord

if TYPE_CHECKING:
    import msgspec

CUT_MARK = b" [cut]"
BY_THE_CHUNK = 64 * 1024
LINE_BY_LINE = 16 * 1024
"""Chunk sizes of formats that never look at single lines, and of those that (may) have to."""
NAME_WIDTH_LIMIT = 40
"""Longer names do not push everybody's lines to the right; they stick out themselves."""


class Format(Protocol):
    """What a journal needs to know of a format.

    `mixes_events`: events belong between the lines; otherwise they go elsewhere (standard error). `repeats_output`: an
    event is always told with the output that explains it, also where people would see that right above. `chunk_size`:
    bytes that should come at once at most, so that the worst of them cost no more than some tens of milliseconds.
    """

    mixes_events: bool
    repeats_output: bool
    chunk_size: int

    def set_names(self, names: Iterable[str]) -> None:
        """Learn all names that will be seen, in the order in which they get their colours."""

    def lines(self, now: float, service: str, stream: str, data: bytes, cut: bool) -> bytes:
        """Format what `service` wrote: whole lines, or one piece without a newline (`cut`: of a line that goes on)."""

    def event(self, record: EventRecord, output: Sequence[Entry]) -> bytes:
        """Format an event, and with it the last lines of the service's output that explain it."""


def choose(log_format: LogFormat, terminal: bool, environment: Mapping[str, str]) -> Format:
    """Return the format for `log_format`; `terminal`: whether the console is one. Honours NO_COLOR and TERM=dumb."""
    if log_format is LogFormat.JSON:
        return JsonFormat()
    if log_format is LogFormat.RAW:
        return RawFormat(choose(LogFormat.TEXT, terminal, environment))
    if not terminal:
        return PipeFormat()
    colour = not environment.get("NO_COLOR") and environment.get("TERM", "dumb") not in ("", "dumb")
    return TerminalFormat(colour)


class _Clock:
    """Turn Unix seconds into text; the whole second is made once, however many lines it has."""

    __slots__ = ("_made_for", "_second", "_split", "_style")

    def __init__(self, split: Callable[[float], time.struct_time], style: str) -> None:
        self._split = split
        self._style = style
        self._made_for: int | None = None
        self._second = ""

    def text(self, now: float) -> str:
        """Return `now` in this clock's style, with milliseconds."""
        second = int(now // 1)
        if second != self._made_for:
            self._second = time.strftime(self._style, self._split(second))
            self._made_for = second
        return f"{self._second}.{int((now - second) * 1000):03d}"


def _utc_clock() -> _Clock:
    return _Clock(time.gmtime, "%Y-%m-%dT%H:%M:%S")


class PipeFormat:
    """Text for a pipe or a file: RFC 3339 UTC, name, line; no colour, no alignment, bytes unchanged."""

    mixes_events = True
    repeats_output = False
    chunk_size = BY_THE_CHUNK

    def __init__(self) -> None:
        self._clock = _utc_clock()

    def set_names(self, names: Iterable[str]) -> None:
        """Do nothing: a pipe's reader splits by fields, not by columns."""

    def lines(self, now: float, service: str, stream: str, data: bytes, cut: bool) -> bytes:
        """Format lines of a service."""
        return prefixed(f"{self._clock.text(now)}Z {service} | ".encode(), data, cut)

    def event(self, record: EventRecord, output: Sequence[Entry]) -> bytes:
        """Format an event."""
        prefix = f"{self._clock.text(record.time)}Z {record.service or OWN_NAME} * ".encode()
        return _event_block(prefix, b"", record, output, b"")


class TerminalFormat:
    """Text for people: local time, names in a column, a colour per service and per state."""

    mixes_events = True
    repeats_output = False
    chunk_size = LINE_BY_LINE

    _NAME_COLOURS = (b"36", b"33", b"35", b"34", b"32", b"96", b"93", b"95", b"94", b"92")
    _STATE_COLOURS: Mapping[object, bytes] = {
        State.READY: b"\x1b[32m",
        State.COMPLETED: b"\x1b[32m",
        State.LISTENING: b"\x1b[32m",
        State.FAILED: b"\x1b[31m",
        State.UNHEALTHY: b"\x1b[33m",
        State.BACKOFF: b"\x1b[33m",
    }
    _LEVEL_COLOURS: Mapping[LogLevel, bytes] = {
        LogLevel.ERROR: b"\x1b[31m",
        LogLevel.WARNING: b"\x1b[33m",
        LogLevel.DEBUG: b"\x1b[2m",
    }

    def __init__(self, colour: bool) -> None:
        # Imported here: only a terminal needs it, and it brings regular expressions.
        from asyncinit.runtime.output.escapes import safe_for_terminal

        self._safe = safe_for_terminal
        self._colour = colour
        self._clock = _Clock(time.localtime, "%H:%M:%S")
        self._width = len(OWN_NAME)
        self._order: dict[str, int] = {}
        self._columns: dict[tuple[str, str], bytes] = {}

    def set_names(self, names: Iterable[str]) -> None:
        """Set the column's width and give each name its colour; names that had one keep it."""
        width = len(OWN_NAME)
        for name in names:
            self._order.setdefault(name, len(self._order))
            width = max(width, min(len(name), NAME_WIDTH_LIMIT))
        self._width = width
        self._columns.clear()

    def lines(self, now: float, service: str, stream: str, data: bytes, cut: bool) -> bytes:
        """Format lines of a service."""
        return prefixed(self._prefix(now, service, "|"), self._safe(data, self._colour), cut)

    def event(self, record: EventRecord, output: Sequence[Entry]) -> bytes:
        """Format an event, coloured by its state or else by its level."""
        prefix = self._prefix(record.time, record.service or OWN_NAME, "*")
        shown = [entry._replace(message=self._safe(entry.message, self._colour)) for entry in output]
        if not self._colour:
            return _event_block(prefix, b"", record, shown, b"")
        colour = self._LEVEL_COLOURS.get(record.level) or self._STATE_COLOURS.get(record.fields.get("state"), b"")
        return _event_block(prefix, colour, record, shown, b"\x1b[0m" if colour else b"")

    def _prefix(self, now: float, name: str, separator: str) -> bytes:
        column = self._columns.get((name, separator))
        if column is None:
            column = self._columns[name, separator] = self._column(name, separator)
        stamp = self._clock.text(now).encode()
        return b"\x1b[2m" + stamp + b"\x1b[0m " + column if self._colour else stamp + b" " + column

    def _column(self, name: str, separator: str) -> bytes:
        text = f"{name:<{self._width}} {separator}".encode()
        if not self._colour:
            return text + b" "
        if name == OWN_NAME and name not in self._order:
            return b"\x1b[1m" + text + b"\x1b[0m "
        position = self._order.setdefault(name, len(self._order))
        return b"\x1b[" + self._NAME_COLOURS[position % len(self._NAME_COLOURS)] + b"m" + text + b"\x1b[0m "


class JsonFormat:
    """One JSON object a line: `time`, `service`, `stream`, `message`, for an event `event`, `level` and its fields.

    Bytes that are not UTF-8 become U+FFFD. `cut` is there (true) only on pieces of a line that go on.
    """

    mixes_events = True
    repeats_output = True
    chunk_size = LINE_BY_LINE

    def __init__(self) -> None:
        import msgspec

        self._clock = _utc_clock()
        self._encoder: msgspec.json.Encoder = msgspec.json.Encoder(enc_hook=str)

    def set_names(self, names: Iterable[str]) -> None:
        """Do nothing: programs need no columns."""

    def lines(self, now: float, service: str, stream: str, data: bytes, cut: bool) -> bytes:
        """Format lines of a service."""
        stamp = self._clock.text(now) + "Z"
        more: dict[str, object] = {"cut": True} if cut else {}
        return self._encoder.encode_lines(
            [
                {"time": stamp, "service": service, "stream": stream, "message": line.decode(errors="replace"), **more}
                for line in data.removesuffix(b"\n").split(b"\n")
            ]
        )

    def event(self, record: EventRecord, output: Sequence[Entry]) -> bytes:
        """Format an event; a service's last lines are the list `output`."""
        event = {
            "time": self._clock.text(record.time) + "Z",
            "service": record.service,
            "event": "state" if "state" in record.fields else "message",
            "level": record.level.value,
            "message": record.text,
            **record.fields,
        }
        if output:
            event["output"] = [entry.message.decode(errors="replace") for entry in output]
        try:
            return self._encoder.encode(event) + b"\n"
        except (TypeError, ValueError):  # a value that JSON cannot hold must not cost the event
            return self._encoder.encode({key: _ascii(value) for key, value in event.items()}) + b"\n"


class RawFormat:
    """The bytes alone; events are apart, in `events` format.

    Nothing is added but one newline where output of another stream would continue an unfinished line.
    """

    mixes_events = False
    repeats_output = True
    chunk_size = BY_THE_CHUNK

    def __init__(self, events: Format) -> None:
        self._events = events
        self.unfinished: tuple[str, str] | None = None
        """The service and the stream whose line is not finished yet."""

    def set_names(self, names: Iterable[str]) -> None:
        """Pass the names on: the events use them."""
        self._events.set_names(names)

    def lines(self, now: float, service: str, stream: str, data: bytes, cut: bool) -> bytes:
        """Return the lines as they are."""
        source = (service, stream)
        if self.unfinished is not None and self.unfinished != source:
            data = b"\n" + data
        self.unfinished = None if data.endswith(b"\n") else source
        return data

    def event(self, record: EventRecord, output: Sequence[Entry]) -> bytes:
        """Format an event."""
        return self._events.event(record, output)


def _ascii(value: object) -> object:
    return value if value is None or (isinstance(value, str) and value.isascii()) else ascii(value)


def prefixed(prefix: bytes, data: bytes, cut: bool) -> bytes:
    """Put `prefix` before each line of `data`, and a newline after the last."""
    if cut:
        data += CUT_MARK
    return prefix + data.removesuffix(b"\n").replace(b"\n", b"\n" + prefix) + b"\n"


def _event_block(prefix: bytes, start: bytes, record: EventRecord, output: Sequence[Entry], end: bytes) -> bytes:
    """Lay out an event and below it, indented, the lines of output that explain it."""
    label = f"{record.level.value}: " if record.level in _LABELLED and "state" not in record.fields else ""
    text = (label + record.text).encode(errors="replace")
    block = [prefix + start + line + end + b"\n" for line in text.split(b"\n")]
    block += [prefix + b"    | " + entry.message + (CUT_MARK if entry.cut else b"") + b"\n" for entry in output]
    return b"".join(block)


_LABELLED = (LogLevel.ERROR, LogLevel.WARNING)
