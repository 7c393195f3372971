"""asyncinit's own standard output (or error): written without ever blocking, in bounded memory; knows no format.

The descriptor may be shared: a terminal with a shell and with CMD, a pipe with other writers. O_NONBLOCK belongs to the
open file description, so it is never set on what others use:

- a pipe or terminal is opened anew by /proc/self/fd/N: a description of our own, non-blocking;
- where that is refused (another user's terminal), a write is made only when poll says so, of a size that then fits, and
  with RWF_NOWAIT where the kernel has it for pipes;
- a socket is written with MSG_DONTWAIT;
- a file, /dev/null and whatever cannot be polled is written directly; a full disk is tried again, ever less often.

When the reader is slow, the buffer fills. Then (`held`) the readers of services' pipes pause, so that a reader that is
alive loses nothing; but for HOLD_SECONDS at most, since services must not stand still because a terminal does. After
that the oldest lines are dropped, and where they are missing a line tells how many; asyncinit's own events are kept in
preference. A reader that is gone for good (EPIPE, EIO of a hung-up terminal) ends all writing; nothing spins.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

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
_TERMINAL_ROOM = 256
"""What a terminal takes at once when poll says it is writable (the kernel's WAKEUP_CHARS)."""


class _Kind(Enum):
    OWN = "a description of our own, non-blocking"
    SHARED = "a pipe or terminal whose description others use"
    SOCKET = "a socket"
    DIRECT = "a file or a device that is always writable"


class _Flow(Enum):
    FLOWING = "written about as fast as it comes"
    HELD = "the readers of services pause until it flows again"
    STALLED = "nobody reads: the oldest is dropped"


class Console:
    """Write to descriptor `fd` of ours, in order, from a buffer of about `limit` bytes.

    The descriptor itself is neither changed nor closed. All work is done in callbacks of `loop`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, limit: int = BUFFER_LIMIT) -> None:
        self._loop = loop
        self._limit = limit
        self._lines: deque[tuple[int, bytes, int]] = deque()  # (order, data, number of lines)
        self._events: deque[tuple[int, bytes, int]] = deque()
        self._order = 0
        self._batch = memoryview(b"")  # on its way: never dropped, or a line would end in the middle
        self._pending = 0
        self._gap_lines = self._gap_bytes = 0
        self._flow = _Flow.FLOWING
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._retry_delay = RETRY_SECONDS
        self._waiting = False
        self._epoll: select.epoll | None = None
        self._socket: socket.socket | None = None
        self._no_wait_flag = getattr(os, "RWF_NOWAIT", 0)
        self.dropped = 0
        """Lines dropped so far."""
        self.notice: Callable[[int, int], bytes] = lambda lines, size: b""
        """Makes the line that stands for a gap, from the number of lines and bytes that were dropped."""
        self.relieved: Callable[[], None] = lambda: None
        """Called when `held` has become false."""
        self._fd = -1
        self._kind = _Kind.DIRECT
        self.terminal = False
        try:
            self._open(fd)
        except OSError:  # closed, or no descriptor left for us: output is for memory only
            self._fd = -1

    @property
    def alive(self) -> bool:
        """Whether what is written may still reach somebody."""
        return self._fd >= 0

    @property
    def pending(self) -> int:
        """Bytes in the buffer."""
        return self._pending

    @property
    def held(self) -> bool:
        """Whether whoever reads from services should pause until `relieved`: the console's reader is slow."""
        return self._flow is _Flow.HELD

    # -----------------------------------------------------------------------------------------------------------------
    # Opening

    def _open(self, fd: int) -> None:
        mode = os.fstat(fd).st_mode
        self.terminal = os.isatty(fd)
        if stat.S_ISSOCK(mode):
            self._kind = _Kind.SOCKET
            self._socket = socket.socket(fileno=os.dup(fd))
            self._fd = self._socket.fileno()
        elif self.terminal or stat.S_ISFIFO(mode):
            self._kind = _Kind.OWN
            try:
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
                self._fd = os.open(f"/proc/self/fd/{fd}", flags)
            except OSError:
                self._kind = _Kind.SHARED
                self._fd = os.dup(fd)
        else:
            self._fd = os.dup(fd)
        if self._kind is _Kind.DIRECT:
            return
        # A set of our own between the descriptor and the loop: uvloop makes every descriptor that it watches
        # non-blocking, which would reach all users of a shared description.
        self._epoll = select.epoll()
        self._loop.add_reader(self._epoll.fileno(), self._writable)

    def close(self) -> None:
        """Stop writing, drop what is buffered, release what was opened. Safe to call twice."""
        for handle in (self._turn, self._timer, self._retry):
            if handle is not None:
                handle.cancel()
        self._turn = self._timer = self._retry = None
        self._lines.clear()
        self._events.clear()
        self._batch = memoryview(b"")
        self._pending = 0
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        elif self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._resume()

    # -----------------------------------------------------------------------------------------------------------------
    # In

    def write(self, data: bytes, lines: int = 1, important: bool = False) -> None:
        """Take `data` (whole lines, `lines` of them); it is written by the next turn of the loop, or when it fits.

        `important` data (events) is dropped only when nothing else is left to drop. Never blocks, never raises.
        """
        if self._fd < 0 or not data:
            return
        self._order += 1
        (self._events if important else self._lines).append((self._order, data, lines))
        self._pending += len(data)
        if self._pending >= BATCH and not self._waiting and self._retry is None:
            self._write_some()
        if self._pending > self._limit // 2 and self._flow is _Flow.FLOWING:
            self._flow = _Flow.HELD
            self._timer = self._loop.call_later(HOLD_SECONDS, self._stalled)
        # While readers pause, only what is read at an exit and events are added: room for them, but not without end.
        if self._pending > (self._limit if self._flow is _Flow.STALLED else 4 * self._limit):
            self._drop_oldest(self._limit // 2)
        self._schedule()

    def _drop_oldest(self, keep: int) -> None:
        """Drop whole entries, the oldest first, events last, never the newest, until `keep` bytes are pending."""
        for queue in (self._lines, self._events):
            while self._pending > keep and queue and queue[0][0] != self._order:
                _, data, lines = queue.popleft()
                self._pending -= len(data)
                self._gap_lines += lines
                self._gap_bytes += len(data)
                self.dropped += lines

    def _schedule(self) -> None:
        if self._pending and not self._waiting and self._turn is None and self._retry is None and self._fd >= 0:
            self._turn = self._loop.call_soon(self._take_turn)

    # -----------------------------------------------------------------------------------------------------------------
    # Out

    def _take_turn(self) -> None:
        self._turn = None
        self._write_some()
        self._schedule()

    def _writable(self) -> None:
        if self._epoll is not None:
            self._epoll.poll(0)  # takes the event: it is one-shot
        self._waiting = False
        self._write_some()
        self._schedule()

    def _write_some(self) -> None:
        """Write up to TURN bytes, or until the descriptor takes no more; then see to it that we are called again."""
        written = 0
        try:
            while self._pending + self._gap_lines and written < TURN:
                if not self._batch:
                    self._next_batch()
                if not self._batch:
                    break
                size = self._put(self._batch)
                self._batch = self._batch[size:]
                self._pending -= size
                written += size
        except BlockingIOError:
            self._wait()
        except OSError as error:
            self._failed(error)
        if written:
            self._retry_delay = RETRY_SECONDS
        self._look_at_flow()

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

    def _put(self, data: memoryview) -> int:
        """Write some of `data` without blocking; return how much, or raise BlockingIOError."""
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        if self._kind is not _Kind.SHARED:
            return os.write(self._fd, data)
        if not _is_writable(self._fd, 0):
            raise BlockingIOError
        if self.terminal:
            return os.write(self._fd, data[:_TERMINAL_ROOM])
        # Between poll and write another writer may fill the pipe: RWF_NOWAIT closes that gap where the kernel has it.
        if self._no_wait_flag:
            try:
                return os.pwritev(self._fd, [data[: select.PIPE_BUF]], -1, self._no_wait_flag)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESPIPE):
                    raise
                self._no_wait_flag = 0
        return os.write(self._fd, data[: select.PIPE_BUF])

    def _wait(self) -> None:
        """Have `_writable` called once the descriptor takes more."""
        if self._epoll is None or self._waiting:
            return
        events = select.EPOLLOUT | select.EPOLLONESHOT
        try:
            self._epoll.modify(self._fd, events)
        except FileNotFoundError:
            self._epoll.register(self._fd, events)
        self._waiting = True

    def _failed(self, error: OSError) -> None:
        if self._kind is not _Kind.DIRECT or error.errno in (errno.EBADF, errno.EPIPE):
            self.close()
            return
        # A full disk, a quota, a failing one: it may get better, and until then the buffer holds the newest.
        self._retry = self._loop.call_later(self._retry_delay, self._try_again)
        self._retry_delay = min(2 * self._retry_delay, RETRY_LIMIT)

    def _try_again(self) -> None:
        self._retry = None
        self._write_some()
        self._schedule()

    # -----------------------------------------------------------------------------------------------------------------
    # Flow

    def _stalled(self) -> None:
        self._timer = None
        self._flow = _Flow.STALLED
        if self._pending > self._limit:
            self._drop_oldest(self._limit // 2)
        self.relieved()

    def _look_at_flow(self) -> None:
        if self._flow is not _Flow.FLOWING:
            enough = self._limit // 8 if self._flow is _Flow.HELD else 0
            if self._pending <= enough:
                self._resume()

    def _resume(self) -> None:
        held = self.held
        self._flow = _Flow.FLOWING
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if held:
            self.relieved()

    def flush(self, seconds: float) -> bool:
        """Write all that is buffered, blocking for up to `seconds`; return whether nothing is left.

        For the very end, when the loop does not run any more.
        """
        deadline = time.monotonic() + seconds
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        while self._pending and self._fd >= 0:
            self._waiting = False
            self._write_some()
            left = deadline - time.monotonic()
            if not self._pending or left <= 0 or self._retry is not None or self._fd < 0:
                break
            _is_writable(self._fd, left)
        return not self._pending


def _is_writable(fd: int, seconds: float) -> bool:
    """Tell whether a write to `fd` would do something (or fail) now or within `seconds`."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(int(seconds * 1000 + 0.999)))
