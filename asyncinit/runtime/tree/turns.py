"""Share the loop's time among jobs that touch many processes; knows nothing of what they do.

A job is a generator that yields after each small piece of work what it wants next. Jobs have a few milliseconds of
each turn of the loop, in the order in which they became ready, so that no signal, exit or client waits for a tree of
thousands.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator
from enum import Enum
from typing import NamedTuple

_SLICE = 0.005  # seconds of one turn of the loop


class Next(Enum):
    """What a job wants: to go on; a look at our children first; or to wait until there was one for any reason."""

    TURN = 0
    LOOK = 1
    EVENT = 2


Job = Generator[Next, None, None]


class _Entry(NamedTuple):
    key: str | None
    job: Job
    what: object


class Turns:
    """Jobs, each under a key; `look` is called when one wants our children to be looked at, then call `looked`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, look: Callable[[], None]) -> None:
        self._loop, self._look = loop, look
        self._ready: deque[_Entry] = deque()
        self._asleep: list[_Entry] = []
        self._running: _Entry | None = None
        self._handle: asyncio.Handle | None = None

    def start(self, key: str | None, job: Job, what: object = None) -> None:
        """Begin `job` in a later turn; `what` says for `pending` what it does."""
        self._ready.append(_Entry(key, job, what))
        self._run_soon()

    def pending(self) -> list[object]:
        """Return what the jobs do that are not at their end, in no special order."""
        running = [] if self._running is None else [self._running]
        return [entry.what for entry in (*running, *self._ready, *self._asleep)]

    def cancel(self, key: str | None) -> None:
        """Drop all jobs of `key` where they stand; called from within one of them, that one ends at its next yield."""
        if self._running is not None and self._running.key == key:
            self._running = None
        self._ready = deque(entry for entry in self._ready if entry.key != key)
        self._asleep = [entry for entry in self._asleep if entry.key != key]

    def looked(self) -> None:
        """Let those go on that waited for a look."""
        self._ready.extend(self._asleep)
        self._asleep.clear()
        self._run_soon()

    def _run_soon(self) -> None:
        if self._ready and self._handle is None:
            self._handle = self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._handle = None
        until = time.monotonic() + _SLICE
        try:
            while self._ready and time.monotonic() < until:
                entry = self._running = self._ready.popleft()
                step = next(entry.job, None)
                while step is Next.TURN and self._running is entry and time.monotonic() < until:
                    step = next(entry.job, None)
                if self._running is entry and step is not None:
                    self._put_back(entry, step)
        finally:
            self._running = None
            self._run_soon()

    def _put_back(self, entry: _Entry, step: Next) -> None:
        if step is Next.TURN:
            self._ready.append(entry)
            return
        self._asleep.append(entry)
        if step is Next.LOOK:
            self._look()
