"""Collecting a long backlog gives the newest lines in order, a slice at a time."""

from __future__ import annotations

import asyncio

import pytest

from asyncinit.runtime.control.backlog import Slices, newest
from asyncinit.runtime.output.entries import Entry, EventRecord
from tests.fake_operations import FakeJournal

Found = list[Entry | EventRecord]


def filled() -> FakeJournal:
    journal = FakeJournal()
    for number in range(300):
        journal.add(f"s{number % 7}", b"%d" % number)
        if number % 50 == 0:
            journal.add_event(f"s{number % 7}", f"event {number}")
    return journal


@pytest.mark.parametrize("count", [0, 1, 10, 256, 300, 10**9])
def test_the_newest_in_order(loop: asyncio.AbstractEventLoop, count: int) -> None:
    """However many are asked for, they are the newest of all services and events, oldest first."""
    journal = filled()
    results: list[Found] = []
    work = newest(journal, [f"s{n}" for n in range(7)], None, count, lambda item: True)
    Slices(loop, work, lambda found: (results.append(found), loop.stop())[0])
    if not results:
        loop.run_forever()
    assert results == [journal.items[-count:] if count else []]


def test_other_work_goes_on_and_cancelling_ends_it(loop: asyncio.AbstractEventLoop) -> None:
    """Between two slices the loop does everything else; a cancelled one gives no result."""
    steps = 0

    def endless() -> object:
        nonlocal steps
        while True:
            steps += 1
            yield

    slices = Slices(loop, endless(), lambda found: pytest.fail("no end"))  # type: ignore[arg-type]
    before = steps
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert steps > before
    slices.cancel()
    after = steps
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    assert steps == after
