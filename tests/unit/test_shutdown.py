"""How the whole ends: who begins it, its time limit, the second wish, the exit status; with a clock by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from asyncinit.config.spec import (
    GiveUp,
    Health,
    InitSpec,
    LogLevel,
    PowerAction,
    ReadyKind,
    Restart,
    RestartPolicy,
    ServiceSpec,
    ServiceType,
    Stop,
)
from asyncinit.control.types import EventKind
from asyncinit.core import events as ev
from asyncinit.core.service import Phase
from asyncinit.core.status import Code, Reason, State
from asyncinit.runtime.shutdown import SECOND_WISH, Shutdown, ShutdownState
from asyncinit.runtime.supervisor import Supervisor
from tests.unit.world import World, service

NEVER = Restart(RestartPolicy.NEVER)
STUBBORN = Stop(timeout=600.0)


class House(World):
    """A world whose engine is a supervisor's, and what `Shutdown` needs: timers, an announcer, a sweep."""

    def __init__(self, *specs: ServiceSpec, decisive: str | None = None, machine: bool = False, **init: Any) -> None:
        by_name = {spec.name: spec for spec in specs}
        super().__init__(by_name)
        self.timers = HandTimers(self)
        self.teller = Teller()
        self.swept: list[float] = []
        self.codes: list[int] = []
        self.not_executed: dict[str, int] = {}
        self.supervisor = Supervisor(by_name, self.timers.now, lambda: 0.5, self.bugs.append, lambda _later: None)
        self.supervisor.performer = self
        self.engine = self.supervisor.engine
        self.shutdown = Shutdown(
            self.supervisor,
            self.timers,  # type: ignore[arg-type]
            announcer=self.teller,  # type: ignore[arg-type]
            init=InitSpec(**init),
            sweep=self.sweep,
            finish=self.codes.append,
            decisive=decisive,
            not_executed=self.not_executed.get,
            machine=machine,
        )
        names = [name for name, spec in by_name.items() if spec.enabled]
        self.supervisor.request(lambda now: self.engine.start(names, now))
        self.shutdown.started = True
        self.shutdown.look()
        self.settle()

    def sweep(self, seconds: float, done: Callable[[], None]) -> None:
        self.swept.append(seconds)
        done()

    def perform(self, effect: ev.Effect) -> None:
        """Carry out an effect in the world (`Performer`)."""
        self.log.append((effect.service, type(effect).__name__))
        if isinstance(effect, ev.Announce):
            self.shutdown.report.changed(effect, self.now)
        self._effect(effect, self.bodies[effect.service])
        while self.born:
            name, pid = self.born.popleft()
            self.supervisor.post(name, ev.Spawned(pid))

    def tell(self, name: str, event: ev.Event) -> None:
        self.supervisor.post(name, event)

    def pass_time(self, until: float) -> None:
        """Let time pass: the timers of services and of the shutdown fire at their deadlines, in order."""
        while True:
            due = [(deadline, number) for number, (deadline, _) in enumerate(self.timers.set) if deadline <= until]
            services = [(body.timer[1], name) for name, body in self.bodies.items() if body.timer]
            own = min(((deadline, name) for deadline, name in services if deadline <= until), default=None)
            if not due and own is None:
                break
            if own is not None and (not due or own < min(due)[:1]):
                self.now = max(self.now, own[0])
                self.fire(own[1])
            else:
                self.now, callback = self.timers.set.pop(min(due)[1])
                callback()
            self.settle()
        self.now = until

    @property
    def code(self) -> int | None:
        """Return the exit code with which it has ended, None while it goes on."""
        assert len(self.codes) <= 1
        return self.codes[0] if self.codes else None


class HandTimers:
    """`Timers` on a house's clock."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.set: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self._house.now

    def at(self, deadline: float, callback: Callable[[], None]) -> None:
        self.set.append((deadline, callback))


class Teller:
    """The `Announcer`, as far as a shutdown tells something."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.remarks: list[str] = []
        self.fields: list[dict[str, Any]] = []

    def system(
        self,
        text: str,
        level: LogLevel = LogLevel.INFO,
        fields: dict[str, Any] | None = None,
        kind: EventKind = EventKind.MESSAGE,
    ) -> None:
        self.lines.append(text)
        self.fields.append(fields or {})

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def test_a_requested_shutdown() -> None:
    """It ends as soon as all is down and swept, with 0."""
    house = House(service("a"), service("b", requires=("a",)))
    house.shutdown.request("received SIGTERM")
    assert house.code is None
    for name in ("b", "a"):
        house.exit(name, signal=15)
        house.settle()
    assert house.code == 0
    assert house.now == 0.0
    assert house.swept == [2.0]


