"""The newest output of one service in bounded memory: whole lines, by the chunk; pure, knows no clock and no sink."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from msgspec import Struct

from asyncinit.runtime.output.entries import Entry

RING_BYTES = 16 * 1024
RING_CHUNKS = 256
"""Chunks in a ring at most: each costs some 200 bytes beside its data, which tiny writes would add up."""


class _Chunk(NamedTuple):
    time: float
    stream: str
    first: int  # cursor of its first line; the others follow one by one
    data: bytes  # whole lines, each with its newline
    cut: bool


class RingState(Struct):
    """What is carried over a re-exec."""

    chunks: list[_Chunk] = []


class Ring:
    """Keep the newest lines of one service, `budget` bytes of them at most; the oldest leave first.

    The newest line is kept in any case (its length has a limit of its own).
    """

    __slots__ = ("_budget", "_chunks", "_service", "_size")

    def __init__(self, service: str, budget: int = RING_BYTES) -> None:
        self._service = service
        self._budget = budget
        self._chunks: deque[_Chunk] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def freeze(self) -> RingState:
        """Return what is carried over a re-exec."""
        return RingState(list(self._chunks))

    def thaw(self, state: RingState) -> None:
        """Take what the program before remembered."""
        self._chunks = deque(state.chunks)
        self._size = sum(len(chunk.data) for chunk in state.chunks)

    def append(self, time: float, stream: str, first: int, data: bytes, cut: bool = False) -> None:
        """Add whole lines that were read at once; `first` is the cursor of the first, they are numbered one by one."""
        chunk = self._newest_lines(_Chunk(time, stream, first, data, cut), self._budget)
        if len(chunk.data) < len(data):  # what came before it would leave a hole
            self._chunks.clear()
            self._size = 0
        self._chunks.append(chunk)
        self._size += len(chunk.data)
        while (self._size > self._budget or len(self._chunks) > RING_CHUNKS) and len(self._chunks) > 1:
            oldest = self._chunks.popleft()
            self._size -= len(oldest.data)
            if self._size < self._budget and len(self._chunks) < RING_CHUNKS:
                rest = self._newest_lines(oldest, self._budget - self._size)
                if len(rest.data) + self._size <= self._budget:
                    self._chunks.appendleft(rest)
                    self._size += len(rest.data)

    @staticmethod
    def _newest_lines(chunk: _Chunk, budget: int) -> _Chunk:
        """Return as many of the chunk's last lines as fit into `budget` bytes, but at least one."""
        data = chunk.data
        if len(data) <= budget:
            return chunk
        start = data.find(b"\n", len(data) - budget - 1) + 1
        if start == len(data):
            start = data.rfind(b"\n", 0, len(data) - 1) + 1
        return chunk._replace(first=chunk.first + data.count(b"\n", 0, start), data=data[start:])

    def after(self, cursor: int) -> list[Entry]:
        """Return the lines whose cursor is greater than `cursor`, oldest first."""
        found: list[Entry] = []
        for chunk in reversed(self._chunks):
            if chunk.first + chunk.data.count(b"\n") - 1 <= cursor:
                break
            found[:0] = [entry for entry in self._entries(chunk) if entry.cursor > cursor]
        return found

    def last(self, count: int, after: int = 0) -> list[Entry]:
        """Return the newest `count` lines (of those after the cursor `after`), oldest first."""
        found: list[Entry] = []
        for chunk in reversed(self._chunks):
            if len(found) >= count:
                break
            found[:0] = self._entries(_last_lines(chunk, count - len(found)))
        return [entry for entry in found if entry.cursor > after]

    def _entries(self, chunk: _Chunk) -> list[Entry]:
        return entries_of(chunk.time, self._service, chunk.stream, chunk.first, chunk.data, cut=chunk.cut)


def _last_lines(chunk: _Chunk, count: int) -> _Chunk:
    start = len(chunk.data)
    for _ in range(count):
        start = chunk.data.rfind(b"\n", 0, start - 1) + 1
        if not start:
            return chunk
    return chunk._replace(first=chunk.first + chunk.data.count(b"\n", 0, start), data=chunk.data[start:])


def entries_of(time: float, service: str, stream: str, first: int, data: bytes, *, cut: bool) -> list[Entry]:
    """Return each line of `data` (whole lines with their newlines) as an entry, numbered from `first`."""
    return [
        Entry(time, service, stream, message, first + number, cut)
        for number, message in enumerate(data[:-1].split(b"\n"))
    ]
