"""asyncinit's own standard output (or error): in order, in bounded memory, at the reader's pace; knows no format.

When the reader is slow, the buffer fills. Then (`held`) the readers of services' pipes pause, so that a reader that is
alive loses nothing; but for HOLD_SECONDS at most, since services must not stand still because a terminal does. After
that the oldest lines are dropped, and where they are missing a line tells how many; asyncinit's own events are kept in
preference. A full disk is tried again, ever less often. A reader that is gone for good (EPIPE, EIO of a hung-up
terminal) ends all writing. Nothing blocks and nothing spins.
"""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from msgspec import Struct

from asyncinit.runtime.output.sink import Sink
from asyncinit.runtime.reexec.keep import Keep

if TYPE_CHECKING:
    import asyncio

BUFFER_LIMIT = 1024 * 1024
HOLD_SECONDS = 1.0
BATCH = 64 * 1024
"""Bytes that are joined for one write."""
TURN = 256 * 1024
"""Bytes written per turn of the loop at most."""
RETRY_SECONDS = 1.0
RETRY_LIMIT = 60.0
"""Waits between attempts on a full disk: doubled from the first to the last."""
FUTILE_SECONDS = 0.01
"""First wait when poll promised room and nothing was taken (a terminal with room for half a line end)."""


class _Flow(Enum):
    FLOWING = "written about as fast as it comes"
    HELD = "the readers of services pause until it flows again"
    STALLED = "nobody reads: the oldest is dropped"


class ConsoleState(Struct):
    """What is carried over a re-exec: what was not written yet. `batch` is on its way, and may begin within a line."""

    batch: bytes = b""
    lines: list[tuple[int, bytes, int]] = []
    events: list[tuple[int, bytes, int]] = []
    order: int = 0
    gap: tuple[int, int] = (0, 0)
    dropped: int = 0