def test_nothing_is_left_to_run() -> None:
    """When all has ended by itself the whole ends; a failure for good is its status."""
    for code, expected in ((0, 0), (1, 69)):
        house = House(service("a", restart=NEVER), service("all", type=ServiceType.TARGET, wants=("a",)))
        assert house.code is None
        house.exit("a", code)
        house.settle()
        assert house.code == expected


def test_nothing_was_there_to_run() -> None:
    """Without any service it ends at once; with keep_running it stays."""
    assert House().code == 0
    house = House(keep_running=True)
    assert house.code is None
    house.shutdown.request("received SIGTERM")
    assert house.code == 0


def test_who_waits_for_a_restart_keeps_it_up() -> None:
    """A service in back-off is not nothing."""
    house = House(service("a"))
    house.exit("a", 1)
    house.settle()
    assert house.state("a") is State.BACKOFF
    assert house.code is None


@pytest.mark.parametrize("asked", [True, False])
def test_the_budget(asked: bool) -> None:
    """However the shutdown began: what has its turn too late is killed, in order, and the limit is kept."""
    house = House(
        service("a", stop=STUBBORN),
        service("b", stop=STUBBORN, after=("a",)),
        service("main", essential=True, restart=NEVER),
    )
    if asked:
        house.shutdown.request("received SIGTERM")
        house.exit("main")
    else:
        house.exit("main", 0)
    house.settle()
    assert house["b"].phase is Phase.STOPPING
    house.bodies["b"].timer = None  # it hangs: nothing of its own ends it
    house.pass_time(8.5)
    assert house["a"].phase is Phase.UP
    house.pass_time(8.55)
    assert house.engine.killed == ["b", "a"]
    assert house.code == (124 if asked else 0)


def test_a_time_limit_of_none() -> None:
    """Nobody is hurried."""
    house = House(service("a", stop=STUBBORN), shutdown_timeout=float("inf"))
    house.shutdown.request("received SIGTERM")
    house.pass_time(599.0)
    assert house["a"].phase is Phase.STOPPING


def test_a_second_wish() -> None:
    """From a second after the first on: no more waiting. One that comes sooner is the same wish, given twice."""
    house = House(service("a", stop=STUBBORN))
    house.shutdown.request("received SIGTERM")
    house.pass_time(SECOND_WISH - 0.01)
    house.shutdown.request("received SIGTERM")
    assert house["a"].phase is Phase.STOPPING
    house.pass_time(SECOND_WISH)
    house.shutdown.request("received SIGINT")
    house.settle()
    assert house.code == 124
    assert house.now == SECOND_WISH


def test_what_is_done_with_a_machine() -> None:
    """It is switched off, or what was asked for last; a wish that names nothing changes nothing."""
    house = House(service("a", stop=STUBBORN), machine=True)
    assert house.shutdown.action is PowerAction.POWEROFF
    house.shutdown.request("received SIGINT", PowerAction.REBOOT)
    house.shutdown.request("received SIGQUIT")
    assert house.shutdown.action is PowerAction.REBOOT
    house.shutdown.request("requested", PowerAction.HALT)
    assert house.shutdown.action is PowerAction.HALT
    assert "halt in the place of reboot" in house.teller.lines[-1]


def test_what_a_service_has_done_with_a_machine() -> None:
    """Its on_give_up says: reboot; an essential one that ends has it switched off."""
    for give_up, action in ((GiveUp.REBOOT, PowerAction.REBOOT), (GiveUp.SHUTDOWN, PowerAction.POWEROFF)):
        house = House(service("a", restart=Restart(RestartPolicy.NEVER, on_give_up=give_up)), machine=True)
        house.exit("a", 1)
        house.settle()
        assert house.code is not None
        assert house.shutdown.action is action
    house = House(service("a", essential=True, restart=NEVER), machine=True)
    house.exit("a", 1)
    house.settle()
    assert house.shutdown.action is PowerAction.POWEROFF


def test_where_there_is_no_machine() -> None:
    """Nothing is done with it, whatever is asked for."""
    house = House(service("a"))
    house.shutdown.request("requested", PowerAction.REBOOT)
    assert house.shutdown.action is None


def test_at_once() -> None:
    """Nothing is waited for: what is there is killed, on a machine by what comes after."""
    house = House(service("a", stop=STUBBORN))
    house.shutdown.request("requested", at_once=True)
    house.settle()
    assert house.engine.killed == ["a"]
    assert (house.code, house.now) == (124, 0.0)
    house = House(service("a", stop=STUBBORN), machine=True)
    house.shutdown.request("requested", PowerAction.REBOOT)
    house.shutdown.request("requested", PowerAction.REBOOT, at_once=True)
    assert house.codes == [0]
    assert house["a"].phase is Phase.STOPPING
    house.shutdown.request("requested", PowerAction.REBOOT, at_once=True)
    assert house.codes == [0]


