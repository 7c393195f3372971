"""The formats: who, when and what, readable by people in text and by programs in JSON, unchanged in raw."""

from __future__ import annotations

import json

import pytest

from asyncinit.config.spec import LogFormat, LogLevel
from asyncinit.core.status import State
from asyncinit.runtime.output.entries import Entry, EventRecord
from asyncinit.runtime.output.format import Format, JsonFormat, PipeFormat, RawFormat, TerminalFormat, choose

NOON = 1795435200.0  # 2026-11-23T12:00:00Z
COLOURS = {"TERM": "xterm-256color"}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def event(text: str, level: LogLevel = LogLevel.INFO, service: str | None = "web", **fields: object) -> EventRecord:
    return EventRecord(NOON, 7, service, text, level, fields)


def test_pipe() -> None:
    """In a pipe: RFC 3339 UTC with milliseconds, name, line; bytes that are not UTF-8 as they are."""
    form = PipeFormat()
    assert form.lines(NOON + 0.0125, "web", "stdout", b"one\ntwo \xff\0\n", False) == (
        b"2026-11-23T12:00:00.012Z web | one\n2026-11-23T12:00:00.012Z web | two \xff\0\n"
    )
    assert form.lines(NOON, "web", "stdout", b"\n", False) == b"2026-11-23T12:00:00.000Z web | \n"
    assert form.lines(NOON, "web", "stdout", b"partial", False) == b"2026-11-23T12:00:00.000Z web | partial\n"
    assert form.lines(NOON, "web", "stdout", b"long", True) == b"2026-11-23T12:00:00.000Z web | long [cut]\n"
    assert form.event(event("ready", state=State.READY), ()) == b"2026-11-23T12:00:00.000Z web * ready\n"
    assert form.event(event("no", LogLevel.ERROR, None), ()) == b"2026-11-23T12:00:00.000Z asyncinit * error: no\n"


def test_time_goes_backwards() -> None:
    """A clock that is set back, before 1970 even, is shown as it is; the cached second does not stick."""
    form = PipeFormat()
    stamps = [
        form.lines(now, "web", "stdout", b"x\n", False).split(b" ")[0]
        for now in (NOON + 0.999999, NOON + 1, NOON - 3600, NOON + 1.5, -0.25)
    ]
    assert stamps == [
        b"2026-11-23T12:00:00.999Z",
        b"2026-11-23T12:00:01.000Z",
        b"2026-11-23T11:00:00.000Z",
        b"2026-11-23T12:00:01.500Z",
        b"1969-12-31T23:59:59.750Z",
    ]


def test_terminal_columns() -> None:
    """Names stand in a column as wide as the longest; text of several lines and output below an event are aligned."""
    form = TerminalFormat(False)
    form.set_names(["web", "a-long-database"])
    assert form.lines(NOON, "web", "stderr", b"one\ntwo\n", False) == (
        b"12:00:00.000 web             | one\n12:00:00.000 web             | two\n"
    )
    last = [Entry(NOON, "web", "stderr", b"Traceback\x07", 1), Entry(NOON, "web", "stderr", b"x", 2, True)]
    assert form.event(event("failed: exited with 3\nsee there", state=State.FAILED), last) == (
        b"12:00:00.000 web             * failed: exited with 3\n"
        b"12:00:00.000 web             * see there\n"
        b"12:00:00.000 web             *     | Traceback^G\n"
        b"12:00:00.000 web             *     | x [cut]\n"
    )


def test_names_beyond_the_column_do_not_move_the_others() -> None:
    """A name that is too long, or was never announced, sticks out alone."""
    form = TerminalFormat(False)
    form.set_names(["web", "n" * 60])
    assert form.lines(NOON, "web", "stdout", b"x\n", False).index(b"|") == 13 + 40 + 1
    assert form.lines(NOON, "n" * 60, "stdout", b"x\n", False).index(b"|") == 13 + 60 + 1
    assert b" unknown " in form.lines(NOON, "unknown", "stdout", b"x\n", False)


