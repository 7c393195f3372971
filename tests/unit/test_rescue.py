"""A boot that cannot come up as it was meant to leads to the rescue shell with its reason, and goes on after it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from asyncinit.config.spec import Restart, RestartPolicy, ServiceType
from asyncinit.control.types import EventEntry
from asyncinit.core.events import Effect
from asyncinit.core.status import State
from asyncinit.machine.programs import rescue as program
from asyncinit.runtime.rescue import NAME, PROVEN, Rescue, RescueState
from tests.unit.test_patience import FakeTimers
from tests.unit.world import World, service

ONCE = Restart(policy=RestartPolicy.NEVER)


class Machine:
    """A world of services, and what watches over its boot; it looks whenever something has happened."""

    def __init__(self, **services: dict[str, object]) -> None:
        specs = {name: service(name, **{"restart": ONCE, **keys}) for name, keys in services.items()}
        self.world = World(specs | {NAME: service(NAME, enabled=False, restart=ONCE)})
        self.engine = self.world.engine
        self.said: list[str] = []
        self.booted: list[list[str]] = []
        self.timers = FakeTimers()
        self.rescue = self.make()

    def make(self) -> Rescue:
        return Rescue(self, self, self.timers, self.booted.append, lambda: ["/dev/ttyS0"])  # type: ignore[arg-type]

    def watch(self, _watcher: Callable[[], None]) -> None:
        """Supervisor: `look` is called by the tests."""

    def follow(self, _take: Callable[[EventEntry], None]) -> None:
        """Announcer: `changes` are told by the tests."""

    def system(self, text: str, *_: object) -> None:
        """Announcer: note what is told."""
        self.said.append(text)

    def request(self, request: Callable[[float], list[Effect]]) -> None:
        self.world.carry_out(request(self.world.now))
        self.world.settle()

    def boot(self, *names: str, declared: bool = True) -> None:
        self.rescue.watch(names if declared else (), names)
        self.start(*names)
        self.rescue.look()

    def start(self, *names: str) -> None:
        self.world.start(*names)
        self.world.settle()

    def ends(self, name: str, code: int = 1) -> None:
        self.world.exit(name, code)
        self.world.settle()
        self.rescue.look()

    def changes(self, new: State, name: str = NAME) -> None:
        self.rescue.take(EventEntry(time="", service=name, old=State.INACTIVE, new=new, reason=None, text=""))

    @property
    def shell(self) -> bool:
        return self.world.state(NAME) is not State.INACTIVE


def test_what_the_boot_is_for_has_failed() -> None:
    """The shell is started and told why."""
    machine = Machine(app={}, other={})
    machine.boot("app", "other")
    assert not machine.shell
    machine.ends("app")
    assert machine.shell
    assert machine.rescue.variables(NAME) == {program.REASON: "app exited with 1"}
    assert machine.rescue.variables("app") == {}
    assert "app exited with 1" in program.text(machine.rescue.variables(NAME))


def test_what_it_requires_has_failed() -> None:
    """The cause comes first."""
    machine = Machine(app={"requires": ("db",)}, db={})
    machine.boot("app")
    machine.ends("db")
    assert machine.shell
    assert machine.rescue.variables(NAME)[program.REASON].splitlines()[0] == "db exited with 1"


def test_what_nobody_needs_may_fail() -> None:
    """A wish of what the boot is for, and what is merely enabled beside it."""
    machine = Machine(app={"wants": ("cache",)}, cache={})
    machine.boot("app")
    machine.ends("cache")
    assert not machine.shell


def test_without_a_start_only_the_failure_of_all_counts() -> None:
    """Targets are no help then: they come up with nothing."""
    machine = Machine(app={}, other={}, point={"type": ServiceType.TARGET})
    machine.boot("app", "other", "point", declared=False)
    for name in ("app", "other"):
        machine.world.exit(name, 1)
        machine.world.settle()
    machine.rescue.look()
    assert machine.shell


def test_without_a_start_one_that_is_up_will_do() -> None:
    """The others fail for themselves."""
    machine = Machine(app={}, other={})
    machine.boot("app", "other", declared=False)
    machine.ends("app")
    machine.timers.advance(PROVEN)
    machine.ends("other")
    assert not machine.shell


def test_a_failure_after_the_boot_is_none_of_it() -> None:
    """on_give_up says what is done about that."""
    machine = Machine(app={})
    machine.boot("app")
    machine.timers.advance(PROVEN)
    assert machine.world.state("app") is State.READY
    machine.ends("app")
    assert not machine.shell and not machine.timers.waiting


def test_up_and_down_again_is_no_proof() -> None:
    """What ends and is restarted keeps the boot from being over, until it stays."""
    again = Restart(policy=RestartPolicy.ALWAYS, delay=1.0, limit=1)
    machine = Machine(app={"restart": again})
    machine.boot("app")
    machine.timers.advance(PROVEN - 1)
    machine.ends("app")
    assert not machine.timers.waiting
    machine.world.advance(2)
    machine.world.settle()
    machine.rescue.look()
    machine.timers.advance(PROVEN + 1)
    machine.ends("app")
    assert machine.shell


def test_the_boot_goes_on_after_the_shell() -> None:
    """What used the console is stopped for it, and started again; the reason is forgotten."""
    machine = Machine(app={"tty": "/dev/ttyS0"}, far={"tty": "/dev/ttyS1"}, bad={})
    machine.rescue.watch(("app", "far", "bad"), ())
    machine.start("app", "far", "bad")
    machine.ends("bad")
    machine.changes(State.STARTING)
    assert machine.world.state("app") is not State.READY
    assert machine.world.state("far") is State.READY
    machine.changes(State.COMPLETED)
    assert machine.booted == [["app"]]
    assert machine.rescue.variables(NAME) == {}
    machine.changes(State.INACTIVE)
    assert len(machine.booted) == 1


def test_nobody_takes_the_console_from_the_shell() -> None:
    """A login that begins while it is there has to wait for its end; one elsewhere has not."""
    machine = Machine(app={}, login={"tty": "/dev/ttyS0"}, screen={"tty": "/dev/tty1"})
    machine.boot("app")
    machine.ends("app")
    machine.changes(State.STARTING)
    for name in ("login", "screen"):
        machine.start(name)
        machine.changes(State.STARTING, name)
    assert machine.world.state("login") in {State.STOPPING, State.INACTIVE}
    assert machine.world.state("screen") not in {State.STOPPING, State.INACTIVE}
    machine.changes(State.COMPLETED)
    assert machine.booted == [["login"]]


def test_the_shell_of_on_failure_says_whose() -> None:
    """A service may name it itself; a reason of the boot says more."""
    environment = {"MONITOR_SERVICE": "mounts", "MONITOR_SERVICE_RESULT": "exit-code"}
    assert "mounts has failed (exit-code)" in program.text(environment)
    assert "the boot's" in program.text({**environment, program.REASON: "the boot's"})
    assert "One person" in program.text({})


def test_each_boot_is_over_by_itself() -> None:
    """That of a shell that somebody asked for on a machine that was up, too."""
    machine = Machine(app={})
    machine.boot("app")
    machine.timers.advance(PROVEN)
    machine.boot("app")
    machine.timers.advance(2 * PROVEN)
    machine.ends("app")
    assert not machine.shell


def test_the_shell_alone_is_a_boot_that_does_not_fail() -> None:
    """`single`: nobody waits for anything."""
    machine = Machine(app={})
    machine.boot(NAME)
    assert machine.rescue.variables(NAME) == {}
    assert "nothing else is started" in program.text({})
    machine.changes(State.STARTING)
    machine.changes(State.FAILED)
    assert machine.booted == [[]]


def test_it_is_watched_over_a_re_exec() -> None:
    """What the boot waits for is carried."""
    machine = Machine(app={})
    machine.rescue.watch(("app",), ())
    state = msgspec.msgpack.encode(machine.rescue.freeze(lambda fd: fd))
    machine.rescue = machine.make()
    machine.rescue.thaw(msgspec.msgpack.decode(state, type=RescueState))
    machine.start("app")
    machine.ends("app")
    assert machine.shell


def test_a_machine_that_goes_down_needs_no_shell() -> None:
    """Its services end, and that is no failure of the boot."""
    machine = Machine(app={})
    machine.rescue.watch(("app",), ())
    machine.world.shut_down(10)
    machine.rescue.look()
    machine.changes(State.INACTIVE)
    assert not machine.shell and not machine.booted