def test_the_action_is_carried_over_a_re_exec() -> None:
    """And so is a shutdown that has it."""
    house = House(service("a", stop=STUBBORN), machine=True)
    house.shutdown.request("requested", PowerAction.KEXEC)
    data = msgspec.msgpack.encode(house.shutdown.freeze(lambda _fd: None))
    after = House(service("a", stop=STUBBORN), machine=True)
    after.shutdown.thaw(msgspec.msgpack.decode(data, type=ShutdownState))
    assert after.shutdown.action is PowerAction.KEXEC


def test_a_third_wish_changes_nothing() -> None:
    """What is killed already is not killed again."""
    house = House(service("a", stop=STUBBORN))
    house.shutdown.request("received SIGTERM")
    house.pass_time(SECOND_WISH)
    house.shutdown.request("received SIGTERM")
    house.log.clear()
    house.shutdown.request("received SIGTERM")
    assert house.log == []


def test_time_is_up() -> None:
    """Something hangs in the sweep or in the kernel: it leaves all the same, soon after its time."""
    house = House(service("a", stop=STUBBORN))
    house.shutdown._sweep = lambda _seconds, _done: None
    house.shutdown.request("received SIGTERM")
    house.exit("a")
    house.settle()
    house.pass_time(8.9)
    assert house.code is None
    house.pass_time(9.0)
    assert house.code == 0


@pytest.mark.parametrize("code", [0, 3])
def test_an_essential_service(code: int) -> None:
    """Its end is the end of all, with its status, even where others fail or have to be killed for it."""
    house = House(
        service("main", essential=True, restart=NEVER),
        service("side", stop=Stop(timeout=1.0)),
        service("broken", restart=NEVER),
    )
    house.exit("broken", 1)
    house.exit("main", code)
    house.settle()
    house.pass_time(2.0)
    assert house.engine.killed == ["side"]
    assert house.code == code


def test_an_essential_service_that_failed_and_then_ended_well() -> None:
    """It was stopped because it was unhealthy, and exited with 0: that is no success."""
    health = Health(kind=ReadyKind.FILE, address="/x", threshold=1)
    house = House(service("main", essential=True, restart=NEVER, health=health), service("side"))
    house.tell("main", ev.Probed("no such file"))
    house.exit("main", 0)
    house.settle()
    house.exit("side")
    house.settle()
    assert house.code == 69


def test_an_essential_service_that_cannot_start() -> None:
    """It has no status of its own: something has failed for good."""
    house = House(service("main", essential=True, restart=NEVER), service("side"))
    house.tell("main", ev.SpawnFailed(Reason(Code.SPAWN, "cannot execute main: no such file or directory")))
    house.bodies["main"].alive = False
    house._look_at_tree("main")
    house.settle()
    house.exit("side")
    house.settle()
    assert house.code == 69


def test_what_gives_up() -> None:
    """on_give_up ends the whole, with the status of a failure for good."""
    for give_up in (GiveUp.SHUTDOWN, GiveUp.REBOOT):
        house = House(service("a", restart=Restart(RestartPolicy.NEVER, on_give_up=give_up)), service("b"))
        house.exit("a", 1)
        house.settle()
        house.exit("b")
        house.settle()
        assert house.code == 69


class TestCommand:
    """`-- CMD` beside services."""

    def house(self, **keys: Any) -> House:
        cmd = service("cmd", essential=True, awaits=("a",), restart=NEVER, inherit_stdio=True)
        return House(service("a", **keys), cmd, decisive="cmd")

    def test_its_end(self) -> None:
        """Its status is asyncinit's."""
        house = self.house()
        house.exit("cmd", 7)
        house.settle()
        house.exit("a")
        house.settle()
        assert house.code == 7

    def test_a_requested_shutdown(self) -> None:
        """Its status is asyncinit's then, too."""
        house = self.house()
        house.shutdown.request("received SIGTERM")
        house.exit("cmd", signal=15)
        house.settle()
        house.exit("a")
        house.settle()
        assert house.code == 143

    def test_another_essential_service_ends(self) -> None:
        """That one's status counts: CMD was only stopped because of it."""
        house = self.house(essential=True, restart=NEVER)
        house.exit("a", 3)
        house.settle()
        house.exit("cmd", signal=15)
        house.settle()
        assert house.code == 3

    @pytest.mark.parametrize("code", [126, 127])
    def test_it_cannot_be_executed(self, code: int) -> None:
        """As a shell tells it."""
        house = self.house()
        house.not_executed["cmd"] = code
        house.bodies["cmd"].alive = False
        house.tell("cmd", ev.SpawnFailed(Reason(Code.SPAWN, "cannot execute cmd")))
        house._look_at_tree("cmd")
        house.settle()
        house.exit("a")
        house.settle()
        assert house.code == code

    def test_what_it_waits_for_fails(self) -> None:
        """It never runs, and the whole ends with a failure instead of staying without it."""
        cmd = service("cmd", essential=True, awaits=("a", "b"), restart=NEVER)
        house = House(service("a", type=ServiceType.ONESHOT, restart=NEVER), service("b"), cmd, decisive="cmd")
        house.exit("a", 1)
        house.settle()
        house.exit("b")
        house.settle()
        assert house.code == 69


