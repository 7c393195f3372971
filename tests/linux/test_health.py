"""What is seen to while a service is up: its probes in time, its signs of life, and that both survive a re-exec."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from msgspec.structs import replace

from asyncinit.config.spec import Command, Health, ReadyKind, Sign
from asyncinit.core import events as ev
from asyncinit.core.status import Code, Reason
from asyncinit.errors import AddressError
from asyncinit.runtime.health.guard import Guard
from asyncinit.runtime.health.monitor import Monitor
from asyncinit.runtime.health.watchdog import Watchdog
from asyncinit.runtime.ready.probes import ProbeContext
from asyncinit.runtime.reexec.coding import decode, encode
from asyncinit.runtime.timers import Timers
from tests.readiness_support import Cancel, make_context, no_descriptor_left, run_until, turn

T = TypeVar("T", bound=msgspec.Struct)
CHECK = Health(kind=ReadyKind.COMMAND, command=Command(("check",)), interval=10.0, probe_timeout=1.0)


def carried(state: T) -> T:
    """Return a state as the next program reads it, which is the same."""
    again = decode(encode(state), type(state))
    assert again == state
    return again


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class Bench:
    """A loop with a clock that is set by hand, and command probes that are answered by hand."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.clock = Hands()
        self.timers = Timers(loop, self.clock)
        self.asked: list[float] = []
        self.under_way: list[tuple[Cancel, Callable[[Reason | None], None]]] = []
        self.context = ProbeContext(loop, self.timers, self._run, lambda *_: Cancel(), lambda: False)

    def _run(self, _command: Command, _timeout: float, done: Callable[[Reason | None], None]) -> Cancel:
        self.asked.append(self.clock.time)
        self.under_way.append((Cancel(), done))
        return self.under_way[-1][0]

    def answer(self, text: str = "") -> None:
        """Answer the probe that is under way."""
        cancel, done = self.under_way.pop(0)
        if not cancel.cancelled:
            done(Reason(Code.EXIT_CODE, text) if text else None)
        turn(self.loop)

    def go_to(self, moment: float) -> None:
        """Set the clock, and let what is due happen."""
        self.clock.time = moment
        self.timers._arm()
        run_until(self.loop, lambda: self.due() > moment)
        turn(self.loop)

    def due(self) -> float:
        """Return the deadline that the loop would be woken for."""
        return self.timers._armed_for

    def monitor(self, told: list[str], health: Health = CHECK, draw: float = 0.5) -> Monitor:
        return Monitor(self.context, health, told.append, draw=lambda: draw, wall=lambda: 5000.0)

    def watchdog(self, told: list[str], interval: float = 10.0, hear: Callable[[], object] = lambda: None) -> Watchdog:
        return Watchdog(self.timers, interval, hear, told.append)


@pytest.fixture
def bench(loop: asyncio.AbstractEventLoop) -> Iterator[Bench]:
    bench = Bench(loop)
    yield bench
    assert bench.timers._handle is None, "a timer was left"


