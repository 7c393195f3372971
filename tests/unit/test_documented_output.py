"""What docs/reference/output.md claims is what the formats do."""

from __future__ import annotations

import calendar
import json
import time

from asyncinit.config.spec import LogFormat, LogLevel
from asyncinit.core.status import State
from asyncinit.runtime import announcer
from asyncinit.runtime.output import buffer
from asyncinit.runtime.output import capture as output
from asyncinit.runtime.output.entries import STDERR, STDOUT, Entry, EventRecord
from asyncinit.runtime.output.format import CUT_MARK, JsonFormat, PipeFormat, TerminalFormat, _Clock, choose
from asyncinit.runtime.output.journal import Journal
from tests.support import ROOT
from tests.unit.reference_world import codes, subjects, tables, words

PAGE = "reference/output.md"
NOON = calendar.timegm((2026, 11, 23, 12, 0, 0)) + 0.1235
TEXT = (ROOT / "docs" / PAGE).read_text()
STATE = {"state": State.READY, "from": State.STARTING, "reason": None, "pid": 12}


def event(text: str, level: LogLevel = LogLevel.INFO, service: str | None = "web", **fields: object) -> EventRecord:
    return EventRecord(NOON + 0.001, 2, service, text, level, fields)


def test_the_formats_are_those_of_the_code() -> None:
    """Each that can be chosen is described."""
    assert [words(row[0])[0] for row in tables(PAGE, "Formats")[0].rows] == [str(kind) for kind in LogFormat]


def test_the_example_of_a_pipe_is_what_is_written() -> None:
    """Byte for byte."""
    form = PipeFormat()
    ready = event("ready (pid 12, after 35 ms)", **STATE)
    written = form.lines(NOON, "web", STDOUT, b"listening on port 8080\n", False) + form.event(ready, [])
    assert codes(PAGE, "Formats")[1] == written.decode()


def test_the_example_of_a_terminal_is_what_is_written() -> None:
    """Byte for byte, without colour and in UTC."""
    form = TerminalFormat(colour=False)
    form._clock = _Clock(time.gmtime, "%H:%M:%S")
    ready = event("ready (pid 12, after 35 ms)", **STATE)
    written = form.lines(NOON, "web", STDOUT, b"listening on port 8080\n", False) + form.event(ready, [])
    assert codes(PAGE, "Formats")[0] == written.decode()


def test_the_levels_are_those_of_the_code() -> None:
    """From the fewest words to the most."""
    assert subjects(tables(PAGE, "What asyncinit says")[0]) == [level.value for level in LogLevel]


def test_a_line_of_json_has_the_keys_of_the_page() -> None:
    """No more, and no less when it was cut."""
    found = json.loads(JsonFormat().lines(NOON, "web", STDERR, b"a piece", True))
    assert list(found) == subjects(tables(PAGE, "JSON")[0])
    assert found["cut"] is True
    assert "cut" not in json.loads(JsonFormat().lines(NOON, "web", STDERR, b"whole\n", False))


def test_an_event_of_json_has_the_keys_of_the_page() -> None:
    """All kinds of event together have them all, and no other."""
    last = [Entry(NOON, "web", STDOUT, b"bye", 1)]
    events = [
        JsonFormat().event(event("failed", LogLevel.ERROR, **STATE), last),
        JsonFormat().event(event("lost", LogLevel.WARNING, service=None, dropped=3), []),
        JsonFormat().event(event("down", service=None, shutdown=[], exit_status=0), []),
        JsonFormat().event(event("handed over", handover="begun", pid=1, other_pid=2), []),
    ]
    keys = {key for text in events for key in json.loads(text)}
    assert keys == {word for row in tables(PAGE, "JSON")[1].rows for word in words(row[0])}
    assert [json.loads(text)["event"] for text in events] == ["state", "message", "message", "message"]


def test_the_notice_of_a_gap_is_what_is_written() -> None:
    """Word for word."""

    class Silent:
        dropped = 0

        def write(self, *_arguments: object, **_named: object) -> None:
            """Nobody reads."""

    journal = Journal(Silent(), PipeFormat(), clock=lambda: NOON)  # type: ignore[arg-type]
    assert journal._dropped_on_console(312, 20480).decode() == codes(PAGE, "Limits")[0]


def test_no_colour_is_as_the_page_says() -> None:
    """NO_COLOR counts when it is not empty, and TERM must name a terminal that can."""
    coloured = {
        "NO_COLOR set": choose(LogFormat.AUTO, True, {"NO_COLOR": "1", "TERM": "xterm"}),
        "NO_COLOR empty": choose(LogFormat.AUTO, True, {"NO_COLOR": "", "TERM": "xterm"}),
        "no TERM": choose(LogFormat.AUTO, True, {}),
        "dumb": choose(LogFormat.AUTO, True, {"TERM": "dumb"}),
    }
    assert [name for name, form in coloured.items() if b"\x1b" in form.lines(NOON, "web", STDOUT, b"x\n", False)] == [
        "NO_COLOR empty"
    ]


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    """Those that stand in sentences, where no table is made."""
    rows, columns = output.TERMINAL_SIZE
    assert f"{rows} lines and {columns} columns" in TEXT
    assert announcer._LAST_LINES == 10 and "its last ten lines" in TEXT
    assert f"after {buffer.RETRY_SECONDS:g} s and then" in TEXT
    assert buffer.RETRY_LIMIT == 60 and "up to every minute" in TEXT
    assert f"ends in `{CUT_MARK.decode()}`" in TEXT
