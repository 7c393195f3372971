"""Instances of templates that are asked for while asyncinit runs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from asyncinit.config.spec import NO_INSTANCES, Configuration, InitSpec, Instances, ServiceSpec, Sources
from asyncinit.core.service import Service
from asyncinit.core.status import State
from asyncinit.errors import UnknownServiceError
from asyncinit.runtime.configuring.configured import ConfiguredState, Outcome, Reloaded, Unusable
from asyncinit.runtime.configuring.instances import (
    MOST_RESTING,
    targets,
    together,
    with_instances,
    without_resting,
)
from asyncinit.runtime.configuring.reading import Reading
from asyncinit.runtime.configuring.templates import Templates
from asyncinit.runtime.control.operations import RefusedError
from asyncinit.runtime.reexec.coding import decode, encode
from tests.unit.test_configured import House
from tests.unit.world import service

TEMPLATES = {"web@": ("web@1", "web@2"), "color@": ("color@blue",)}


def configuration(*specs: ServiceSpec) -> Configuration:
    return Configuration(InitSpec(), {spec.name: spec for spec in specs}, templates=TEMPLATES)


def summoned(name: str) -> ServiceSpec:
    return service(name, summoned=True)


class TestWhichThereAre:
    """What is asked for, all together."""

    def test_names_and_counts_come_together(self) -> None:
        """Each name once; the newest count holds, in the place of numbers that were asked for by name."""
        before = Instances(("web@9", "web@blue", "db@9"), {"web@": 2, "x@": 1})
        asked = Instances(("db@9", "db@8"), {"web@": 3})
        assert together(before, asked) == Instances(("web@blue", "db@9", "db@8"), {"web@": 3, "x@": 1})
        assert not NO_INSTANCES
        assert asked

    def test_many_that_have_ended_are_forgotten(self) -> None:
        """The oldest ones; what runs or has failed is not."""
        names = tuple(f"job@{n}" for n in range(MOST_RESTING + 3))
        services = {name: Service(service(name), rest=State.COMPLETED) for name in names}
        services["job@0"] = Service(service("job@0"), rest=State.FAILED)
        kept = without_resting(Instances(names), services).names
        assert kept == ("job@0", *names[3:])


class TestWhatIsTakenOver:
    """Of files that may say something else by now."""

    def test_only_what_was_asked_for(self) -> None:
        """With what it needs; everything else stays as it was declared."""
        old = configuration(service("db"), service("other"))
        new = configuration(
            service("db", umask=0o77),
            replace(summoned("web@9"), requires=("new",)),
            service("new", wants=("more",)),
            service("more"),
            service("not"),
        )
        new = replace(new, sources=Sources(texts={"f": "x"}))
        taken = with_instances(old, new, Instances(("web@9",)))
        assert list(taken.services) == ["db", "more", "new", "other", "web@9"]
        assert taken.services["db"] == service("db")
        assert taken.sources.texts == {"f": "x"}

    def test_who_names_the_template_names_the_new_ones(self) -> None:
        """Unless something else of it has changed, too."""
        old = configuration(service("lb", wants=("web@1",)), service("log", after=("web@1",)), service("web@1"))
        new = configuration(
            service("lb", wants=("web@1", "web@2")),
            service("log", after=("web@1", "web@2"), umask=0o77),
            service("web@1"),
            service("web@2"),
        )
        taken = with_instances(old, new, Instances(counts={"web@": 2}))
        assert taken.services["lb"].wants == ("web@1", "web@2")
        assert taken.services["log"] == old.services["log"]

    def test_what_is_too_many_goes(self) -> None:
        """Of the template that is counted alone; others that the files have no more stay until these are read."""
        old = configuration(*map(service, ("gone", "web@1", "web@2", "x@1")))
        taken = with_instances(old, configuration(service("web@1")), Instances(counts={"web@": 1}))
        assert list(taken.services) == ["gone", "web@1", "x@1"]

    def test_what_is_forgotten_goes(self) -> None:
        """If nobody else has it started, or declares it."""
        old = configuration(*map(summoned, ("a@1", "a@2", "a@3")), service("lb", wants=("a@2",)))
        new = configuration(summoned("a@1"), summoned("a@2"), service("a@3"), service("lb", wants=("a@2",)))
        taken = with_instances(old, new, Instances(("b@1",)), ["a@1", "a@2", "a@3"])
        assert list(taken.services) == ["a@2", "a@3", "lb"]

    def test_one_that_was_named_is_counted_now(self) -> None:
        """It is not left to others to start it."""
        old = configuration(summoned("web@2"))
        taken = with_instances(old, configuration(service("web@1"), service("web@2")), Instances(counts={"web@": 2}))
        assert targets(taken, ["web@"]) == ["web@1", "web@2"]


class Counted(House):
    """A house with templates."""

    def __init__(self, *specs: ServiceSpec) -> None:
        super().__init__(*specs)
        self.configured.configuration = configuration(*specs)
        self.templates = Templates(self.engine, self.configured)
        self.answers: list[Outcome] = []
        self.problems: list[str] = []

    def scale(self, count: int, template: str = "web") -> None:
        self.templates.scale(template, count, self.answers.append)


def test_scaling_starts_and_stops() -> None:
    """Further ones come, and one that was stopped; then the highest go. It holds when the files are read again."""
    house = Counted(service("web@1"), service("web@2"), service("web"))
    house.world.start("web@1")
    house.world.settle()
    house.scale(3)
    assert house.upward == []
    house.found(service("web@1"), service("web@2"), service("web@3"), service("web"), service("new"))
    house.world.settle()
    assert {name: house.world.state(name) for name in ("web@1", "web@2", "web@3")} == dict.fromkeys(
        ("web@1", "web@2", "web@3"), State.READY
    )
    assert "new" not in house.engine.services
    (answer,) = house.answers
    assert isinstance(answer, Reloaded)
    assert (answer.plan.added, sorted(answer.plan.started)) == (("web@3",), ["web@2", "web@3"])
    house.scale(1, "web@")
    house.found(service("web@1"), service("web"), service("new"))
    for name in ("web@2", "web@3"):
        house.world.exit(name, signal=15)
    house.world.settle()
    assert {name for name in house.engine.services if "@" in name} == {"web@1"}
    assert house.configured.instances == Instances(counts={"web@": 1})


def test_an_instance_is_made_and_not_started() -> None:
    """Who asked starts it; it is known to the next reading, and over a re-exec."""
    house = Counted(service("web"))
    assert house.templates.missing(["web", "web@7", "nope@1", "web@x"]) == ["web@7", "web@x"]
    house.templates.make(["web@7"], house.problems.append)
    house.found(service("web"), summoned("web@7"))
    assert house.problems == [""]
    assert house.world.state("web@7") is State.INACTIVE
    assert house.templates.missing(["web@7"]) == []
    state = decode(encode(house.configured.freeze(lambda _fd: None)), ConfiguredState)
    other = house.make(house.configured.configuration)
    other.thaw(state)
    assert other.instances == Instances(("web@7",))


def test_a_file_that_is_wrong_makes_nothing() -> None:
    """Who asked is told; the log of what holds is not."""
    house = Counted(service("web"))
    house.templates.make(["web@7"], house.problems.append)
    house.readings.pop(0)(encode(Reading(errors=("a.toml:1: x", "b.toml:2: y"))))
    assert house.problems == ["cannot make web@7, for the configuration has problems: a.toml:1: x and 1 more"]
    house.scale(3)
    house.readings.pop(0)(encode(Reading(errors=("a.toml:1: x",))))
    assert house.answers == [Unusable(("a.toml:1: x",))]
    assert house.said == []
    assert house.configured.instances == NO_INSTANCES


def test_each_has_its_own_reading() -> None:
    """Requests for instances and reloads come in the order in which they were asked for, and do not mix."""
    house = Counted(service("web"))
    house.templates.make(["web@7"], house.problems.append)
    reloads: list[Outcome] = []
    for _ in range(2):
        house.configured.reload(False, reloads.append)
    house.templates.make(["web@8"], house.problems.append)
    house.found(service("web"), summoned("web@7"))
    assert (house.problems, len(reloads)) == ([""], 0)
    house.found(service("web"), summoned("web@7"), service("new"))
    assert (house.problems, len(reloads)) == ([""], 2)
    assert house.upward == ["reloaded", "reloading", "reloaded"]
    assert "new" in house.engine.services
    house.found(service("web"), service("new"), summoned("web@7"), summoned("web@8"))
    assert house.problems == ["", ""]


def test_what_cannot_be() -> None:
    """Refused before anything is read."""
    house = Counted(service("web"))
    with pytest.raises(UnknownServiceError, match="no such service: wbe@; did you mean web@"):
        house.scale(1, "wbe")
    with pytest.raises(RefusedError, match="called by name"):
        house.scale(1, "color")
    for count in (-1, 1001):
        with pytest.raises(RefusedError, match="expected a number from 0 to 1000"):
            house.scale(count)
    house.world.shut_down(9.0)
    with pytest.raises(RefusedError, match="shutting down"):
        house.scale(1)
    with pytest.raises(RefusedError, match="shutting down"):
        house.templates.make(["web@7"], house.problems.append)
    assert house.readings == []
