"""Collect what is remembered of many services without holding up the loop; knows no client.

A thousand services may have a quarter of a million lines in memory: to gather and order them takes a second, which PID
1 does not have at once. So it is done in slices, between everything else.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Collection, Generator
from typing import Generic, TypeVar

from asyncinit.runtime.control.operations import JournalReader
from asyncinit.runtime.output.entries import Entry, EventRecord

T = TypeVar("T")

SLICE_SECONDS = 0.002
"""How long one turn of the loop is worked on it."""

_ITEMS_PER_STEP = 256


def newest(
    journal: JournalReader,
    services: Collection[str],
    events_of: Collection[str] | None,
    count: int,
    wanted: Callable[[Entry | EventRecord], bool],
) -> Generator[None, None, list[Entry | EventRecord]]:
    """Return the newest `count` lines of `services` and events of `events_of` (None: all), in order; yields often.

    Only those that are `wanted`: the ones that leave memory meanwhile are missed, those that come are not waited for.
    """
    runs: list[list[Entry | EventRecord]] = []
    for service in services:
        runs.append([line for line in reversed(journal.last((service,), count)) if wanted(line)])
        yield
    runs.append([event for event in reversed(journal.events(count, events_of)) if wanted(event)])
    found: list[Entry | EventRecord] = []
    for item in heapq.merge(*runs, key=_newest_first):
        if len(found) == count:
            break
        found.append(item)
        if len(found) % _ITEMS_PER_STEP == 0:
            yield
    found.reverse()
    return found


def _newest_first(item: Entry | EventRecord) -> int:
    return -item.cursor


class Slices(Generic[T]):
    """Run `work` a slice a turn of the loop, the first one now, and give its result to `done`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Generator[None, None, T], done: Callable[[T], None]
    ) -> None:
        self._loop = loop
        self._work = work
        self._done = done
        self._next: asyncio.Handle | None = None
        self._go_on()

    def cancel(self) -> None:
        """Stop working; `done` is not called."""
        if self._next is not None:
            self._next.cancel()
        self._work.close()

    def _go_on(self) -> None:
        deadline = self._loop.time() + SLICE_SECONDS
        while True:
            try:
                next(self._work)
            except StopIteration as end:
                self._done(end.value)
                return
            if self._loop.time() >= deadline:
                self._next = self._loop.call_soon(self._go_on)
                return