def test_a_bug_of_ours() -> None:
    """It is told by the status, where nothing more important is."""
    house = House(service("a"))
    house.shutdown.internal_error = True
    house.shutdown.request("received SIGTERM")
    house.exit("a")
    house.settle()
    assert house.code == 70


def test_the_exit_codes_are_mapped() -> None:
    """[init] exit_codes has the last word."""
    house = House(service("main", essential=True, restart=NEVER), exit_codes={143: 0})
    house.exit("main", signal=15)
    house.settle()
    assert house.code == 0


def test_the_summary() -> None:
    """At the end one line: who was slow, who had to be killed, who has failed, and the status."""
    house = House(service("a", stop=Stop(timeout=2.0)), service("b", restart=NEVER))
    house.exit("b", 1)
    house.settle()
    house.shutdown.request("received SIGTERM")
    house.pass_time(3.0)
    assert house.code == 124
    (line,) = (line for line in house.teller.lines if line.startswith("down after"))
    assert line == "down after 2 s; slow: a 2 s; had to be killed: a; failed: b (exited with 1); exit status 124"


def test_who_used_up_the_time() -> None:
    """A row for each that has stopped: what it waited for, what it got and took, whether it was killed."""
    house = House(
        service("db", stop=Stop(timeout=4.0)),
        service("web", requires=("db",), stop=Stop(timeout=4.0)),
        service("all", type=ServiceType.TARGET, requires=("web",)),
        shutdown_timeout=9.0,
    )
    house.shutdown.request("received SIGTERM")
    house.pass_time(1.0)
    house.exit("web")
    house.settle()
    house.pass_time(20.0)
    assert house.code == 124
    web, db = house.shutdown.report.rows
    assert (web.name, web.waited, web.waited_for, web.used, web.killed) == ("web", 0.0, None, 1.0, False)
    assert (db.name, db.waited, db.waited_for, db.killed) == ("db", 1.0, "web", True)
    assert (web.granted, db.granted) == (4.0, 4.0)
    assert house.teller.remarks == ["web  stopped in 1 s of 4 s", "db   killed after 4 s of 4 s, after 1 s for web"]
    table = house.teller.fields[-1]["shutdown"]
    assert table[1] == {
        "service": "db",
        "waited": 1.0,
        "waited_for": "web",
        "granted": 4.0,
        "used": 4.0,
        "killed": True,
    }


def test_what_is_not_part_of_the_shutdown_has_no_row() -> None:
    """What stopped before, and what was at rest, used up nothing."""
    house = House(service("a"), service("b", enabled=False), service("c"))
    house.supervisor.request(lambda now: house.engine.stop(["a"], now))
    house.exit("a")
    house.settle()
    house.shutdown.request("received SIGTERM")
    house.exit("c")
    house.settle()
    assert [row.name for row in house.shutdown.report.rows] == ["c"]


def test_who_decides_the_exit_status() -> None:
    """An essential service; what has failed, if nobody asked for the end; else what had to be killed."""
    essential = House(service("a", essential=True, restart=NEVER), service("b"))
    essential.exit("a", 3)
    essential.settle()
    assert essential.shutdown.decided_by == "a"
    failed = House(service("a", restart=NEVER))
    failed.exit("a", 1)
    failed.settle()
    assert failed.shutdown.decided_by == "a"
    assert failed.shutdown.reason == "nothing is left to run"
    asked = House(service("a", restart=NEVER), service("b"))
    asked.exit("a", 1)
    asked.settle()
    asked.shutdown.request("received SIGTERM")
    asked.exit("b")
    asked.settle()
    assert (asked.shutdown.decided_by, asked.code) == (None, 0)
    killed = House(service("a"))
    killed.shutdown.request("received SIGTERM")
    killed.pass_time(20.0)
    assert (killed.shutdown.decided_by, killed.code) == ("a", 124)