class TestMonitor:
    def test_in_time(self, bench: Bench) -> None:
        """First at a random moment within the interval, then an interval after the last one began; no wake-up more."""
        told: list[str] = []
        monitor = bench.monitor(told)
        assert bench.due() == math.inf
        monitor.begin()
        assert bench.due() == 1005.0
        bench.go_to(1004.9)
        assert bench.asked == []
        bench.go_to(1005.0)
        assert bench.asked == [1005.0]
        assert bench.due() == 1006.0, "its time limit"
        bench.go_to(1005.5)
        bench.answer()
        assert (told, bench.due()) == ([""], 1015.0)
        bench.go_to(1015.0)
        bench.answer("exited with 1")
        assert told == ["", "command check: exited with 1"]
        assert (monitor.obstacle, monitor.asked_at) == ("command check: exited with 1", 5000.0)
        monitor.end()

    def test_a_probe_that_hangs(self, bench: Bench) -> None:
        """It is a failure at its time limit, and given up; the next one comes in its time."""
        told: list[str] = []
        monitor = bench.monitor(told, draw=0.0)
        monitor.begin()
        bench.go_to(1000.0)
        cancel, _ = bench.under_way[0]
        bench.go_to(1001.0)
        assert told == ["command check: no answer within 1 s"]
        assert cancel.cancelled
        assert bench.due() == 1010.0
        monitor.end()

    def test_probes_never_overlap(self, bench: Bench) -> None:
        """One that takes longer than the interval is followed by the next, a little later."""
        told: list[str] = []
        monitor = bench.monitor(told, replace(CHECK, interval=0.5, probe_timeout=5.0), draw=0.0)
        monitor.begin()
        bench.go_to(1000.0)
        bench.go_to(1003.0)
        assert bench.asked == [1000.0]
        bench.answer()
        assert 1003.0 < bench.due() < 1003.1
        monitor.end()

    def test_ended(self, bench: Bench) -> None:
        """Between two probes or during one: it asks no more, and tells nothing."""
        told: list[str] = []
        monitor = bench.monitor(told, draw=0.0)
        monitor.end()
        monitor.begin()
        monitor.end()
        bench.go_to(1100.0)
        assert bench.asked == []
        monitor.begin()
        bench.go_to(1100.0)
        monitor.end()
        assert bench.under_way[0][0].cancelled
        assert bench.due() == math.inf
        assert told == []

    def test_what_follows_may_end_it(self, bench: Bench) -> None:
        """Who is told may end it at once: nothing is asked any more."""
        told: list[str] = []

        def tell(text: str) -> None:
            told.append(text)
            monitor.end()

        monitor = Monitor(bench.context, CHECK, tell, draw=lambda: 0.0, wall=time.time)
        monitor.begin()
        bench.go_to(1000.0)
        bench.answer("exited with 1")
        assert len(told) == 1
        assert bench.due() == math.inf

    def test_a_hundred_at_once_are_spread(self, bench: Bench) -> None:
        """Services that become ready together are not probed in the same moment."""
        moments = []
        for number in range(100):
            monitor = bench.monitor([], draw=number / 100)
            monitor.begin()
            moments.append(bench.due())
            monitor.end()
        assert len(set(moments)) == 100
        assert (min(moments), max(moments)) == (1000.0, 1009.9)

    @pytest.mark.parametrize("under_way", [False, True])
    def test_carried(self, bench: Bench, under_way: bool) -> None:
        """The next probe is due when it was; one that was under way is asked again."""
        told: list[str] = []
        monitor = bench.monitor(told, draw=0.0)
        monitor.begin()
        bench.go_to(1000.0)
        bench.answer("exited with 1")
        bench.go_to(1010.5 if under_way else 1003.0)
        assert len(bench.under_way) == under_way
        state = carried(monitor.freeze())
        monitor.end()
        bench.under_way.clear()
        again = bench.monitor(told)
        again.thaw(state)
        assert (again.obstacle, again.asked_at) == ("command check: exited with 1", 5000.0)
        assert bench.due() == (1010.5 if under_way else 1010.0)
        bench.go_to(1011.0)
        bench.answer()
        assert told == ["command check: exited with 1", ""]
        again.end()

    def test_carried_without_being_begun(self, bench: Bench) -> None:
        """What was not probed before is not afterwards."""
        again = bench.monitor([])
        again.thaw(carried(bench.monitor([]).freeze()))
        assert bench.due() == math.inf


