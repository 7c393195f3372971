"""What is told of changes of state, and since when; with a clock by hand and a journal that only listens."""

from __future__ import annotations

from typing import Any

import pytest

from asyncinit.config.spec import LogLevel, Restart, RestartPolicy, ServiceSpec, ServiceType
from asyncinit.control.types import EventEntry
from asyncinit.core import events as ev
from asyncinit.core.status import State
from asyncinit.runtime.announcer import Announcer
from tests.unit.world import Body, World, service

NEVER = Restart(RestartPolicy.NEVER)


class Told(World):
    """A world whose changes an announcer tells; `lines` are what is told to everybody."""

    def __init__(self, *specs: ServiceSpec) -> None:
        super().__init__({spec.name: spec for spec in specs})
        self.lines: list[str] = []
        self.fields: list[dict[str, Any]] = []
        self.last_lines: list[int] = []
        self.entries: list[EventEntry] = []
        self.announcer = Announcer(self.engine, self, lambda: self.now)  # type: ignore[arg-type]
        self.announcer.follow(self.entries.append)

    def event(
        self,
        service: str | None,
        text: str,
        level: LogLevel = LogLevel.INFO,
        fields: dict[str, Any] | None = None,
        output: int = 0,
    ) -> None:
        """Take a line (`Journal`)."""
        if level is not LogLevel.DEBUG:
            self.lines.append(f"{service or '*'}: {text}")
        self.fields.append(fields or {})
        self.last_lines.append(output)

    def _effect(self, effect: ev.Effect, body: Body) -> None:
        super()._effect(effect, body)
        if isinstance(effect, ev.Announce):
            self.announcer.announce(effect)

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The wall clock: its last value is the time."""
    moments = [1_000_000.0]
    monkeypatch.setattr("asyncinit.runtime.announcer.time.time", lambda: moments[-1])
    return moments


def test_a_life_in_lines() -> None:
    """One line for each change that a person wants to see, with how long it took."""
    here = Told(service("web"))
    here.start("web")
    here.wait(0.5)
    here.settle()
    here.wait(60.0)
    here.stop("web")
    here.wait(2.0)
    here.exit("web")
    here.settle()
    assert here.lines == [
        "web: ready (pid 1001, after 500 ms)",
        "web: stopping",
        "web: stopped after 2 s (exited with 0)",
    ]


def test_a_crash_is_one_line() -> None:
    """What follows from an end says it all; the moment in which the rest is ended is not told."""
    here = Told(service("web", restart=Restart(delay=1.0, jitter=0.0)))
    here.start("web")
    here.settle()
    here.exit("web", 3)
    here.settle()
    here.advance(1.0)
    here.settle()
    assert here.lines[1:] == ["web: exited with 3; restart 1 in 1 s", "web: ready (pid 1002, after 0 ms)"]


def test_the_last_lines_of_what_failed() -> None:
    """A failure and a crash bring them along, nothing else does."""
    for restart in (NEVER, Restart()):
        here = Told(service("web", restart=restart))
        here.start("web")
        here.settle()
        here.exit("web", 3)
        here.settle()
        assert [bool(count) for count in here.last_lines] == [False] * 4 + [True]


def test_what_a_stop_waited_for_is_not_its_own() -> None:
    """A stop is told with the time that it took itself, not with that in which it waited for others."""
    here = Told(service("db"), service("web", requires=("db",)))
    here.start("web")
    here.settle()
    here.shut_down(90.0)
    here.wait(4.0)
    here.exit("web")
    here.settle()
    here.wait(0.5)
    here.exit("db")
    here.settle()
    assert "db: stopping, once web is down" in here.lines
    assert "db: stopped after 500 ms (exited with 0)" in here.lines


def test_a_oneshot_took_its_whole_run() -> None:
    """From its start until it had completed."""
    here = Told(service("init", type=ServiceType.ONESHOT, restart=NEVER))
    here.start("init")
    here.settle()
    here.wait(3.0)
    here.exit("init", 0)
    here.settle()
    assert here.lines == ["init: completed after 3 s"]


def test_since_when(wall: list[float]) -> None:
    """`since` is the wall clock's, and a reload does not change since when it is ready."""
    here = Told(service("web"))
    assert here.announcer.times("web").since is None
    here.start("web")
    here.settle()
    wall.append(wall[-1] + 100)
    here.tell("web", ev.Reloading())
    times = here.announcer.times("web")
    assert (times.since, times.ready_since) == (1_000_100.0, 1_000_000.0)
    here.ready("web")
    assert times.ready_since == 1_000_000.0
    here.exit("web", 1)
    assert times.ready_since is None


def test_the_wall_clock_may_jump(wall: list[float]) -> None:
    """How long something took is measured by another clock."""
    here = Told(service("web"))
    here.start("web")
    wall.append(0.0)
    here.wait(2.0)
    here.settle()
    assert here.lines == ["web: ready (pid 1001, after 2 s)"]


def test_followers() -> None:
    """Each gets every change from now on, until it has enough; the newest are remembered."""
    here = Told(service("web"))
    few: list[EventEntry] = []
    enough = here.announcer.follow(few.append)
    here.start("web")
    enough()
    enough()
    here.settle()
    here.announcer.system("something of asyncinit itself")
    assert [(entry.old, entry.new) for entry in here.entries[:-1]] == [
        (State.INACTIVE, State.WAITING),
        (State.WAITING, State.STARTING),
        (State.STARTING, State.READY),
    ]
    assert here.entries[-1].service is None
    assert few == here.entries[:2]
    assert list(here.announcer.recent) == here.entries


def test_the_fields_of_a_line() -> None:
    """For programs: the states, the reason's code and the pid."""
    here = Told(service("web", restart=NEVER))
    here.start("web")
    here.settle()
    assert here.fields[-1] == {"state": "ready", "from": "starting", "reason": None, "pid": 1001}
    here.exit("web", 3)
    here.settle()
    assert here.fields[-1] == {"state": "failed", "from": "stopping", "reason": "exit-code", "pid": None}


def test_the_last_lines_of_who_is_started_again_for_another_are_not_told() -> None:
    """It has not failed: another one has."""
    fix = service("fix", type=ServiceType.ONESHOT, enabled=False)
    here = Told(service("web", restart=Restart(RestartPolicy.NEVER), on_failure=("fix",)), fix)
    for _ in range(2):
        here.start("web")
        here.settle()
        here.exit("web", 3)
        here.settle()
        if here.state("fix") is not State.BACKOFF:
            here.exit("fix", 0)
            here.settle()
    assert here.state("fix") is State.BACKOFF
    assert "started again soon, for web" in here.lines[-1] and here.last_lines[-1] == 0