def test_colours_are_stable_and_end() -> None:
    """A service keeps its colour when the configuration changes; whatever a service colours ends with its line."""
    form = TerminalFormat(True)
    form.set_names(["web", "db"])
    before = form.lines(NOON, "db", "stdout", b"x\n", False)
    form.set_names(["cache", "db"])
    assert form.lines(NOON, "db", "stdout", b"x\n", False) == before
    assert form.lines(NOON, "cache", "stdout", b"x\n", False)[:30] != before[:30]
    assert form.lines(NOON, "db", "stdout", b"\x1b[41mloud\n", False).endswith(b"\x1b[41mloud\x1b[0m\n")
    red = form.event(event("failed", state=State.FAILED), ())
    green = form.event(event("ready", state=State.READY), ())
    assert b"\x1b[31mfailed\x1b[0m\n" in red
    assert b"\x1b[32mready\x1b[0m\n" in green


def test_json() -> None:
    """JSON: one object a line; what is not UTF-8 becomes U+FFFD; an event carries its fields and its output."""
    form = JsonFormat()
    lines = form.lines(NOON, "web", "stderr", b'quote " tab\t\n\xff\n\n', False).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"time": "2026-11-23T12:00:00.000Z", "service": "web", "stream": "stderr", "message": message}
        for message in ('quote " tab\t', "\ufffd", "")
    ]
    assert json.loads(form.lines(NOON, "web", "stdout", b"part", True))["cut"] is True
    output = [Entry(NOON, "web", "stdout", b"o\xff", 1)]
    told = json.loads(form.event(event("failed", state=State.FAILED, pid=3), output))
    assert told == {
        "time": "2026-11-23T12:00:00.000Z",
        "service": "web",
        "event": "state",
        "level": "info",
        "message": "failed",
        "state": "failed",
        "pid": 3,
        "output": ["o\ufffd"],
    }
    assert json.loads(form.event(event("hello", service=None), ()))["event"] == "message"


def test_json_event_of_any_value() -> None:
    """A field that JSON cannot hold does not cost the event."""
    form = JsonFormat()
    assert json.loads(form.event(event("x", detail=object(), bad="\udc80"), ()))["message"] == "x"


def test_raw_is_unchanged() -> None:
    """Raw: the bytes alone; a newline is added only where another stream would continue an unfinished line."""
    form = RawFormat(PipeFormat())
    out = b"".join(
        [
            form.lines(NOON, "web", "stdout", b"{}\n\xff\n", False),
            form.lines(NOON, "web", "stdout", b"part", True),
            form.lines(NOON, "web", "stdout", b"ial", False),
            form.lines(NOON, "web", "stderr", b"other\n", False),
            form.lines(NOON, "web", "stdout", b"again\n", False),
        ]
    )
    assert out == b"{}\n\xff\npartial\nother\nagain\n"
    assert not form.mixes_events
    assert form.event(event("ready"), ()) == b"2026-11-23T12:00:00.000Z web * ready\n"


@pytest.mark.parametrize(
    ("log_format", "terminal", "environment", "kind", "coloured"),
    [
        (LogFormat.AUTO, False, COLOURS, PipeFormat, False),
        (LogFormat.AUTO, True, COLOURS, TerminalFormat, True),
        (LogFormat.TEXT, True, {**COLOURS, "NO_COLOR": "1"}, TerminalFormat, False),
        (LogFormat.TEXT, True, {**COLOURS, "NO_COLOR": ""}, TerminalFormat, True),
        (LogFormat.TEXT, True, {"TERM": "dumb"}, TerminalFormat, False),
        (LogFormat.JSON, True, COLOURS, JsonFormat, False),
        (LogFormat.RAW, False, {}, RawFormat, False),
    ],
)
def test_choice(
    log_format: LogFormat, terminal: bool, environment: dict[str, str], kind: type[Format], coloured: bool
) -> None:
    """The format follows the setting and what stands at the other end; NO_COLOR and TERM=dumb take colours away."""
    form = choose(log_format, terminal, environment)
    assert isinstance(form, kind)
    assert (b"\x1b" in form.event(event("ready", state=State.READY), ())) is coloured
