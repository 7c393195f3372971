"""The text of notifications."""

from __future__ import annotations

import errno
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncinit.runtime.ready.notify_message import STATUS_LIMIT, Announced, Message, parse_message

KEYS = [b"READY", b"RELOADING", b"STOPPING", b"STATUS", b"MAINPID", b"ERRNO", b"BARRIER", b"X_OWN", b""]
KEYS += [b"WATCHDOG", b"WATCHDOG_USEC", b"EXTEND_TIMEOUT_USEC"]
LINES = st.tuples(st.sampled_from(KEYS), st.sampled_from([b"=", b"", b"=="]), st.binary(max_size=20)).map(b"".join)


def test_a_message_is_read_key_by_key():
    """Each known key is understood, and what is unknown or no assignment is ignored."""
    data = b"READY=1\nSTATUS=serving 3 sites\nMAINPID=42\nERRNO=2\nX_OWN=1\nnonsense\n\nFDSTORE=1\n"
    assert parse_message(data) == Message(Announced.READY, "serving 3 sites", 42, 2)


def test_signs_of_life_and_times():
    """They may come beside anything else; microseconds become seconds, 0 and systemd's infinity no watchdog."""
    assert parse_message(b"WATCHDOG=1\nSTATUS=x") == Message(status="x", alive=True)
    assert parse_message(b"WATCHDOG=trigger") == Message(broken=True)
    assert parse_message(b"WATCHDOG=2") == Message()
    assert parse_message(b"WATCHDOG_USEC=1500000") == Message(watchdog_interval=1.5)
    assert parse_message(b"WATCHDOG_USEC=0") == Message(watchdog_interval=math.inf)
    assert parse_message(b"WATCHDOG_USEC=%d" % (2**64 - 1)) == Message(watchdog_interval=math.inf)
    assert parse_message(b"EXTEND_TIMEOUT_USEC=250000") == Message(extend=0.25)


@pytest.mark.parametrize("key", ["WATCHDOG_USEC", "EXTEND_TIMEOUT_USEC"])
@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"5s", b"9" * 60_000, b"\xd9\xa3"])
def test_times_that_are_none_are_a_problem(key, value):
    """What is no number of microseconds is told and not taken."""
    message = parse_message(key.encode() + b"=" + value)
    assert (message.watchdog_interval, message.extend) == (None, None)
    assert len(message.problem) < 200 and key in message.problem


@pytest.mark.parametrize(
    ("data", "announced"),
    [
        (b"READY=1\nRELOADING=1", Announced.RELOADING),
        (b"RELOADING=1\nREADY=1", Announced.READY),
        (b"READY=1\nSTOPPING=1\n", Announced.STOPPING),
        (b"READY=1\nREADY=0", Announced.READY),
        (b"READY=0", None),
        (b"READY=11", None),
        (b"READY =1", None),
        (b"ready=1", None),
        (b"READY=1\r\n", None),
    ],
)
def test_the_last_state_in_a_message_counts(data, announced):
    """A message tells one state, the last one, and only the value 1 says so."""
    assert parse_message(data).announced is announced


def test_the_last_value_of_a_key_counts():
    """A key that is given twice has its last value."""
    message = parse_message(b"STATUS=a\nMAINPID=2\nSTATUS=b\nMAINPID=3")
    assert (message.status, message.main_pid) == ("b", 3)


@pytest.mark.parametrize(
    "value", [b"", b"0", b"-1", b"+5", b" 5", b"1_0", b"4194305", b"9" * 60_000, b"abc", b"\xd9\xa3", b"5\x00"]
)
def test_a_main_pid_that_is_none_is_a_problem(value):
    """What is no process id is told and not taken."""
    message = parse_message(b"MAINPID=" + value)
    assert message.main_pid is None
    assert len(message.problem) < 200 and "MAINPID" in message.problem


@pytest.mark.parametrize(
    ("value", "number"),
    [(b"0", 0), (b"4095", 4095), (b"4096", None), (b"ENOENT", errno.ENOENT), (b"ENOTHING", None), (b"E\xff", None)],
)
def test_errno_is_a_number_or_a_name(value, number):
    """ERRNO is understood within the kernel's range, and by name."""
    assert parse_message(b"ERRNO=" + value).errno == number


def test_a_status_is_one_printable_line_of_bounded_length():
    """Escape sequences, control characters, broken UTF-8 and length do no harm."""
    assert parse_message(b"STATUS=\x1b[31mred\x1b[0m\x07 \xff\xe2\x80\xae!").status == "red  \ufffd !"
    long = parse_message(b"STATUS=" + b"x" * 60_000).status
    assert long is not None and len(long) <= STATUS_LIMIT and long.endswith("...")
    assert parse_message(b"STATUS=").status == ""
    assert parse_message(b"STATUS=a=b").status == "a=b"


def test_a_message_of_lines_alone_ends_soon():
    """What comes after a thousand lines is not read, and what comes before is."""
    message = parse_message(b"READY=1\n" + b"MAINPID=x\n" * 6000 + b"STOPPING=1")
    assert message.announced is Announced.READY


@given(st.one_of(st.binary(max_size=200), st.lists(LINES, max_size=20).map(b"\n".join)))
@example(b"\x00")
def test_no_bytes_make_it_fail(data):
    """Any bytes give a message whose values are within their bounds."""
    message = parse_message(data)
    assert message.status is None or (message.status.isprintable() and len(message.status) <= STATUS_LIMIT)
    assert message.main_pid is None or message.main_pid > 0
    assert message.errno is None or 0 <= message.errno <= 4095
    assert message.problem.isprintable()
