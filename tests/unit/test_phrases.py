"""Numbers and names as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.core.phrases import duration, few, ordinal, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.035, "35 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (1.0, "1 s"),
        (2.54, "2.5 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (61.0, "1 min 1 s"),
        (200.0, "3 min 20 s"),
        (3599.6, "1 h"),
        (3600.0 * 4 + 300, "4 h 5 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """As people write them, and never 60 of anything."""
    assert duration(seconds) == text


@given(st.floats(0, 10**7))
def test_a_duration_is_short(seconds: float) -> None:
    """Whatever it is, it has at most two parts, none of which is a whole one of the next."""
    parts = duration(seconds).split()
    assert len(parts) in {2, 4}
    assert ("60", "s") not in zip(parts[::2], parts[1::2], strict=True)
    assert ("60", "min") not in zip(parts[::2], parts[1::2], strict=True)


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and 1 more")],
)
def test_a_few_names(names: list[str], text: str) -> None:
    """Two are named, of more the others are counted."""
    assert few(names) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "first"), (10, "tenth"), (11, "11th"), (12, "12th"), (21, "21st"), (22, "22nd"), (103, "103rd"), (0, "0th")],
)
def test_ordinals(number: int, text: str) -> None:
    """Small ones are words."""
    assert ordinal(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (120 << 20, "120 MiB"),
        (2 << 30, "2.0 GiB"),
        (5000 << 30, "5000 GiB"),
    ],
)
def test_sizes(number: int, text: str) -> None:
    """In units of 1,024, and never four digits of one but of the largest."""
    assert size(number) == text
