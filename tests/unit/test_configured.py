"""The configuration that holds: how often it is read, what is told to whom, and that what is wrong changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from asyncinit.config.spec import Configuration, InitSpec, LogLevel, ServiceSpec, Socket, SocketKind
from asyncinit.core.reconfiguration import Reconfiguration
from asyncinit.errors import SpawnError
from asyncinit.runtime.configuring.configured import Configured, ConfiguredState, Outcome, Reloaded, Unusable
from asyncinit.runtime.configuring.reading import Reading, RunOptions
from asyncinit.runtime.reexec.coding import decode, encode
from tests.unit.world import World, service


class House:
    """A world of services with a configuration, and children that read when they are told to."""

    def __init__(self, *specs: ServiceSpec) -> None:
        self.world = World({spec.name: spec for spec in specs})
        self.engine = self.world.engine
        self.readings: list[Callable[[bytes | SpawnError], None]] = []
        self.said: list[tuple[str, LogLevel]] = []
        self.upward: list[str] = []
        self.taken: list[Configuration] = []
        self.plans: list[Reconfiguration] = []
        self.configured = self.make(Configuration(InitSpec(), {spec.name: spec for spec in specs}))

    def make(self, configuration: Configuration) -> Configured:
        house: Any = self
        made = Configured(
            configuration,
            RunOptions(),
            main=None,
            supervisor=house,
            offloader=house,
            announcer=house,
            upward=house,
            take_over=self.taken.append,
        )
        made.on_change.append(self.plans.append)
        return made

    # What it needs of the others

    def run(self, _function: object, _result: type, _timeout: float, done: Callable[[bytes | SpawnError], None]) -> str:
        self.readings.append(done)
        return "a job"

    def system(self, text: str, level: LogLevel = LogLevel.INFO) -> None:
        self.said.append((text, level))

    def request(self, request: Callable[[float], list[Any]]) -> None:
        for name in self.engine.plan(self.declared, ()).added:
            self.world.bodies.setdefault(name, type(self.world.bodies["web"])())
        self.world.carry_out(request(self.world.now))

    def reloading(self) -> None:
        self.upward.append("reloading")

    def reloaded(self) -> None:
        self.upward.append("reloaded")

    # What happens

    def found(self, *specs: ServiceSpec, init: InitSpec | None = None, warnings: tuple[str, ...] = ()) -> None:
        """The oldest child that reads has found this."""
        self.declared = {spec.name: spec for spec in specs}
        configuration = Configuration(init or InitSpec(), self.declared)
        self.readings.pop(0)(encode(Reading(configuration, warnings)))

    def ask(self, dry_run: bool = False) -> list[Outcome]:
        answers: list[Outcome] = []
        self.configured.reload(dry_run, answers.append)
        return answers


WEB = service("web")
OTHER = service("web", umask=0o77)


def test_another_configuration_is_taken_over() -> None:
    """Who asked is told what it changed; who holds on to names is told of the whole before, and of the plan after."""
    house = House(WEB)
    answers = house.ask()
    assert house.upward == ["reloading"] and answers == []
    house.found(WEB, service("new"), init=InitSpec(keep_running=True), warnings=("w.toml:1: warning: hm",))
    (answer,) = answers
    assert isinstance(answer, Reloaded) and answer.changed
    assert answer.plan.added == ("new",) and answer.init.now == ("keep_running",)
    assert house.taken == [house.configured.configuration] and house.taken[0].init.keep_running
    assert house.plans == [answer.plan] and "new" in house.engine.services
    assert house.said == [
        ("w.toml:1: warning: hm", LogLevel.WARNING),
        ("configuration: added new; [init] keep_running", LogLevel.INFO),
    ]
    assert house.upward == ["reloading", "reloaded"]


def test_what_is_wrong_changes_nothing() -> None:
    """Every line is told, to who asked and in the log."""
    house = House(WEB)
    answers = house.ask()
    before = house.configured.configuration
    house.readings.pop(0)(encode(Reading(errors=("a.toml:1: x", "b.toml:2: y"))))
    assert answers == [Unusable(("a.toml:1: x", "b.toml:2: y"))]
    assert house.configured.configuration is before and house.taken == house.plans == []
    assert [text for text, level in house.said if level is LogLevel.ERROR][1:] == ["a.toml:1: x", "b.toml:2: y"]
    assert house.upward == ["reloading", "reloaded"]


def test_a_reading_that_hangs_changes_nothing() -> None:
    """It is told what hangs, and the next reading is a new one."""
    house = House(WEB)
    answers = house.ask()
    house.readings.pop(0)(SpawnError("read the configuration", 110, "not done within 30 s"))
    (answer,) = answers
    assert isinstance(answer, Unusable) and "cannot read the configuration: not done within 30 s" in answer.text
    house.ask()
    house.found(OTHER)
    assert house.configured.configuration.services == {"web": OTHER}


def test_a_dry_run_changes_nothing_and_tells_nobody_else() -> None:
    """Neither the log nor who started us."""
    house = House(WEB)
    answers = house.ask(dry_run=True)
    house.found(OTHER)
    (answer,) = answers
    assert isinstance(answer, Reloaded) and answer.changed and list(answer.plan.changed) == ["web"]
    assert house.configured.configuration.services == {"web": WEB}
    assert house.said == [] and "reloading" not in house.upward and house.taken == []
    house.ask(dry_run=True)
    house.readings.pop(0)(encode(Reading(errors=("a.toml:1: x",))))
    assert house.said == []


def test_one_reading_at_a_time() -> None:
    """Who asks while one is under way shares the next: files may have changed after they were read."""
    house = House(WEB)
    first = house.ask()
    later = [house.ask() for _ in range(5)] + [house.ask(dry_run=True)]
    for _ in range(100):
        house.configured.reload_for("received SIGHUP")
    assert len(house.readings) == 1
    house.found(WEB)
    assert len(first) == 1 and not any(later) and len(house.readings) == 1
    house.found(OTHER)
    assert all(len(answers) == 1 for answers in later) and house.readings == []
    dry = later[-1][0]
    assert isinstance(dry, Reloaded) and list(dry.plan.changed) == ["web"], "compared before it was taken over"
    assert len(house.plans) == 2


def test_a_bug_of_ours_keeps_nobody_waiting() -> None:
    """Who asked is told, the loop too, and the next reading goes on."""
    house = House(WEB)
    house.configured.on_change.insert(0, lambda _plan: 1 / 0)  # type: ignore[arg-type, return-value]
    answers, later = house.ask(), house.ask()
    with pytest.raises(ZeroDivisionError):
        house.found(OTHER)
    assert answers == [Unusable(text="internal error: ZeroDivisionError('division by zero')")]
    house.configured.on_change.clear()
    house.found(WEB)
    assert isinstance(later[0], Reloaded)


def test_who_has_gone_is_not_told() -> None:
    """What was asked for happens all the same."""
    house = House(WEB)
    answers: list[Outcome] = []
    house.configured.reload(False, answers.append)()
    house.found(OTHER)
    assert answers == [] and house.configured.configuration.services == {"web": OTHER}


def test_a_shutdown_that_begins_meanwhile() -> None:
    """What was read comes too late."""
    house = House(WEB)
    answers = house.ask()
    house.world.shut_down(9.0)
    house.found(OTHER)
    assert answers == [Unusable(text="cannot reload the configuration: asyncinit is shutting down")]
    house.configured.reload_for("received SIGHUP")
    assert house.readings == [] and "shutting down" in house.said[-1][0]


def test_what_needs_another_asyncinit_stays() -> None:
    """It is named each time, and is no change."""
    house = House(WEB)
    for _ in range(2):
        answers = house.ask()
        house.found(WEB, init=InitSpec(control_socket="/elsewhere"))
        (answer,) = answers
        assert isinstance(answer, Reloaded) and not answer.changed and answer.init.at_restart == ("control_socket",)
        assert house.configured.configuration.init.control_socket is None
        assert house.said[-2:] == [
            ("configuration: nothing has changed", LogLevel.INFO),
            ("control_socket of [init] takes another start of asyncinit", LogLevel.WARNING),
        ]


def test_the_words_for_the_log() -> None:
    """Each kind of change has its part, however many services it is."""
    house = House(WEB, service("api", requires=("web",)), *(service(f"s{n}") for n in range(5)), service("gone"))
    house.world.start("web", "api", "gone", *(f"s{n}" for n in range(5)))
    house.world.settle()
    house.ask()
    many = [service(f"s{n}", description="x") for n in range(5)]
    house.found(OTHER, service("api", requires=("web",)), *many, service("new", enabled=False))
    assert house.said == [
        (
            "configuration: added new; removing gone; restarting web; with them api; "
            "changed in place s0, s1 and 3 more",
            LogLevel.INFO,
        )
    ]


def test_the_words_for_what_listened() -> None:
    """What is to be there without a connection now starts, and that is said once."""
    sockets = (Socket(SocketKind.TCP, "127.0.0.1:80", "http"),)
    lazy, db = service("web", sockets=sockets, on_demand=True), service("db", enabled=False)
    house = House(lazy, db)
    house.world.carry_out(house.engine.boot(["web"], 0.0))
    house.ask()
    house.found(service("web", umask=0o77, sockets=sockets, requires=("db",)), db)
    assert house.said == [("configuration: starting web; newly needed db", LogLevel.INFO)]


@pytest.mark.parametrize(("dry_run", "again"), [(False, True), (True, False)])
def test_over_a_re_exec(dry_run: bool, again: bool) -> None:
    """What was being read is read again, but not for who only wanted to look; the options are the same."""
    house = House(WEB)
    house.configured.options = replace(house.configured.options, services=("s",), rewrite={1: 2})
    house.ask(dry_run)
    state = decode(encode(house.configured.freeze(lambda fd: fd)), ConfiguredState)
    house.readings.clear()
    second = house.make(house.configured.configuration)
    second.thaw(state)
    assert second.options == house.configured.options
    assert bool(house.readings) == again
