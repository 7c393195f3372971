"""Times, tables and what may reach a terminal."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.cli import screen
from asyncinit.cli.logs import moment_of
from asyncinit.cli.outcome import UsageError
from asyncinit.control.types import timestamp

MOMENTS = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2200, 1, 1))


@given(MOMENTS)
def test_seconds_of_is_the_inverse_of_timestamp(moment: datetime.datetime) -> None:
    """A time goes over the wire and back, to the millisecond."""
    seconds = moment.replace(tzinfo=datetime.UTC).timestamp()
    assert abs(screen.seconds_of(timestamp(seconds)) - seconds) < 0.0011


def test_a_table_is_aligned_and_cut() -> None:
    """Columns stand below each other; the last one is cut where the terminal ends; nothing trails."""
    rows = [("NAME", "STATE", ""), ("web", "ready", "a long remark"), ("database", "failed", "")]
    assert screen.table(rows).splitlines() == [
        "NAME      STATE",
        "web       ready   a long remark",
        "database  failed",
    ]
    assert screen.table(rows, width=24).splitlines()[1] == "web       ready   a lon…"
    coloured = screen.table(rows, colours={1: screen.GREEN}).splitlines()[1]
    assert coloured == "web       \x1b[32mready\x1b[0m   a long remark"


@pytest.mark.parametrize("width", [80, 40, 12, 1])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """The first column gives way, then lines are cut; what is empty gets no mark."""
    rows = [("NAME", "STATE", "PID", ""), ("w" * 40, "ready", "12345", ""), ("web", "failed", "-", "because " * 20)]
    lines = screen.table(rows, width).splitlines()
    assert all(len(line) <= width for line in lines)
    if width >= 40:
        assert lines[0].split() == ["NAME", "STATE", "PID"]
        assert lines[1].split()[1:] == ["ready", "12345"]
        assert lines[2].endswith("…")


def test_control_characters_do_not_reach_the_terminal() -> None:
    """What a service says of itself cannot move the cursor."""
    assert screen.plain("50 %\x1b[2J\n") == "50 % [2J "


NOW = 1795454030.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - 90),
        ("1h30m", NOW - 5400),
        ("1.5m", NOW - 90),
        ("2d", NOW - 172800),
        ("2026-11-23T17:13:50Z", NOW),
        ("2026-11-23T17:13Z", NOW - 50),
        ("2026-11-23T17:13:50.5Z", NOW + 0.5),
    ],
)
def test_since(text: str, expected: float) -> None:
    """Durations count from now, a final Z is UTC."""
    assert moment_of(text, NOW) == pytest.approx(expected)


def test_since_in_local_time() -> None:
    """A time of day is today's, a date begins at midnight."""
    local = datetime.datetime.fromtimestamp(NOW)
    assert moment_of(local.strftime("%H:%M:%S"), NOW) == NOW
    assert moment_of(local.strftime("%Y-%m-%d"), NOW) == local.replace(hour=0, minute=0, second=0).timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "5", "5x", "25", "2026-13-40T1:2", "1..5m", "m", "17:xx"])
def test_since_refuses_the_rest(text: str) -> None:
    """What is no time is refused with examples."""
    with pytest.raises(UsageError):
        moment_of(text, NOW)
