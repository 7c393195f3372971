"""A start that takes long is never silent."""

from __future__ import annotations

from collections.abc import Callable

from asyncinit.control.types import EventEntry
from asyncinit.core.status import State
from asyncinit.runtime.patience import Patience
from tests.unit.world import World, service


class FakeTimers:
    """Timers that fire when told."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.time

    def at(self, deadline: float, callback: Callable[[], None]) -> FakeTimers.One:
        entry = (deadline, callback)
        self.waiting.append(entry)
        return FakeTimers.One(self, entry)

    def after(self, seconds: float, callback: Callable[[], None]) -> FakeTimers.One:
        return self.at(self.time + seconds, callback)

    def advance(self, to: float) -> None:
        while due := [entry for entry in self.waiting if entry[0] <= to]:
            entry = min(due, key=lambda one: one[0])
            self.waiting.remove(entry)
            self.time = entry[0]
            entry[1]()
        self.time = to

    class One:
        def __init__(self, timers: FakeTimers, entry: tuple[float, Callable[[], None]]) -> None:
            self._timers, self._entry = timers, entry

        def cancel(self) -> None:
            if self._entry in self._timers.waiting:
                self._timers.waiting.remove(self._entry)


class FakeJournal:
    def __init__(self, timers: FakeTimers) -> None:
        self._timers = timers
        self.said: list[tuple[float, str | None, str]] = []

    def event(self, name: str | None, text: str, _level: object) -> None:
        self.said.append((self._timers.time, name, text))


def change(name: str, new: State) -> EventEntry:
    return EventEntry(time="", service=name, old=State.INACTIVE, new=new, reason=None, text="")


def test_a_slow_start_is_told_at_doubling_intervals() -> None:
    """After 30, 60 and 120 s a line says what is waited for; none after it is ready."""
    world = World({"db": service("db"), "web": service("web", requires=("db",))})
    world.start("web")
    timers = FakeTimers()
    journal = FakeJournal(timers)
    patience = Patience(world.engine, timers, journal, lambda _name: "tcp 127.0.0.1:5432: connection refused")  # type: ignore[arg-type]
    patience.take(change("db", State.STARTING))
    patience.take(change("web", State.WAITING))
    timers.advance(130)
    assert [(moment, name) for moment, name, _ in journal.said] == [
        (moment, name) for moment in (30, 60, 120) for name in ("db", "web")
    ]
    texts = {name: text for _, name, text in journal.said}
    assert "connection refused" in texts["db"]
    assert "waits for db" in texts["web"]
    patience.take(change("db", State.READY))
    patience.take(change("web", State.READY))
    timers.advance(10_000)
    assert len(journal.said) == 6
