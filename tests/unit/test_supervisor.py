"""The one place where events meet the engine: in order, never twice at once, watched at rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from asyncinit.core import events as ev
from asyncinit.core.service import Phase
from asyncinit.core.status import State
from asyncinit.errors import TransitionError
from asyncinit.runtime.supervisor import Supervisor
from tests.unit.world import service


class House:
    """A supervisor of one service whose effects are noted, and answered by what `answers` has for them."""

    def __init__(self) -> None:
        self.bugs: list[TransitionError] = []
        self.soon: list[Callable[[], None]] = []
        self.done: list[str] = []
        self.answers: dict[type[ev.Effect], ev.Event] = {}
        self.now = 5.0
        self.supervisor = Supervisor(
            {"web": service("web")}, lambda: self.now, lambda: 0.0, self.bugs.append, self.soon.append
        )
        self.supervisor.performer = self

    def perform(self, effect: ev.Effect) -> None:
        self.done.append(f"{type(effect).__name__}")
        answer = self.answers.get(type(effect))
        if answer is not None:
            self.supervisor.post("web", answer)
            self.done.append(f"after posting {type(answer).__name__}")

    @property
    def phase(self) -> Phase:
        return self.supervisor.engine.services["web"].phase

    def start(self) -> None:
        self.supervisor.request(lambda now: self.supervisor.engine.start(["web"], now))


def test_answers_wait_for_their_turn() -> None:
    """What an effect posts happens after all effects of its step; the engine is never entered twice."""
    house = House()
    house.answers = {ev.Prepare: ev.Prepared(), ev.Spawn: ev.Spawned(10)}
    house.start()
    told = [line for line in house.done if line not in {"Announce", "ArmTimer"}]
    assert told == ["Prepare", "after posting Prepared", "Spawn", "after posting Spawned"]
    assert house.phase is Phase.STARTING
    house.supervisor.post("web", ev.Executed())
    assert house.supervisor.engine.services["web"].ready_since == 5.0


def test_watchers_see_the_engine_at_rest() -> None:
    """They are told after each happening when nothing waits any more, and what they ask for comes after all of them."""
    house = House()
    house.answers = {ev.Prepare: ev.Prepared(), ev.Spawn: ev.Spawned(10)}
    seen: list[tuple[str, Phase]] = []

    def first() -> None:
        seen.append(("first", house.phase))
        if house.phase is Phase.STARTING:
            house.supervisor.post("web", ev.Executed())

    house.supervisor.watch(first)
    unwatch = house.supervisor.watch(lambda: seen.append(("second", house.phase)))
    house.start()
    assert seen == [
        ("first", Phase.STARTING),
        ("second", Phase.STARTING),
        ("first", Phase.UP),
        ("second", Phase.UP),
    ]
    unwatch()
    unwatch()
    house.supervisor.post("web", ev.Reloading())
    assert seen[4:] == [("first", Phase.RELOADING)]


def test_an_event_that_cannot_happen() -> None:
    """It is reported, and what comes after it happens."""
    house = House()
    house.supervisor.post("web", ev.Spawned(1))
    assert [bug.event for bug in house.bugs] == ["Spawned"]
    house.start()
    assert house.phase is Phase.PREPARING


def test_a_request_that_fails() -> None:
    """Whoever made it is told; what waits behind it is not lost, and the next one works."""
    house = House()

    def fail(_now: float) -> list[ev.Effect]:
        house.start()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        house.supervisor.request(fail)
    house.supervisor.post("web", ev.Prepared())
    assert house.phase is Phase.STARTING
    assert house.supervisor.engine.services["web"].state is State.STARTING


def test_later() -> None:
    """What shall not happen from within a call comes in another turn of the loop."""
    house = House()
    called: list[str] = []
    house.supervisor.later(lambda: called.append("x"))
    assert called == []
    house.soon.pop()()
    assert called == ["x"]
