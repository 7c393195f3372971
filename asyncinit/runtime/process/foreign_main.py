"""Learn how a main process ends that we did not spawn (MAINPID, a pid file); never makes a status up.

Usually it has become our child, its parent having ended, and the reaper tells. Where it is somebody else's child, its
pidfd becomes readable at its end, and since Linux 6.15 tells the status (PIDFD_INFO_EXIT) once its parent has
collected it; before that the status is unknown.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from msgspec import Struct

from asyncinit.core.status import ExitStatus
from asyncinit.linux.process import pidfd_exit, pidfd_open
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.timers import Timer, Timers

# A parent that collects its children at all does so at once; PIDFD_INFO_EXIT has nothing to say before.
_PATIENCE = 0.05


class ForeignState(Struct):
    """What is carried over a re-exec."""

    pid: int = 0
    pidfd: int = -1


class ForeignMain:
    """The watch over `pid`; `exited` is called once, from the loop, with its status.

    `pidfd` is the one of the program before, where this goes on after a re-exec.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        timers: Timers,
        pid: int,
        exited: Callable[[ExitStatus], None],
        pidfd: int = -1,
    ) -> None:
        self._loop = loop
        self._reaper = reaper
        self._timers = timers
        self._pid = pid
        self._exited: Callable[[ExitStatus], None] | None = exited
        self._timer: Timer | None = None
        self._fd = pidfd
        reaper.expect(pid, self._tell)
        try:
            if self._fd < 0:
                self._fd = pidfd_open(pid)
        except ProcessLookupError:  # it has ended meanwhile, and somebody has collected it
            self._timer = timers.after(0.0, self._ask_kernel)
        except OSError:
            pass  # no pidfds here, or too many files: the reaper tells, or the end of the whole tree
        else:
            loop.add_reader(self._fd, self._ended)

    def freeze(self, keep: Keep) -> ForeignState:
        """Return what is carried over a re-exec."""
        return ForeignState(self._pid, keep(self._fd))

    def tree_gone(self) -> None:
        """Nothing of the service lives: whoever could tell the status has done so by now."""
        if self._exited is not None:
            self._ask_kernel()

    def _ended(self) -> None:
        self._loop.remove_reader(self._fd)
        self._reaper.reap()
        if self._exited is not None:
            self._timer = self._timers.after(_PATIENCE, self._ask_kernel)

    def _ask_kernel(self) -> None:
        self._reaper.reap()
        if self._exited is None:
            return
        try:
            known = pidfd_exit(self._fd) if self._fd >= 0 else None
        except OSError:
            known = None
        self._tell(ExitStatus() if known is None else ExitStatus(known.code, known.signal, known.core_dumped))

    def _tell(self, status: ExitStatus) -> None:
        exited, self._exited = self._exited, None
        self.close()
        if exited is not None:
            exited(status)

    def close(self) -> None:
        """Stop watching; harmless when it is over."""
        self._exited = None
        if self._timer is not None:
            self._timer.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._reaper.unexpect(self._pid)
