"""Hear when the kernel has changed a file of a cgroup; knows no service, and not what the files say.

poll(2) tells it by POLLPRI, which no reader of the loops asks for (see `runtime.watching`).

Carried over a re-exec: nothing, whoever watches begins again.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable
from functools import partial

from asyncinit.linux import cgroups
from asyncinit.runtime.watching import Watching

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
        self._watching = Watching(loop)
        self._watches: set[Watch] = set()

    def watch(self, folder: str, file: str, changed: Changed) -> Watch:
        """Have `changed` called in a later turn of the loop whenever the file changes; return what `end` takes.

        Raises OSError where there is no such file, or no descriptor is left.
        """
        watch = Watch(os.open(f"{folder}/{file}", os.O_RDONLY | os.O_CLOEXEC), changed)
        self._watches.add(watch)
        try:
            self._watching.begin(watch.fd, select.EPOLLPRI, partial(self._look, watch))
            os.pread(watch.fd, 1, 0)  # what was changed before is no news
        except OSError:
            self.end(watch)
            raise
        return watch

    def end(self, watch: Watch) -> None:
        """Watch it no more; harmless where that is so already."""
        if watch.fd < 0:
            return
        self._watches.remove(watch)
        self._watching.end(watch.fd)
        os.close(watch.fd)
        watch.fd = -1

    def close(self) -> None:
        """Give back everything."""
        for watch in list(self._watches):
            self.end(watch)

    def _look(self, watch: Watch) -> None:
        try:
            text = cgroups.read_open(watch.fd)
        except OSError:
            self.end(watch)  # the cgroup was removed
        else:
            watch.changed(text)
