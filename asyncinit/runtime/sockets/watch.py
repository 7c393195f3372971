"""Tell once when one of some sockets becomes readable, and leave the sockets as they are; knows no service.

The loops' own readers are not for sockets that we share: uvloop's set O_NONBLOCK, and the service, whose descriptor is
of the same open file, would find it set. So they are watched by an epoll of our own, which the loop watches.

Carried over a re-exec: nothing, whoever watches begins again.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Iterable


class Watch:
    """The sockets that are watched; holds one descriptor while there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll: select.epoll | None = None
        self._callbacks: dict[int, Callable[[], None]] = {}

    def begin(self, fds: Iterable[int], callback: Callable[[], None]) -> None:
        """Call `callback` when one of `fds` is readable, once for each unless `end` comes first.

        Raises OSError where the kernel lacks the means; `end` is called then, too.
        """
        if self._epoll is None:
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._look)
        for fd in fds:
            self._epoll.register(fd, select.EPOLLIN)
            self._callbacks[fd] = callback

    def end(self, fds: Iterable[int]) -> None:
        """Watch `fds` no more; harmless for those that are not watched."""
        for fd in fds:
            if self._callbacks.pop(fd, None) is not None and self._epoll is not None:
                self._epoll.unregister(fd)
        if not self._callbacks and self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _look(self) -> None:
        if self._epoll is None:
            return
        ready = [(fd, self._callbacks[fd]) for fd, _ in self._epoll.poll(0)]
        self.end(fd for fd, _ in ready)
        for _, callback in ready:
            callback()
