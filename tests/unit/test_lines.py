"""Bytes to lines: the same lines however the stream was chopped up, nothing lost, nothing too long."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from asyncinit.runtime.output.lines import LINE_LIMIT, LineSplitter, Segment

SPECIAL = [b"\n", b"\r\n", b"\r", "é".encode(), "日本".encode(), b"\xff", b"\0"]
STREAMS = st.lists(st.one_of(st.binary(max_size=12), st.sampled_from(SPECIAL))).map(b"".join)


def chopped(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


def pieces(segments: list[Segment]) -> list[tuple[bytes, bool]]:
    """Each line (with its newline) or piece of one, and whether it is cut."""
    return [(piece, cut) for data, cut in segments for piece in split(data)]


def split(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def run(splitter: LineSplitter, chunks: list[bytes]) -> list[Segment]:
    found = [segment for chunk in chunks for segment in splitter.feed(chunk)]
    return found + splitter.flush()


@given(STREAMS, st.lists(st.integers(0, 200)), st.integers(1, 20), st.booleans())
def test_chunking_does_not_matter(data: bytes, cuts: list[int], limit: int, crlf: bool) -> None:
    """Any chopping of any bytes gives the same lines as the whole at once, and as one byte at a time."""
    whole = pieces(run(LineSplitter(limit, crlf), [data]))
    assert pieces(run(LineSplitter(limit, crlf), chopped(data, cuts))) == whole
    assert pieces(run(LineSplitter(limit, crlf), [data[i : i + 1] for i in range(len(data))])) == whole


@given(STREAMS, st.lists(st.integers(0, 200)), st.integers(1, 20))
def test_nothing_is_lost_or_too_long(data: bytes, cuts: list[int], limit: int) -> None:
    """The pieces put together are the stream; each is within the limit; only lines above it are cut."""
    found = pieces(run(LineSplitter(limit), chopped(data, cuts)))
    assert b"".join(piece for piece, _ in found) == data
    assert all(len(piece.removesuffix(b"\n")) <= limit for piece, _ in found)
    assert all(not piece.endswith(b"\n") for piece, cut in found if cut)
    lines = data.split(b"\n")
    assert sum(cut for _, cut in found) >= sum(len(line) > limit for line in lines)
    if all(len(line) <= limit for line in lines):
        assert not any(cut for _, cut in found)


@given(st.text(st.sampled_from("aé日😀\n"), max_size=60), st.integers(4, 9), st.lists(st.integers(0, 200)))
def test_characters_stay_whole(text: str, limit: int, cuts: list[int]) -> None:
    """A long line of UTF-8 is never cut within a character."""
    for piece, _ in pieces(run(LineSplitter(limit), chopped(text.encode(), cuts))):
        piece.decode()


def test_many_lines_leave_as_one_piece() -> None:
    """A chunk of short lines costs one segment, not one per line; the rest is held until its newline."""
    splitter = LineSplitter()
    assert splitter.feed(b"one\n" * 5000 + b"tw") == [(b"one\n" * 5000, False)]
    assert splitter.feed(b"o") == []
    assert splitter.feed(b"\n") == [(b"two\n", False)]
    assert splitter.flush() == []


def test_a_line_of_exactly_the_limit_is_whole() -> None:
    """The limit itself is allowed, with and without a newline; one byte more is cut, and the rest follows."""
    line = b"x" * LINE_LIMIT
    assert run(LineSplitter(), [line + b"\n"]) == [(line + b"\n", False)]
    assert run(LineSplitter(), [line]) == [(line, False)]
    assert run(LineSplitter(), [line + b"y\n"]) == [(line, True), (b"y\n", False)]


def test_endless_line_is_bounded() -> None:
    """Ten megabytes without a newline come out in pieces as they go in; never more than a limit is held."""
    splitter = LineSplitter()
    total = 0
    for _ in range(160):
        found = splitter.feed(b"z" * 65536)
        assert all(cut and len(data) == LINE_LIMIT for data, cut in found)
        total += sum(len(data) for data, _ in found)
    assert total > 160 * 65536 - LINE_LIMIT - 1


def test_terminal_line_ends() -> None:
    """CR LF becomes LF also where the two were read apart; a lone CR stays."""
    assert pieces(run(LineSplitter(crlf=True), [b"a\r", b"\nb\rc\r\n", b"d\r"])) == [
        (b"a\n", False),
        (b"b\rc\n", False),
        (b"d", False),
    ]
