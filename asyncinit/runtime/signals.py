"""Read the signals that asyncinit gets and hand them over with their sender; decides nothing.

They were blocked by the entry module's first statement and are read from a signalfd, where none overflows and none is
handled in the middle of something. SIGCHLD only says "look": it goes to the reaper, after the others of the same read,
so that a storm of ending children does not hold up a SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from asyncinit.linux.signals import CATCHABLE, SignalInfo, read_signals, signalfd


class SignalSource:
    """All signals of the process: `handle` gets each but SIGCHLD, `reap` is called for that."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, handle: Callable[[SignalInfo], None], reap: Callable[[], None]
    ) -> None:
        # An ignored SIGCHLD, inherited over exec, would have the kernel reap our children and lose their statuses.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._loop = loop
        self._handle = handle
        self._reap = reap
        self._fd = signalfd(CATCHABLE)
        loop.add_reader(self._fd, self._readable)
        # Children that ended before we listened: their SIGCHLD may have been taken by an earlier program.
        loop.call_soon(reap)

    def _readable(self) -> None:
        ended = False
        for info in read_signals(self._fd):
            if info.number == signal.SIGCHLD:
                ended = True
            else:
                self._handle(info)
        if ended:
            self._reap()

    def close(self) -> None:
        """Stop reading; the signals stay blocked."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


def sender(info: SignalInfo) -> str:
    """Return who sent a signal, in words: "from pid 12 (uid 0)", "from the kernel"."""
    if info.from_kernel:
        return "from the kernel"
    if info.pid == 0:
        return "from outside of this PID namespace"
    return f"from pid {info.pid} (uid {info.uid})"