class Console:
    """Write to descriptor `fd` of ours, in order, from a buffer of about `limit` bytes.

    The descriptor itself is neither changed nor closed. All work is done in callbacks of `loop`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, limit: int = BUFFER_LIMIT) -> None:
        self._loop = loop
        self._limit = limit
        self._sink = Sink(loop, fd, self._writable)
        self._lines: deque[tuple[int, bytes, int]] = deque()  # (order, data, number of lines)
        self._events: deque[tuple[int, bytes, int]] = deque()
        self._order = 0
        self._batch = memoryview(b"")  # on its way: never dropped, or a line would end in the middle
        self._pending = 0
        self._gap_lines = self._gap_bytes = 0
        self._flow = _Flow.FLOWING
        self._turn: asyncio.Handle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._retry_delay = RETRY_SECONDS
        self._waiting = self._writing = False
        self._futile = 0  # attempts in a row that wrote nothing
        self.dropped = 0
        """Lines dropped so far."""
        self.notice: Callable[[int, int], bytes] = lambda lines, size: b""
        """Makes the line that stands for a gap, from the number of lines and bytes that were dropped."""
        self.relieved: Callable[[], None] = lambda: None
        """Called when `held` has become false."""

    @property
    def terminal(self) -> bool:
        """Whether this is a terminal."""
        return self._sink.terminal

    @property
    def alive(self) -> bool:
        """Whether what is written may still reach somebody."""
        return not self._sink.closed

    @property
    def pending(self) -> int:
        """Bytes in the buffer."""
        return self._pending

    @property
    def held(self) -> bool:
        """Whether whoever reads from services should pause until `relieved`: the console's reader is slow."""
        return self._flow is _Flow.HELD

    def close(self) -> None:
        """Stop writing, drop what is buffered, release what was opened. Safe to call twice."""
        for handle in (self._turn, self._retry):
            if handle is not None:
                handle.cancel()
        self._turn = self._retry = None
        self._lines.clear()
        self._events.clear()
        self._batch = memoryview(b"")
        self._pending = self._gap_lines = self._gap_bytes = 0
        self._sink.close()
        self._resume()

    def freeze(self, _keep: Keep) -> ConsoleState:
        """Return what is carried over a re-exec."""
        gap = (self._gap_lines, self._gap_bytes)
        return ConsoleState(bytes(self._batch), list(self._lines), list(self._events), self._order, gap, self.dropped)

    def thaw(self, state: ConsoleState) -> None:
        """Go on with what the program before has not written."""
        self.dropped, self._order = state.dropped, state.order
        if self._sink.closed:
            return
        self._batch = memoryview(state.batch)
        self._lines, self._events = deque(state.lines), deque(state.events)
        self._gap_lines, self._gap_bytes = state.gap
        self._pending = len(state.batch) + sum(len(data) for _, data, _ in (*self._lines, *self._events))
        self._hold_if_slow()
        self._schedule()

    # -----------------------------------------------------------------------------------------------------------------
    # In

    def write(self, data: bytes, lines: int = 1, important: bool = False) -> None:
        """Take `data` (whole lines, `lines` of them); it is written by the next turn of the loop, or when it fits.

        `important` data (events) is dropped only when nothing else is left to drop. Never blocks, never raises.
        """
        if not data or self._sink.closed:
            return
        self._order += 1
        (self._events if important else self._lines).append((self._order, data, lines))
        self._pending += len(data)
        if self._pending >= BATCH and not self._waiting and self._retry is None and not self._writing:
            self._write_some()
        self._hold_if_slow()
        # While readers pause, only what is read at an exit and events are added: room for them, but not without end.
        if self._pending > (self._limit if self._flow is _Flow.STALLED else 4 * self._limit):
            self._drop_oldest()
        self._schedule()

    def _hold_if_slow(self) -> None:
        if self._pending > self._limit // 2 and self._flow is _Flow.FLOWING:
            self._flow = _Flow.HELD
            self._stall = self._loop.call_later(HOLD_SECONDS, self._stalled)

    def _drop_oldest(self) -> None:
        """Drop whole entries, the oldest first, events last, never the newest, until half of the limit is pending."""
        for queue in (self._lines, self._events):
            while self._pending > self._limit // 2 and queue and queue[0][0] != self._order:
                _, data, lines = queue.popleft()
                self._pending -= len(data)
                self._gap_lines += lines
                self._gap_bytes += len(data)
                self.dropped += lines

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
                size = self._sink.write(self._batch)
                self._batch = self._batch[size:]
                self._pending -= size
                written += size
        except OSError as error:
            if isinstance(error, BlockingIOError) and not self._sink.direct:
                self._futile = 0 if written else self._futile + 1
                self._wait()
            else:
                self._failed(error)
        self._writing = False
        if written:
            self._retry_delay = RETRY_SECONDS
        if self._flow is not _Flow.FLOWING and self._pending <= (self._limit // 8 if self.held else 0):
            self._resume()

    def _next_batch(self) -> None:
        """Join the oldest entries for one write, with the notice of a gap where something is missing."""
        parts: list[bytes] = []
        size = 0
        while size < BATCH and (self._lines or self._events):
            lines_next = not self._events or (bool(self._lines) and self._lines[0][0] < self._events[0][0])
            if self._gap_lines and lines_next:
                parts.append(self._take_notice())
            data = (self._lines if lines_next else self._events).popleft()[1]
            parts.append(data)
            size += len(data)
        if self._gap_lines and not self._lines:
            parts.append(self._take_notice())
        self._batch = memoryview(b"".join(parts))

    def _take_notice(self) -> bytes:
        notice = self.notice(self._gap_lines, self._gap_bytes)
        self._gap_lines = self._gap_bytes = 0
        self._pending += len(notice)
        return notice

    def _wait(self) -> None:
        if self._futile > 1 and self._sink.poll(0):
            self._retry = self._loop.call_later(min(FUTILE_SECONDS * 2**self._futile, 1.0), self._try_again)
        else:
            self._waiting = True
            self._sink.wait()

    def _failed(self, error: OSError) -> None:
        if not self._sink.direct or error.errno in (errno.EBADF, errno.EPIPE):
            self.close()
            return
        # A full disk, a quota, a failing device: it may get better, and until then the buffer keeps the newest.
        self._retry = self._loop.call_later(self._retry_delay, self._try_again)
        self._retry_delay = min(2 * self._retry_delay, RETRY_LIMIT)

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
            if self._pending == before and self._sink.poll(0):
                time.sleep(min(FUTILE_SECONDS, left))
            else:
                self._sink.poll(left)
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
        held = self.held
        self._flow = _Flow.FLOWING
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if held:
            self.relieved()
