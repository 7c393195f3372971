"""The pipes to services that read others' output: held open over restarts of either side, so that nothing is lost.

What the reading service (the logger) has not read yet stays in the pipe, for its next process. A producer that writes
nowhere else gets the writing end itself. At the shutdown the producers are down first; then our own writing end is
closed, and the logger reads what is left and the end behind it, before it gets its stop signal.

Carried over a re-exec: both ends of each pipe.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct, field

from asyncinit.runtime.output.buffer import Buffer, BufferState
from asyncinit.runtime.output.sink import Sink
from asyncinit.runtime.reexec.keep import Keep

if TYPE_CHECKING:
    import asyncio

LOOK_SECONDS = 0.01
LOOK_LIMIT = 0.1
"""How often it is looked whether a logger has read all, in a shutdown: no event tells that a pipe is empty."""
END_SECONDS = 1.0
"""So long a logger that has read all gets to end by itself, before its stop signal."""
_MODE = 0o666


class LoggerPipe:
    """The pipe to one logger: `reader` is its standard input, `writer` is for producers; `buffer` for copies."""

    def __init__(self, loop: asyncio.AbstractEventLoop, state: PipeState | None = None) -> None:
        self._loop = loop
        if state is None:
            self.reader, self.writer = os.pipe2(os.O_CLOEXEC)
            # /dev/stdout and /dev/stdin shall open by their paths for users on both sides; nobody else reaches it.
            os.fchmod(self.writer, _MODE)
        else:
            self.reader, self.writer = state.reader, state.writer
        writer = self.writer
        self.buffer = Buffer(loop, lambda writable: Sink(loop, writer, writable))
        if state is not None:
            self.buffer.thaw(state.buffer)
        self._ending: _Ending | None = None

    @property
    def unread(self) -> int:
        """Bytes that the logger has not read."""
        if self.reader < 0:
            return 0
        return int(struct.unpack("i", fcntl.ioctl(self.reader, termios.FIONREAD, b"\0" * 4))[0])

    @property
    def drained(self) -> bool:
        """Whether the logger has read all that was written so far."""
        return not self.buffer.pending and not self.unread

    def end_input(self, done: Callable[[], None]) -> Callable[[], None]:
        """Let the logger read what is left and then the end; return what calls that off.

        `done` is called when it has had END_SECONDS to end by itself after that. It never is while something is left:
        whoever waits has a deadline of his own.
        """
        self._ending = _Ending(self._loop, self, done)
        return self._ending.cancel

    def close_writing(self) -> None:
        """Close our own writing end: the producers' copies are the last."""
        self.buffer.close()
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Give everything back; what was not read is lost."""
        if self._ending is not None:
            self._ending.cancel()
        self.close_writing()
        if self.reader >= 0:
            os.close(self.reader)
            self.reader = -1

    def freeze(self, keep: Keep) -> PipeState:
        """Return what is carried over a re-exec."""
        return PipeState(keep(self.reader), keep(self.writer), self.buffer.freeze(keep))


class PipeState(Struct):
    """A `LoggerPipe` as it is carried over a re-exec."""

    reader: int = -1
    writer: int = -1
    buffer: BufferState = field(default_factory=BufferState)


class _Ending:
    """The wait for a logger to read all and end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pipe: LoggerPipe, done: Callable[[], None]) -> None:
        self._loop = loop
        self._pipe = pipe
        self._done: Callable[[], None] | None = done
        self._wait = LOOK_SECONDS
        self._timer: asyncio.Handle = loop.call_soon(self._look)

    def cancel(self) -> None:
        self._done = None
        self._timer.cancel()

    def _look(self) -> None:
        if not self._pipe.buffer.pending:
            self._pipe.close_writing()
            if not self._pipe.unread:
                self._timer = self._loop.call_later(END_SECONDS, self._end)
                return
        self._timer = self._loop.call_later(self._wait, self._look)
        self._wait = min(2 * self._wait, LOOK_LIMIT)

    def _end(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done()
