"""Replies without end: lines and events to clients that follow them, in batches, each at its own pace.

Knows what goes out, not whence it comes. A client that reads too slowly loses the oldest that it has not got, and is
told how many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec

from asyncinit.runtime.control.connection import Call

T = TypeVar("T")

BATCH_ITEMS = 256
BATCH_BYTES = 256 * 1024
BATCH_SECONDS = 0.05
"""What one reply carries at most, and how long it is collected."""

HELD_ITEMS = 4096
HELD_BYTES = 1 << 20
"""What is kept at most for a client that does not take it."""


class Stream(Generic[T]):
    """Send items to one client: first a backlog, then what `push` brings, until the client is gone.

    `encode` makes a reply of a batch, the number that was dropped before it, and whether the backlog ends with it;
    `size` tells an item's bytes. The first item after a quiet time leaves at once; then items are collected for
    BATCH_SECONDS. Without `follow` the last batch of the backlog is the last reply. The first reply comes at once, if
    empty: its client then knows that it follows. `ends` are called when it is over.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        call: Call,
        encode: Callable[[list[T], int, bool], msgspec.Struct],
        size: Callable[[T], int],
    ) -> None:
        self._loop = loop
        self._call = call
        self._encode = encode
        self._size = size
        self._backlog: deque[T] = deque()
        self._held: deque[T] = deque()
        self._held_bytes = 0
        self._dropped = 0
        self._follow = True
        self._quiet_since = 0.0
        self._timer: asyncio.Handle | None = None
        self._begun = False
        self.ends: list[Callable[[], None]] = []

    def begin(self, backlog: Iterable[T], follow: bool) -> None:
        """Send the backlog, then what was pushed since, and go on if `follow`."""
        self._backlog.extend(backlog)
        self._follow = follow
        self._begun = True
        self._call.patient = True
        self._call.on_cancel = self.close
        self._call.on_end = self._finish
        self._send_batch()

    @property
    def begun(self) -> bool:
        """Whether anything was sent."""
        return self._begun

    def send_all(self) -> None:
        """Send all that was taken, as much as it may be: to be called before the client is carried over a re-exec."""
        while (self._backlog or self._held) and not self._call.is_done:
            self._send_batch()

    def push(self, item: T) -> None:
        """Take a new item."""
        self._held.append(item)
        self._held_bytes += self._size(item)
        while len(self._held) > HELD_ITEMS or (self._held_bytes > HELD_BYTES and len(self._held) > 1):
            self._held_bytes -= self._size(self._held.popleft())
            self._dropped += 1
        if self._begun and self._timer is None and self._call.connection.output_size == 0:
            # Never at once: what else this turn of the loop brings belongs into the same batch.
            wait = self._quiet_since + BATCH_SECONDS - self._loop.time()
            if wait > 0:
                self._timer = self._loop.call_later(wait, self._on_timer)
            else:
                self._timer = self._loop.call_soon(self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._flush()

    def _flush(self) -> None:
        """Send the next batch if the client has taken the one before; its taking this one calls for the next."""
        if self._call.is_done or self._call.connection.output_size:
            return
        if self._backlog or self._held:
            self._send_batch()

    def _send_batch(self) -> None:
        batch = self._take(self._backlog)
        if not self._backlog:
            live = self._take(self._held, len(batch), sum(map(self._size, batch)))
            self._held_bytes -= sum(map(self._size, live))
            batch += live
        more = self._follow or bool(self._backlog)
        dropped, self._dropped = self._dropped, 0
        self._quiet_since = self._loop.time()
        # The next batch must not come from within this reply: it would be sent before this turn's other work.
        self._call.on_drained = None
        self._call.reply(self._encode(batch, dropped, not self._backlog), continues=more)
        if not more:
            self.close()
        elif not self._call.is_done and self._call.connection.output_size:
            self._call.on_drained = self._flush
        elif not self._call.is_done and (self._backlog or self._held) and self._timer is None:
            self._timer = self._loop.call_soon(self._on_timer)

    def _finish(self) -> None:
        """The server ends: what was still being collected is the last that the client gets."""
        self._follow = False
        self._flush()

    def _take(self, queue: deque[T], count: int = 0, size: int = 0) -> list[T]:
        batch: list[T] = []
        while queue and count + len(batch) < BATCH_ITEMS and size < BATCH_BYTES:
            batch.append(queue.popleft())
            size += self._size(batch[-1])
        return batch

    def close(self) -> None:
        """Stop: the client is gone, or has all; calls the `ends`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for end in self.ends:
            end()
        self.ends.clear()
        self._backlog.clear()
        self._held.clear()
