"""Output on its way to where it goes: in order, in bounded memory, at the taker's pace; knows no format and no place.

When the taker is slow, the buffer fills. Then (`held`) the readers of services' pipes pause, so that a taker that is
alive loses nothing; but for HOLD_SECONDS at most, since services must not stand still because of their logs. After that
the oldest lines are dropped and counted, and where they are missing a line tells how many. What is to be kept (of
services that chose to wait: they pause until it flows again) and asyncinit's own events are not dropped for the lines
of others. A failure that may pass, as of a full disk, is tried again, ever less often. One that does not (a reader that
is gone) ends all writing. Nothing blocks and nothing spins.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from asyncinit.runtime.output.writer import Writer
from asyncinit.runtime.reexec.keep import Keep

if TYPE_CHECKING:
    import asyncio

BUFFER_LIMIT = 1024 * 1024
HARD_LIMIT = 4
"""Times that: what is read although readers pause (at an exit), and events, end here."""
HOLD_SECONDS = 1.0
BATCH = 64 * 1024
"""Bytes that are joined for one write."""
TURN = 256 * 1024
"""Bytes written per turn of the loop at most."""
RETRY_SECONDS = 1.0
RETRY_LIMIT = 60.0
"""Waits between attempts after a failure: doubled from the first to the last."""
FUTILE_SECONDS = 0.01
"""First wait when poll promised room and nothing was taken (a terminal with room for half a line end)."""


class Piece(NamedTuple):
    """Some lines of one source, in their place in the order of all."""

    order: int
    data: bytes
    lines: int
    source: str | None


class BufferState(Struct):
    """What is carried over a re-exec: what was not written yet. `batch` is on its way, and may begin within a line."""

    batch: bytes = b""
    lines: list[Piece] = []
    events: list[Piece] = []
    order: int = 0
    gap: tuple[int, int] = (0, 0)
    dropped: int = 0
    kept: list[Piece] = []


class _Flow(Enum):
    FLOWING = "written about as fast as it comes"
    HELD = "the readers of services pause until it flows again"
    STALLED = "nobody reads: the oldest is dropped"


class Buffer:
    """Hand what is written to a writer, in order, from about `limit` bytes of memory.

    `writer` makes the writer, and is given what that calls when it can write again. All work is done in callbacks of
    `loop`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        writer: Callable[[Callable[[], None]], Writer],
        limit: int = BUFFER_LIMIT,
        retry_limit: float = RETRY_LIMIT,
    ) -> None:
        self._loop = loop
        self._limit = limit
        self._retry_limit = retry_limit
        self._writer = writer(self._writable)
        self._lines: deque[Piece] = deque()
        self._events: deque[Piece] = deque()
        self._kept: deque[Piece] = deque()
        self._queues = (self._lines, self._events, self._kept)
        self._order = 0
        self._batch = memoryview(b"")  # on its way: never dropped, or a line would end in the middle
        self._pending = 0
        self._gap_lines = self._gap_bytes = 0
        self._flow = _Flow.FLOWING
        self._turn: asyncio.Handle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._retry_delay = RETRY_SECONDS
        self._waiting = self._writing = self._finishing = False
        self._futile = 0  # attempts in a row that wrote nothing
        self.dropped = 0
        """Lines dropped so far."""
        self.trouble: OSError | None = None
        """Why nothing can be written now, where that is a failure."""
        self.notice: Callable[[int, int], bytes] = lambda lines, size: b""
        """Makes the line that stands for a gap, from the number of lines and bytes that were dropped."""
        self.relieved: Callable[[], None] = lambda: None
        """Called when `held` or `blocked` has become false."""
        self.lost: Callable[[str, int], None] = lambda source, lines: None
        """Told whose lines were dropped, and how many."""
        self.dropping: Callable[[], None] = lambda: None
        """Told when the first line since the last notice is dropped."""
        self.troubled: Callable[[OSError | None], None] = lambda trouble: None
        """Told when `trouble` begins and ends."""

    @property
    def alive(self) -> bool:
        """Whether what is written may still reach somebody."""
        return not self._writer.closed

    @property
    def pending(self) -> int:
        """Bytes in the buffer."""
        return self._pending

    @property
    def held(self) -> bool:
        """Whether whoever reads from services should pause until `relieved`: the taker is slow."""
        return self._flow is _Flow.HELD

    @property
    def blocked(self) -> bool:
        """Whether who would rather wait than lose a line should pause until `relieved`."""
        return self._flow is not _Flow.FLOWING

    @property
    def unwritten(self) -> int:
        """How many lines are in the buffer."""
        return bytes(self._batch).count(b"\n") + sum(piece.lines for queue in self._queues for piece in queue)

    def finish(self) -> None:
        """Close once all is written: nobody writes to it any more."""
        self._finishing = True
        if not self._pending:
            self.close()

    def close(self) -> None:
        """Stop writing, drop what is buffered, release what was opened. Safe to call twice."""
        for handle in (self._turn, self._retry):
            if handle is not None:
                handle.cancel()
        self._turn = self._retry = None
        for queue in self._queues:
            queue.clear()
        self._batch = memoryview(b"")
        self._pending = self._gap_lines = self._gap_bytes = 0
        self._writer.close()
        self._resume()

    # -----------------------------------------------------------------------------------------------------------------
    # In

    def write(
        self, data: bytes, lines: int = 1, important: bool = False, *, source: str | None = None, keep: bool = False
    ) -> None:
        """Take `data` (whole lines, `lines` of them); it is written by the next turn of the loop, or when it fits.

        `important` data (events) is dropped only when no other lines are left to drop. `keep`: of a `source` that
        pauses while `blocked`, and so is not dropped for others. Never blocks, never raises.
        """
        if not data or self._writer.closed:
            return
        self._order += 1
        queue = self._events if important else self._kept if keep else self._lines
        queue.append(Piece(self._order, data, lines, source))
        self._pending += len(data)
        if self._pending >= BATCH and not self._waiting and self._retry is None and not self._writing:
            self._write_some()
        self._hold_if_slow()
        # While readers pause, only what is read at an exit and events are added: room for them, but not without end.
        if self._pending > (self._limit if self._flow is _Flow.STALLED else HARD_LIMIT * self._limit):
            self._drop_oldest()
        self._schedule()

    def _hold_if_slow(self) -> None:
        if self._pending > self._limit // 2 and self._flow is _Flow.FLOWING:
            self._flow = _Flow.HELD
            self._stall = self._loop.call_later(HOLD_SECONDS, self._stalled)

    def _drop_oldest(self) -> None:
        """Drop the oldest, never the newest, until half of the limit is pending: lines, events, at last what is kept.

        What is kept is only dropped beyond the hard limit, where nothing else is left.
        """
        self._drop(self._lines, self._limit // 2)
        self._drop(self._events, self._limit // 2 + sum(len(piece.data) for piece in self._kept))
        self._drop(self._kept, HARD_LIMIT * self._limit)

    def _drop(self, queue: deque[Piece], until: int) -> None:
        while self._pending > until and queue and queue[0].order != self._order:
            piece = queue.popleft()
            self._pending -= len(piece.data)
            first = not self._gap_lines
            self._gap_lines += piece.lines
            self._gap_bytes += len(piece.data)
            self.dropped += piece.lines
            if piece.source is not None:
                self.lost(piece.source, piece.lines)
            if first:
                self.dropping()

    def _schedule(self) -> None:
        if self._pending and not self._waiting and self._turn is None and self._retry is None:
            self._turn = self._loop.call_soon(self._take_turn)

    # -----------------------------------------------------------------------------------------------------------------
    # Out

    def _take_turn(self) -> None:
        self._turn = None
        self._write_some()
        self._schedule()

    def _writable(self) -> None:
        self._waiting = False
        self._write_some()
        self._schedule()

    def _try_again(self) -> None:
        self._retry = None
        self._write_some()
        self._schedule()

    def _write_some(self) -> None:
        """Write up to TURN bytes, or until no more is taken; then see to it that we are called again."""
        written = 0
        self._writing = True
        try:
            while self._pending and written < TURN:
                if not self._batch:
                    self._next_batch()
                size = self._writer.write(self._batch)
                self._batch = self._batch[size:]
                self._pending -= size
                written += size
        except OSError as error:
            if isinstance(error, BlockingIOError) and not self._writer.direct:
                self._futile = 0 if written else self._futile + 1
                self._wait()
            else:
                self._failed(error)
        self._writing = False
        if written:
            self._retry_delay = RETRY_SECONDS
            if self._retry is None:
                self._set_trouble(None)
        if self._flow is not _Flow.FLOWING and self._pending <= (self._limit // 8 if self.held else 0):
            self._resume()
        if self._finishing and not self._pending:
            self.close()

    def _next_batch(self) -> None:
        """Join the oldest entries for one write, with the notice of a gap where something is missing."""
        parts: list[bytes] = []
        size = 0
        while size < BATCH and (queue := self._oldest()) is not None:
            if self._gap_lines and queue is not self._events:
                parts.append(self._take_notice())
            data = queue.popleft().data
            parts.append(data)
            size += len(data)
        if self._gap_lines and not (self._lines or self._kept):
            parts.append(self._take_notice())
        self._batch = memoryview(b"".join(parts))

    def _oldest(self) -> deque[Piece] | None:
        """Return the queue whose first entry is the oldest of all."""
        if not (self._events or self._kept):
            return self._lines or None
        filled = [queue for queue in self._queues if queue]
        return min(filled, key=_first_order)

    def _take_notice(self) -> bytes:
        notice = self.notice(self._gap_lines, self._gap_bytes)
        self._gap_lines = self._gap_bytes = 0
        self._pending += len(notice)
        return notice

    def _wait(self) -> None:
        if self._futile > 1 and self._writer.poll(0):
            self._retry = self._loop.call_later(min(FUTILE_SECONDS * 2**self._futile, 1.0), self._try_again)
        else:
            self._waiting = True
            self._writer.wait()

    def _failed(self, error: OSError) -> None:
        if not self._writer.passes(error):
            self.close()
            return
        # A full disk, a quota, a failing device: it may get better, and until then the buffer keeps the newest.
        self._retry = self._loop.call_later(self._retry_delay, self._try_again)
        self._retry_delay = min(2 * self._retry_delay, self._retry_limit)
        self._set_trouble(error)

    def _set_trouble(self, trouble: OSError | None) -> None:
        before, self.trouble = self.trouble, trouble
        if (before is None) is not (trouble is None):
            self.troubled(trouble)

    def retry(self) -> None:
        """Try again at once: there is reason to think that what failed has passed."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry_delay = RETRY_SECONDS
            self._try_again()

    # -----------------------------------------------------------------------------------------------------------------
    # At the end

    def freeze(self, _keep: Keep) -> BufferState:
        """Return what is carried over a re-exec."""
        gap = (self._gap_lines, self._gap_bytes)
        lines, events, kept = (list(queue) for queue in self._queues)
        return BufferState(bytes(self._batch), lines, events, self._order, gap, self.dropped, kept)

    def thaw(self, state: BufferState) -> None:
        """Go on with what the program before has not written."""
        self.dropped, self._order = state.dropped, state.order
        if self._writer.closed:
            return
        self._batch = memoryview(state.batch)
        for queue, pieces in zip(self._queues, (state.lines, state.events, state.kept), strict=True):
            queue.extend(pieces)
        self._gap_lines, self._gap_bytes = state.gap
        self._pending = len(state.batch) + sum(len(piece.data) for queue in self._queues for piece in queue)
        self._hold_if_slow()
        self._schedule()

    def flush(self, seconds: float) -> bool:
        """Write all that is buffered, blocking for up to `seconds`; return whether nothing is left.

        For the very end, when the loop does not run any more.
        """
        deadline = time.monotonic() + seconds
        while self._pending:
            self._waiting = False
            self._futile = 0
            if self._retry is not None:
                self._retry.cancel()
                self._retry = None
            before = self._pending
            self._write_some()
            left = deadline - time.monotonic()
            if not self._pending or left <= 0 or self._retry is not None:
                break
            if self._pending == before and self._writer.poll(0):
                time.sleep(min(FUTILE_SECONDS, left))
            else:
                self._writer.poll(left)
        return not self._pending

    # -----------------------------------------------------------------------------------------------------------------
    # Flow

    def _stalled(self) -> None:
        self._stall = None
        self._flow = _Flow.STALLED
        if self._pending > self._limit:
            self._drop_oldest()
        self.relieved()

    def _resume(self) -> None:
        blocked = self.blocked
        self._flow = _Flow.FLOWING
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if blocked:
            self.relieved()


def _first_order(queue: deque[Piece]) -> int:
    return queue[0].order
