"""The journal: one order for lines and events, bounded memory, followers that miss nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from asyncinit.config.spec import LogLevel
from asyncinit.core.status import State
from asyncinit.runtime.output.console import Console
from asyncinit.runtime.output.entries import Entry, EventRecord
from asyncinit.runtime.output.format import JsonFormat, PipeFormat, RawFormat
from asyncinit.runtime.output.journal import EVENTS_KEPT, IN_SIGHT, Journal


class Paper:
    """A console that only collects."""

    def __init__(self) -> None:
        self.dropped = 0
        self.text = b""

    def write(
        self, data: bytes, lines: int = 1, important: bool = False, *, source: str | None = None, keep: bool = False
    ) -> None:
        assert data.count(b"\n") == lines
        self.text += data


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def journal(paper: Paper) -> Journal:
    return Journal(cast(Console, paper), PipeFormat(), clock=lambda: 0.0)


def messages(entries: Sequence[Entry]) -> list[bytes]:
    return [entry.message for entry in entries]


def test_order_and_memory(journal: Journal, paper: Paper) -> None:
    """Lines of several services and events share one numbering; each service's last lines can be had, or all merged."""
    journal.lines("web", "stdout", b"w1\nw2\n")
    journal.event("db", "ready")
    journal.lines("db", "stderr", b"d1\n")
    journal.lines("web", "stderr", b"w3")
    assert [line.split(b" ", 1)[1] for line in paper.text.splitlines()] == [
        b"web | w1",
        b"web | w2",
        b"db * ready",
        b"db | d1",
        b"web | w3",
    ]
    assert [entry.cursor for entry in journal.last("web", 2)] == [2, 5]
    assert [entry.stream for entry in journal.last("web", 2)] == ["stdout", "stderr"]
    assert messages(journal.last(None, 10)) == [b"w1", b"w2", b"d1", b"w3"]
    assert messages(journal.last(["db", "web"], 2)) == [b"d1", b"w3"]
    assert messages(journal.since(2)) == [b"d1", b"w3"]
    assert journal.last("unknown", 5) == journal.last(["unknown"], 5) == journal.last(None, 0) == []
    assert journal.cursor == 5


def test_followers(journal: Journal) -> None:
    """A follower gets each line of its services once, in order, until it ends; others are not disturbed."""
    every: list[Entry] = []
    web: list[Entry] = []
    journal.subscribe(None, every.extend)
    end = journal.subscribe({"web"}, web.extend)
    journal.lines("web", "stdout", b"1\n2\n")
    journal.lines("db", "stdout", b"3\n")
    end()
    end()
    journal.lines("web", "stdout", b"4\n")
    assert messages(every) == [b"1", b"2", b"3", b"4"]
    assert [entry.cursor for entry in every] == [1, 2, 3, 4]
    assert messages(web) == [b"1", b"2"]
    assert every == journal.since(0)


def test_follower_that_ends_others(journal: Journal) -> None:
    """A follower may end another one, or itself, while it is told; no one who has ended is called."""
    got: list[str] = []

    def first(batch: Sequence[Entry]) -> None:
        got.append("first")
        end_second()
        end_first()

    end_first = journal.subscribe(None, first)
    end_second = journal.subscribe(None, lambda batch: got.append("second"))
    journal.line("web", "stdout", b"x")
    journal.line("web", "stdout", b"y")
    assert got == ["first"]


def test_broken_follower_is_removed(journal: Journal) -> None:
    """A follower that raises is removed and told of; the others get everything."""
    got: list[bytes] = []

    def broken(batch: Sequence[Entry]) -> None:
        raise RuntimeError("no")

    journal.subscribe(None, broken)
    journal.subscribe(None, lambda batch: got.extend(messages(batch)))
    journal.line("web", "stdout", b"x")
    journal.line("web", "stdout", b"y")
    assert got == [b"x", b"y"]
    assert len([record for record in journal.events() if record.level is LogLevel.ERROR]) == 1


def test_events(journal: Journal) -> None:
    """Events are remembered with their fields, told to followers, filtered by service, and bounded in number."""
    told: list[EventRecord] = []
    journal.subscribe_events(told.append)
    journal.event("web", "ready", fields={"state": State.READY})
    for number in range(EVENTS_KEPT):
        journal.event("db", str(number))
    assert len(told) == EVENTS_KEPT + 1
    assert len(journal.events()) == EVENTS_KEPT
    assert [record.text for record in journal.events(2)] == [str(EVENTS_KEPT - 2), str(EVENTS_KEPT - 1)]
    assert journal.events(5, ["web"]) == []


def test_level(journal: Journal, paper: Paper) -> None:
    """An event beyond the level is not written, but remembered unless it is for debugging; output is always written."""
    journal.set_level(LogLevel.WARNING)
    journal.event(None, "starting")
    journal.event(None, "look out", LogLevel.WARNING)
    journal.line("web", "stdout", b"hello")
    assert not journal.shows(LogLevel.INFO)
    journal.event(None, "detail", LogLevel.DEBUG)
    assert len(paper.text.splitlines()) == 2
    assert [record.text for record in journal.events()] == ["starting", "look out"]


def test_hostile_event_text(journal: Journal, paper: Paper) -> None:
    """Text that quotes a service cannot move the cursor or break the encoding; newlines make further lines."""
    paper.write = lambda data, lines=1, important=False: setattr(paper, "text", data)  # type: ignore[method-assign]
    journal.event("web", "status: \x1b[2J\x9b\udc80 né\nnext")
    assert b"status: ^[[2J?? n\xc3\xa9\n" in paper.text
    assert paper.text.endswith(b"web * next\n")


def test_output_of_a_failure_only_where_it_is_not_in_sight(journal: Journal, paper: Paper) -> None:
    """A failure repeats its service's last lines when others stand between, not when they are right above."""
    journal.lines("web", "stderr", b"before\n")
    journal.started("web")
    journal.lines("web", "stderr", b"cause 1\ncause 2\n")
    journal.event("web", "failed", output=10)
    assert paper.text.count(b"cause") == 2
    for number in range(IN_SIGHT):
        journal.line("db", "stdout", str(number).encode())
    paper.text = b""
    journal.event("web", "failed", output=10)
    assert [line.split(b"* ")[1] for line in paper.text.splitlines()] == [b"failed", b"    | cause 1", b"    | cause 2"]
    journal.started("web")
    paper.text = b""
    journal.event("web", "failed", output=10)
    assert len(paper.text.splitlines()) == 1


def test_output_of_a_failure_that_the_console_dropped(journal: Journal, paper: Paper) -> None:
    """What the console had to drop is not in sight, however near."""
    journal.started("web")
    journal.lines("web", "stderr", b"cause\n")
    paper.dropped = 1
    journal.event("web", "failed", output=10)
    assert paper.text.count(b"cause") == 2


def test_programs_get_the_output_always() -> None:
    """In JSON a failure carries its output; in raw it goes with the event to standard error."""
    for form in (JsonFormat(), RawFormat(PipeFormat())):
        out, err = Paper(), Paper()
        journal = Journal(cast(Console, out), form, events_console=cast(Console, err))
        journal.lines("web", "stderr", b"cause\n")
        journal.event("web", "failed", output=10)
        events = out.text.splitlines()[-1] if form.mixes_events else err.text
        assert b"cause" in events
        assert form.mixes_events or out.text == b"cause\n"


def test_forgotten(journal: Journal) -> None:
    """Nothing is remembered of a service that is forgotten."""
    journal.line("web", "stdout", b"x")
    journal.forget("web")
    assert journal.last("web", 1) == journal.last(None, 1) == []
