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


class Watch:
    """A file that is watched: its descriptor, -1 when it is no more, and who is told."""

    __slots__ = ("changed", "fd")

    def __init__(self, fd: int, changed: Changed) -> None:
        self.fd = fd
        self.changed = changed


class Events:
    """The files that are watched; holds a descriptor for each, and one for all."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll: select.epoll | None = None
        self._watches: dict[int, Watch] = {}

    def watch(self, folder: str, file: str, changed: Changed) -> Watch:
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
        watch = self._watches[fd] = Watch(fd, changed)
        return watch

    def end(self, watch: Watch) -> None:
        """Watch it no more; harmless where that is so already."""
        if watch.fd < 0:
            return
        del self._watches[watch.fd]
        if self._epoll is not None:
            # To close it is not enough: a child that was forked just now has the same open file.
            self._epoll.unregister(watch.fd)
        os.close(watch.fd)
        watch.fd = -1

    def close(self) -> None:
        """Give back everything."""
        for watch in list(self._watches.values()):
            self.end(watch)
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _look(self) -> None:
        if self._epoll is None:
            return
        for fd, _ in self._epoll.poll(0):
            watch = self._watches.get(fd)
            if watch is None:
                continue  # ended by a callback just now
            try:
                text = cgroups.read_open(fd)
            except OSError:
                self.end(watch)  # the cgroup was removed
            else:
                watch.changed(text)
