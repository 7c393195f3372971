"""When probes are asked, and what a pid file says."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.runtime.ready.path_checks import parse_pid
from asyncinit.runtime.ready.readiness import Pauses


def moments(interval: float, count: int) -> list[float]:
    pauses = Pauses(interval)
    return [round(moment, 6) for moment in itertools.accumulate(pauses.following() for _ in range(count))]


def test_probes_are_quick_at_first():
    """Askings come at 0, 50, 100, 200, 400 ms, until a pause is the interval."""
    assert moments(1.0, 8) == [0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.6]
    assert moments(0.02, 4) == [0, 0.02, 0.04, 0.06]


@pytest.mark.parametrize("interval", [0.0, 0.5, 3600.0, math.inf])
def test_pauses_are_always_finite_or_the_interval(interval):
    """No interval makes the pauses vanish, overflow or shrink."""
    pauses = Pauses(interval)
    given_pauses = [pauses.following() for _ in range(2000)]
    assert given_pauses[0] == 0
    assert all(0.01 <= earlier <= later for earlier, later in itertools.pairwise(given_pauses[1:]))


@pytest.mark.parametrize(
    ("data", "pid"), [(b"42", 42), (b" 42 \n", 42), (b"42\n/var/lib/db\n", 42), (b"4194304", 1 << 22)]
)
def test_a_pid_file_holds_a_number_in_its_first_line(data, pid):
    """Blanks around it and lines after it are allowed."""
    assert parse_pid(data) == pid


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n42",
        b"0",
        b"1",
        b"-5",
        b"+5",
        b"4194305",
        b"9" * 60_000,
        b"abc",
        b"4 2",
        b"1_0",
        b"\xff",
        b"\0" * 10,
        "٤٢".encode(),
    ],
)
def test_a_pid_file_that_names_no_process_says_so(data):
    """Garbage, init's own number, and numbers beyond the kernel's are told in words."""
    assert isinstance(parse_pid(data), str)


@given(st.binary(max_size=60))
def test_no_pid_file_makes_it_fail(data):
    """Any bytes give a pid or a text."""
    found = parse_pid(data)
    assert 1 < found <= 1 << 22 if isinstance(found, int) else found.isprintable()