class TestSeveral:
    """Several probes in one."""

    def outcome(self, loop: asyncio.AbstractEventLoop, kind: ReadyKind, *paths: Path) -> str:
        parts = tuple(Sign(ReadyKind.FILE, str(path)) for path in paths)
        told: list[str] = []
        health = Health(kind=kind, parts=parts, interval=0.01)
        monitor = Monitor(make_context(loop), health, told.append, draw=lambda: 0.0, wall=time.time)
        with no_descriptor_left():
            monitor.begin()
            run_until(loop, lambda: told)
            monitor.end()
            turn(loop)
        return told[0]

    def test_all(self, loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
        """Each has to succeed; those that did not are told, in their order."""
        there, one, other = tmp_path, tmp_path / "one", tmp_path / "other"
        assert self.outcome(loop, ReadyKind.ALL, there, there) == ""
        text = f"file {one}: no such file or directory; file {other}: no such file or directory"
        assert self.outcome(loop, ReadyKind.ALL, one, there, other) == text

    def test_any(self, loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
        """One is enough; where none is, all are told."""
        there, one, other = tmp_path, tmp_path / "one", tmp_path / "other"
        assert self.outcome(loop, ReadyKind.ANY, one, there, other) == ""
        text = f"file {one}: no such file or directory; file {other}: no such file or directory"
        assert self.outcome(loop, ReadyKind.ANY, one, other) == text

    def test_one_that_hangs(self, bench: Bench) -> None:
        """They are asked at the same time: a hanging one costs one time limit, and holds `any` up not at all."""
        parts = (Sign(ReadyKind.COMMAND, command=Command(("a",))), Sign(ReadyKind.COMMAND, command=Command(("b",))))
        for kind, outcome in ((ReadyKind.ANY, ""), (ReadyKind.ALL, "command a: no answer within 1 s")):
            told: list[str] = []
            monitor = bench.monitor(told, Health(kind=kind, parts=parts, interval=10.0), draw=0.0)
            monitor.begin()
            bench.go_to(bench.clock.time)
            assert len(bench.under_way) == 2
            hangs, _ = bench.under_way.pop(0)
            bench.answer()
            assert told == ([""] if kind is ReadyKind.ANY else [])
            bench.go_to(bench.clock.time + 1.0)
            assert told == [outcome]
            assert hangs.cancelled
            monitor.end()


class TestWatchdog:
    def test_late(self, bench: Bench) -> None:
        """Nothing is expected before it begins; then a sign within each interval; it is told once."""
        told: list[str] = []
        dog = bench.watchdog(told)
        dog.alive()
        bench.go_to(1100.0)
        dog.begin()
        bench.go_to(1109.9)
        assert told == []
        bench.go_to(1110.0)
        assert told == ["no WATCHDOG=1 within 10 s"]
        bench.go_to(1200.0)
        assert len(told) == 1

    def test_in_time(self, bench: Bench) -> None:
        """However often it speaks, the loop is woken once an interval."""
        told: list[str] = []
        dog = bench.watchdog(told)
        dog.begin()
        for moment in (1001.0, 1002.0, 1009.0):
            bench.clock.time = moment
            dog.alive()
            assert bench.due() == 1010.0
        bench.go_to(1010.0)
        assert (told, bench.due()) == ([], 1019.0)
        bench.go_to(1019.0)
        assert len(told) == 1

    def test_what_waits_is_heard_first(self, bench: Bench) -> None:
        """When we were held up ourselves, what it has said in the meantime counts."""
        told: list[str] = []
        dogs: list[Watchdog] = []
        dog = bench.watchdog(told, hear=lambda: [one.alive() for one in dogs])
        dogs.append(dog)
        dog.begin()
        bench.go_to(1500.0)
        assert (told, bench.due()) == ([], 1510.0)
        dog.end()

    def test_what_is_heard_may_end_it(self, bench: Bench) -> None:
        """STOPPING=1 may be among what waits."""
        told: list[str] = []
        dogs: list[Watchdog] = []
        dogs.append(bench.watchdog(told, hear=lambda: [one.end() for one in dogs]))
        dogs[0].begin()
        bench.go_to(1500.0)
        assert told == []

    def test_changed(self, bench: Bench) -> None:
        """WATCHDOG_USEC counts from when it comes; before the beginning from then; for ever ends the watch."""
        told: list[str] = []
        dog = bench.watchdog(told, math.inf)
        dog.begin()
        assert bench.due() == math.inf
        dog.change(2.0)
        assert bench.due() == 1002.0
        dog.change(math.inf)
        assert bench.due() == math.inf
        dog.end()
        dog.change(3.0)
        assert bench.due() == math.inf
        dog.begin()
        assert bench.due() == 1003.0
        bench.go_to(1003.0)
        assert told == ["no WATCHDOG=1 within 3 s"]

    def test_extended(self, bench: Bench) -> None:
        """EXTEND_TIMEOUT_USEC gives more time, never less; the next sign of life ends that."""
        told: list[str] = []
        dog = bench.watchdog(told)
        dog.extend(100.0)
        dog.begin()
        dog.extend(3.0)
        dog.extend(30.0)
        bench.go_to(1010.0)
        assert (told, bench.due()) == ([], 1030.0)
        dog.alive()
        bench.go_to(1030.0)
        assert told == ["no WATCHDOG=1 within 10 s"]

    def test_carried(self, bench: Bench) -> None:
        """The deadline is where it was; what came during the re-exec is heard before it is late."""
        told: list[str] = []
        dog = bench.watchdog(told)
        dog.begin()
        dog.change(7.0)
        state = carried(dog.freeze())
        dog.end()
        heard: list[str] = []
        again = bench.watchdog(told, math.inf, hear=lambda: heard.append("x"))
        again.thaw(state)
        assert bench.due() == 1007.0
        bench.go_to(1008.0)
        assert (heard, told) == (["x"], ["no WATCHDOG=1 within 7 s"])
        again = bench.watchdog(told, 5.0)
        again.thaw(carried(bench.watchdog(told, 6.0).freeze()))
        assert bench.due() == math.inf, "it was not begun before"


class TestGuard:
    def test_both(self, bench: Bench) -> None:
        """It begins and ends both, and posts what they tell."""
        posted: list[ev.Event] = []
        guard = Guard(bench.context, 3.0, posted.append, lambda: None)
        guard.probe(CHECK, {})
        guard.begin()
        bench.go_to(1011.0)
        bench.answer("exited with 1")
        assert ev.WatchdogMissed("no WATCHDOG=1 within 3 s") in posted
        assert ev.Probed("command check: exited with 1") in posted
        guard.begin()
        guard.end()
        guard.end()
        assert bench.due() == math.inf

    def test_what_is_probed_can_change(self, bench: Bench) -> None:
        """The same goes on as it is; nothing and something else take its place; nonsense is an error, and nothing."""
        guard = Guard(bench.context, math.inf, lambda _event: None, lambda: None)
        guard.probe(CHECK, {})
        monitor = guard.monitor
        guard.probe(replace(CHECK), {})
        assert guard.monitor is monitor
        guard.probe(Health(kind=ReadyKind.TCP, address="${HOST}:1"), {"HOST": "127.0.0.1"})
        assert guard.monitor is not monitor
        with pytest.raises(AddressError):
            guard.probe(Health(kind=ReadyKind.TCP, address="${HOST}"), {"HOST": "127.0.0.1"})
        assert guard.monitor is None
        guard.probe(None, {})
        guard.begin()
        assert bench.due() == math.inf
        guard.end()

    def test_carried(self, bench: Bench) -> None:
        """Each where it was; what has no probes any more forgets them."""
        guard = Guard(bench.context, 30.0, lambda _event: None, lambda: None)
        guard.probe(CHECK, {})
        guard.begin()
        state = carried(guard.freeze())
        guard.end()
        assert state.health is not None
        assert state.watchdog.deadline == 1030.0
        for health in (CHECK, None):
            again = Guard(bench.context, 30.0, lambda _event: None, lambda: None)
            again.probe(health, {})
            again.thaw(state)
            assert bench.due() == (state.health.next if health is not None else 1030.0)
            again.end()
