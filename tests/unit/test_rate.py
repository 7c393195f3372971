"""Rate limits of output: so many lines in an interval, the rest counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncinit.runtime.output.rate import RateLimit


def test_what_passes_and_what_is_counted() -> None:
    """The first lines of an interval pass, also of one chunk; those that do not are told once, when it is over."""
    limit = RateLimit(3, 10.0)
    assert limit.take(100.0, b"a\nb\n") == b"a\nb\n"
    assert limit.take(101.0, b"c\nd\ne\n") == b"c\n"
    assert limit.take(102.0, b"piece of a line") == b""
    assert limit.ended(109.9) == 0
    assert limit.ended(110.0) == 3
    assert limit.ended(111.0) == 0
    assert limit.take(111.0, b"f\n") == b"f\n"


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 30)), max_size=40))
def test_no_line_is_lost_uncounted(chunks: list[tuple[float, int]]) -> None:
    """What passed and what was told of are all lines; in no interval more than the limit passed."""
    limit, now, passed, told, total = RateLimit(7, 2.0), 0.0, 0, 0, 0
    for pause, count in chunks:
        now += pause
        told += limit.ended(now)
        passed += limit.take(now, b"x\n" * count).count(b"\n")
        total += count
    assert passed + told + limit.ended(now + 3.0) == total
