"""Bytes to lines: cuts a stream into whole lines, by the chunk; pure, knows neither descriptors nor formats.

Lines are not taken apart here: a chunk of a thousand lines leaves as one piece, so that a flood costs a few searches
and no Python code per line. How the stream was chopped up by the reads never changes the lines that come out.
"""

from __future__ import annotations

from typing import NamedTuple

LINE_LIMIT = 16 * 1024
"""Bytes of a line (without its newline) after which it is cut."""


class Segment(NamedTuple):
    """Whole lines, each with its newline; or one piece without a newline.

    Such a piece is the beginning of a line that was too long (`cut`), or what the stream ended with.
    """

    data: bytes
    cut: bool = False


class LineSplitter:
    """Cut one stream into lines; an unfinished line is held until its newline comes or `flush` is called.

    A line of more than `limit` bytes comes in pieces of at most that size (never within a UTF-8 character), all but the
    last marked as `cut`: nothing is lost. With `crlf`, a terminal's CR LF becomes LF.
    """

    __slots__ = ("_held", "_limit", "crlf")

    def __init__(self, limit: int = LINE_LIMIT, crlf: bool = False) -> None:
        self._limit = limit
        self.crlf = crlf
        self._held = bytearray()

    @property
    def held(self) -> bytes:
        """The unfinished line."""
        return bytes(self._held)

    @held.setter
    def held(self, data: bytes) -> None:
        self._held = bytearray(data)

    def feed(self, data: bytes) -> list[Segment]:
        """Take the next bytes of the stream; return what is complete now, in order."""
        if self._held:
            if len(self._held) + len(data) <= self._limit and b"\n" not in data:
                self._held += data
                return []
            data = bytes(self._held) + data
            self._held.clear()
        segments: list[Segment] = []
        start = position = 0
        while True:
            # The window holds whole lines of legal length up to its last newline: one search covers them all.
            newline = data.rfind(b"\n", position, position + self._limit + 1)
            if newline >= 0:
                position = newline + 1
                continue
            if len(data) - position <= self._limit:
                break
            if start < position:
                segments.append(self._lines(data[start:position]))
            start = self._boundary(data, position)
            segments.append(Segment(data[position:start], cut=True))
            position = start
        if start < position:
            segments.append(self._lines(data[start:position]))
        self._held += data[position:]
        return segments

    def flush(self) -> list[Segment]:
        """Return the unfinished line, if there is one: the stream has ended, or nothing more is expected soon."""
        rest = bytes(self._held.removesuffix(b"\r") if self.crlf else self._held)
        self._held.clear()
        return [Segment(rest)] if rest else []

    def _lines(self, data: bytes) -> Segment:
        return Segment(data.replace(b"\r\n", b"\n") if self.crlf else data)

    def _boundary(self, data: bytes, position: int) -> int:
        """Return where to cut the line at `position`: at the limit, or up to 3 bytes before: never in a character."""
        end = position + self._limit
        for back in range(min(4, self._limit)):
            if data[end - back] & 0xC0 != 0x80:
                return end - back
        return end
