"""The ring: always the newest lines, whole, in order, within its budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncinit.runtime.output.ring import RING_CHUNKS, Ring

LINE = st.binary(max_size=30).map(lambda line: line.replace(b"\n", b""))
CHUNKS = st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.lists(LINE, min_size=1, max_size=6)), max_size=30)


@given(CHUNKS, st.integers(1, 120), st.integers(0, 5))
def test_newest_lines_in_order(chunks: list[tuple[str, list[bytes]]], budget: int, other: int) -> None:
    """What is kept is an unbroken end of what was added, with its numbers and streams, in at most the budget."""
    ring = Ring("web", budget)
    added: list[tuple[int, str, bytes]] = []
    cursor = 0
    for time, (stream, lines) in enumerate(chunks):
        cursor += 1 + other  # lines of other services have numbers between
        ring.append(float(time), stream, cursor, b"".join(line + b"\n" for line in lines))
        added += [(cursor + number, stream, line) for number, line in enumerate(lines)]
        cursor += len(lines) - 1
        kept = [(entry.cursor, entry.stream, entry.message) for entry in ring.last(1000)]
        assert kept
        assert kept == added[-len(kept) :]
        size = sum(len(line) + 1 for _, _, line in kept)
        assert size == len(ring)
        assert size <= budget or len(kept) == 1
    for count in (0, 1, 3):
        expected = added[-count:] if count else []
        found = [entry.cursor for entry in ring.last(count)]
        assert found == [number for number, _, _ in expected][-len(found) :] if found else not count or not added
    for after in range(0, cursor + 2, 3):
        found = [entry.cursor for entry in ring.after(after)]
        kept_cursors = [entry.cursor for entry in ring.last(1000)]
        assert found == [number for number in kept_cursors if number > after]
        assert [entry.cursor for entry in ring.last(1000, after)] == found


def test_tiny_writes_are_bounded_too() -> None:
    """Many one-byte lines do not add up beyond the number of chunks."""
    ring = Ring("web")
    for number in range(10 * RING_CHUNKS):
        ring.append(0.0, "stdout", number, b"\n")
    assert len(ring.last(10**6)) == RING_CHUNKS
