"""Have a callback called when poll(2) says something of a descriptor, and leave the descriptor as it is.

The loops' own readers ask for POLLIN alone, and uvloop's set O_NONBLOCK, which whoever shares the open file would find
set. So an epoll of our own watches the descriptors, and the loop watches that. Nothing is polled, and nobody is woken
while nothing happens. Knows nothing of what is watched.

Carried over a re-exec: nothing, whoever watches begins again.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable


class Watching:
    """The descriptors that are watched; holds one more while there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll: select.epoll | None = None
        self._callbacks: dict[int, Callable[[], None]] = {}

    def begin(self, fd: int, mask: int, callback: Callable[[], None]) -> None:
        """Call `callback` in a turn of the loop whenever one of `mask` is true of `fd`, until `end`.

        Raises OSError where the kernel lacks the means.
        """
        if self._epoll is None:
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._look)
        self._callbacks[fd] = callback
        try:
            self._epoll.register(fd, mask)
        except OSError:
            del self._callbacks[fd]
            self._release()
            raise

    def end(self, fd: int) -> None:
        """Watch `fd` no more, before it is closed; harmless where it is not watched."""
        if self._callbacks.pop(fd, None) is not None and self._epoll is not None:
            # To close it is not enough: a child that was forked just now has the same open file.
            self._epoll.unregister(fd)
        self._release()

    def _release(self) -> None:
        if not self._callbacks and self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _look(self) -> None:
        if self._epoll is None:
            return
        for fd, _ in self._epoll.poll(0):
            callback = self._callbacks.get(fd)
            if callback is not None:  # else ended by another just now
                callback()
