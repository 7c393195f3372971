"""The lines by which a simple init reports whom it has reaped."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncinit.core.status import ExitStatus
from asyncinit.runtime.sandbox.report import Ended, parse


def test_each_kind_of_end() -> None:
    """A code, a signal, a signal with a core dump."""
    ended, rest = parse(b"2 3 0 0\n17 0 9 0\n4194303 0 11 1\n5 0 0 0\n")
    assert ended == [
        Ended(2, ExitStatus(3)),
        Ended(17, ExitStatus(signal=9)),
        Ended(4194303, ExitStatus(signal=11, core_dumped=True)),
        Ended(5, ExitStatus(0)),
    ]
    assert rest == b""


@given(st.lists(st.tuples(st.integers(1, 1 << 22), st.integers(0, 255)), max_size=20), st.data())
def test_wherever_it_is_cut(ends: list[tuple[int, int]], data: st.DataObject) -> None:
    """Lines that arrive in parts are the same lines."""
    text = b"".join(b"%d %d 0 0\n" % end for end in ends)
    cut = data.draw(st.integers(0, len(text)))
    first, rest = parse(text[:cut])
    second, nothing = parse(rest + text[cut:])
    assert first + second == [Ended(inner, ExitStatus(code)) for inner, code in ends]
    assert nothing == b""


@given(st.binary(max_size=300))
def test_nonsense_tells_nothing_and_is_not_kept(noise: bytes) -> None:
    """Whatever is written there raises nothing and does not pile up; a good line after it is understood."""
    _, rest = parse(noise)
    assert len(rest) <= 100
    ended, _ = parse(rest + b"\n7 0 15 0\n")
    assert ended[-1] == Ended(7, ExitStatus(signal=15))
