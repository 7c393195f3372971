"""Tell once when one of some sockets becomes readable, and leave the sockets as they are; knows no service.

The loops' own readers are not for sockets that we share with a service (see `runtime.watching`).

Carried over a re-exec: nothing, whoever watches begins again.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Iterable
from functools import partial

from asyncinit.runtime.watching import Watching


class Watch:
    """The sockets that are watched; holds one descriptor while there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watching = Watching(loop)

    def begin(self, fds: Iterable[int], callback: Callable[[], None]) -> None:
        """Call `callback` when one of `fds` is readable, once for each unless `end` comes first.

        Raises OSError where the kernel lacks the means; `end` is called then, too.
        """

        def came(fd: int) -> None:
            self._watching.end(fd)
            callback()

        for fd in fds:
            self._watching.begin(fd, select.EPOLLIN, partial(came, fd))

    def end(self, fds: Iterable[int]) -> None:
        """Watch `fds` no more; harmless for those that are not watched."""
        for fd in fds:
            self._watching.end(fd)
