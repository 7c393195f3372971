"""Hear when the kernel has changed a file of a cgroup; knows no service, and not what the files say.

poll(2) tells it by POLLPRI; the loops' readers ask for POLLIN, which such a file always has. So an epoll of our own
watches the files, and the loop watches that. Nothing is polled, and nobody is woken while nothing happens.

Carried over a re-exec: nothing, whoever watches begins again.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable

from asyncinit.linux import cgroups

Changed = Callable[[str], None]
"""Is given the text of the file as it is now."""


class Events:
    """The files that are watched; holds a descriptor for each, and one for all."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll: select.epoll | None = None
        self._callbacks: dict[int, Changed] = {}

    def watch(self, folder: str, file: str, changed: Changed) -> int:
        """Have `changed` called in a later turn of the loop whenever the file changes; return what `end` takes.

        Raises OSError where there is no such file, or no descriptor is left.
        """
        fd = os.open(f"{folder}/{file}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if self._epoll is None:
                self._epoll = select.epoll()
                self._loop.add_reader(self._epoll.fileno(), self._look)
            self._epoll.register(fd, select.EPOLLPRI)
            os.pread(fd, 1, 0)  # what was changed before is no news
        except OSError:
            os.close(fd)
            raise
        self._callbacks[fd] = changed
        return fd

    def end(self, fd: int) -> None:
        """Watch it no more; harmless for one that is not watched."""
        if self._callbacks.pop(fd, None) is not None:
            os.close(fd)  # with it goes its place in the epoll set

    def close(self) -> None:
        """Give back everything."""
        for fd in list(self._callbacks):
            self.end(fd)
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _look(self) -> None:
        if self._epoll is None:
            return
        for fd, _ in self._epoll.poll(0):
            changed = self._callbacks.get(fd)
            if changed is None:
                continue  # ended by a callback just now
            try:
                text = cgroups.read_open(fd)
            except OSError:
                self.end(fd)  # the cgroup was removed
            else:
                changed(text)
