"""A boot that cannot come up as it was meant to leads to the rescue shell with its reason, and goes on after it."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
import pytest

from asyncinit.config.spec import Restart, RestartPolicy, ServiceType
from asyncinit.control.types import EventEntry
from asyncinit.core.events import Effect
from asyncinit.core.status import State
from asyncinit.machine.console_shell import LEAST, UNATTENDED, Program
from asyncinit.machine.programs import rescue as program
from asyncinit.runtime.crashing import IN_A_ROW, LATE
from asyncinit.runtime.rescue import NAME, PROVEN, Rescue, RescueState
from tests.unit.test_patience import FakeTimers
from tests.unit.world import World, service

ONCE = Restart(policy=RestartPolicy.NEVER)
ALWAYS = Restart(delay=1.0, backoff=1.0, jitter=0.0)


class Machine:
    """A world of services, and what watches over its boot; it looks whenever something has happened.

    Changes of services other than the shell are told as the announcer would; those of the shell by the tests.
    """

    def __init__(self, **services: dict[str, object]) -> None:
        specs = {name: service(name, **{"restart": ONCE, **keys}) for name, keys in services.items()}
        self.world = World(specs | {NAME: service(NAME, enabled=False, restart=ONCE)})
        self.engine = self.world.engine
        self.said: list[str] = []
        self.booted: list[list[str]] = []
        self.rebooted: list[str] = []
        self.told = 0
        self.timers = FakeTimers()
        self.rescue = self.make()

    def make(self) -> Rescue:
        return Rescue(
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.timers,  # type: ignore[arg-type]
            self.booted.append,
            self.rebooted.append,
            lambda: ["/dev/ttyS0"],
        )

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
        self.tell()
        self.rescue.look()

    def tell(self) -> None:
        fresh, self.told = self.world.states[self.told :], len(self.world.states)
        for name, state in fresh:
            if name != NAME and state is State.BACKOFF:
                self.changes(state, name)

    def passes(self, seconds: float) -> None:
        """Let time go by for both, in steps: a service may be restarted, and crash at once or be up."""
        end = self.world.now + seconds
        while self.world.now < end:
            step = min(1.0, end - self.world.now)
            self.world.advance(step)
            self.world.settle()
            self.rescue.look()
            self.timers.advance(self.world.now)

    def shell_ends(self, code: int, after: float = 5.0) -> None:
        """The shell is there for a while, and ends."""
        self.changes(State.STARTING)
        self.timers.advance(self.timers.time + after)
        self.world.exit(NAME, code)
        self.world.settle()
        self.changes(self.world.state(NAME))

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
    assert [due for due, _ in machine.timers.waiting] == [PROVEN - 1 + LATE]
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
    machine.timers.advance(LEAST)
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
    machine.timers.advance(LEAST)
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
    machine.shell_ends(0)
    assert machine.booted == [[]] and not machine.rebooted


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


# ---------------------------------------------------------------------------------------------------------------------
# No shell to be had


def test_without_a_shell_the_machine_reboots() -> None:
    """After half a minute, and not before; the boot is not tried again at once. The console is given back meanwhile."""
    machine = Machine(app={}, login={"tty": "/dev/ttyS0", "restart": ALWAYS})
    machine.rescue.watch(("app",), ())
    machine.start("app", "login")
    machine.ends("app")
    machine.shell_ends(program.NOBODY, after=0.1)
    machine.ends("login")
    assert machine.world.state("login") is State.READY
    machine.timers.advance(machine.timers.time + UNATTENDED - 1)
    assert not machine.rebooted
    machine.timers.advance(machine.timers.time + 1)
    assert len(machine.rebooted) == 1
    assert not machine.booted and not machine.timers.waiting


def test_single_without_a_shell_reboots_too() -> None:
    """The boot is for nothing but the shell."""
    machine = Machine(app={})
    machine.boot(NAME)
    machine.shell_ends(program.NOBODY)
    assert not machine.booted
    machine.timers.advance(machine.timers.time + UNATTENDED)
    assert len(machine.rebooted) == 1


def test_a_shell_that_a_failure_in_the_boot_starts_is_no_other() -> None:
    """By its on_failure: there was a reason to let somebody in."""
    machine = Machine(mounts={"on_failure": (NAME,)}, app={})
    machine.boot("app")
    machine.start("mounts")
    machine.ends("mounts")
    machine.shell_ends(program.NOBODY)
    assert not machine.booted
    machine.start("app")
    machine.ends("app")  # or its being up would be what counts
    machine.timers.advance(machine.timers.time + UNATTENDED)
    assert len(machine.rebooted) == 1


def test_whoever_only_asked_for_the_shell_gets_no_reboot() -> None:
    """The machine that is up stays up, with its console given back."""
    machine = Machine(app={}, login={"tty": "/dev/ttyS0", "restart": ALWAYS})
    machine.boot("app", "login")
    machine.timers.advance(PROVEN)
    machine.start(NAME)
    machine.shell_ends(program.NOBODY)
    machine.ends("login")
    assert machine.world.state("login") is State.READY
    assert not machine.booted and not machine.timers.waiting


def test_a_shell_may_end_with_any_status() -> None:
    """That of what was typed last: it was there."""
    machine = Machine(app={})
    machine.boot("app")
    machine.ends("app")
    machine.shell_ends(5)
    assert machine.world.state(NAME) is State.FAILED
    assert machine.booted == [[]] and not machine.timers.waiting


def test_a_shell_that_ends_at_once_does_not_make_a_boot_that_spins() -> None:
    """A console without anybody at its other end; and where it fails at once there is none."""
    machine = Machine(app={})
    machine.boot("app")
    machine.ends("app")
    machine.shell_ends(0, after=0.0)
    assert not machine.booted
    machine.timers.advance(LEAST)
    assert machine.booted == [[]]

    machine = Machine(app={})
    machine.boot("app")
    machine.ends("app")
    machine.shell_ends(127, after=0.0)
    machine.timers.advance(UNATTENDED)
    assert not machine.booted and len(machine.rebooted) == 1


def test_a_shell_that_cannot_even_begin_is_none() -> None:
    """What a drop-in has it require has failed."""
    machine = Machine(app={})
    machine.boot("app")
    machine.ends("app")
    machine.changes(State.FAILED)
    machine.timers.advance(UNATTENDED)
    assert not machine.booted and len(machine.rebooted) == 1


def test_what_comes_up_after_all_needs_no_reboot() -> None:
    """Somebody, or its policy, has started it again; then the boot is watched as before."""
    machine = Machine(app={})
    machine.boot("app")
    machine.ends("app")
    machine.shell_ends(program.NOBODY)
    machine.start("app")
    machine.timers.advance(machine.timers.time + UNATTENDED)
    assert not machine.rebooted
    machine.ends("app")
    machine.shell_ends(program.NOBODY)
    machine.timers.advance(machine.timers.time + UNATTENDED)
    assert len(machine.rebooted) == 1


def test_the_reboot_comes_after_a_re_exec_too() -> None:
    """At the moment that was said."""
    machine = Machine(app={})
    machine.boot("app")
    machine.ends("app")
    machine.shell_ends(program.NOBODY)
    machine.timers.waiting.clear()
    due = machine.timers.time + UNATTENDED
    machine.rescue = carried(machine)
    machine.timers.advance(due - 1)
    assert not machine.rebooted
    machine.timers.advance(due)
    assert len(machine.rebooted) == 1


def test_up_for_a_moment_is_not_up_after_all() -> None:
    """What crashes again and again is up between two crashes."""
    machine = Machine(app={"restart": ALWAYS})
    machine.boot("app")
    crashes(machine, "app", IN_A_ROW)
    machine.shell_ends(program.NOBODY)
    machine.world.advance(ALWAYS.delay)
    machine.world.settle()
    assert machine.world.state("app") is State.READY
    machine.timers.advance(machine.timers.time + UNATTENDED)
    assert len(machine.rebooted) == 1


def test_a_shell_that_has_just_ended_is_over_after_a_re_exec_too() -> None:
    """The boot goes on."""
    machine = Machine(app={})
    machine.boot("app")
    machine.ends("app")
    machine.shell_ends(0, after=0.0)
    machine.timers.waiting.clear()
    machine.rescue = carried(machine)
    machine.timers.advance(machine.timers.time + LEAST)
    assert machine.booted == [[]]


def carried(machine: Machine) -> Rescue:
    """Return what the program after a re-exec has."""
    state = msgspec.msgpack.encode(machine.rescue.freeze(lambda fd: fd))
    fresh = machine.make()
    fresh.thaw(msgspec.msgpack.decode(state, type=RescueState))
    return fresh


# ---------------------------------------------------------------------------------------------------------------------
# What crashes again and again


def crashes(machine: Machine, name: str, times: int, code: int = 1) -> None:
    """Let a service end so often as soon as it was executed, and be restarted by its policy."""
    for _ in range(times):
        machine.passes(ALWAYS.delay)
        machine.ends(name, code)


def test_what_crashes_in_a_row_has_failed_for_the_boot() -> None:
    """With the policy that is the default it would go on for ever; it is restarted all the same."""
    machine = Machine(app={"restart": ALWAYS, "requires": ("db",)}, db={"restart": ALWAYS})
    machine.boot("app")
    crashes(machine, "db", IN_A_ROW - 1, 3)
    assert not machine.shell
    crashes(machine, "db", 1, 3)
    assert machine.shell
    assert machine.rescue.variables(NAME)[program.REASON] == "db exited with 3, 5 times in a row"
    machine.passes(ALWAYS.delay)
    assert machine.world.state("db") is State.READY


def test_what_ends_well_has_not_crashed() -> None:
    """Something that is run again and again."""
    machine = Machine(app={"restart": ALWAYS})
    machine.boot("app")
    crashes(machine, "app", IN_A_ROW - 1)
    crashes(machine, "app", 1, 0)
    crashes(machine, "app", IN_A_ROW - 1)
    assert not machine.shell


def test_a_crash_after_a_while_is_the_first_again() -> None:
    """Once it has been up for `reset_after`; but two minutes after the first of all each one is too late."""
    machine = Machine(app={"restart": ALWAYS}, slow={"type": ServiceType.ONESHOT})
    machine.boot("app", "slow")
    machine.ends("app")
    for _ in range(int(LATE / 15) - 1):
        machine.passes(15)
        machine.ends("app")
    assert not machine.shell
    machine.passes(15)
    machine.passes(15)
    assert not machine.shell  # it is up
    machine.ends("app")
    assert machine.shell
    assert "exited with 1, and is down 2 min" in machine.rescue.variables(NAME)[program.REASON]


def test_what_is_not_up_long_after_its_first_crash_has_failed() -> None:
    """Its next start is far away, and nothing else happens."""
    machine = Machine(app={"restart": Restart(delay=1000.0, max_delay=1000.0)})
    machine.boot("app")
    machine.ends("app")
    machine.passes(LATE - 1)
    assert not machine.shell
    machine.timers.waiting.clear()
    machine.rescue = carried(machine)  # a re-exec changes nothing about it
    machine.passes(1)
    assert machine.shell


def test_a_long_first_start_is_none_of_that() -> None:
    """A start has a time limit of its own."""
    machine = Machine(slow={"type": ServiceType.ONESHOT, "restart": ALWAYS})
    machine.boot("slow")
    machine.passes(10 * LATE)
    assert not machine.shell and not machine.timers.waiting


def test_crashes_after_the_boot_are_none_of_it() -> None:
    """The shell is for a boot."""
    machine = Machine(app={"restart": ALWAYS})
    machine.boot("app")
    crashes(machine, "app", 1)
    machine.passes(2 * PROVEN)
    assert not machine.timers.waiting
    crashes(machine, "app", 2 * IN_A_ROW)
    assert not machine.shell and not machine.timers.waiting


def test_without_a_start_what_waits_for_what_crashes_will_not_come() -> None:
    """Nothing of it comes up; with one that does the boot has not failed."""
    services: dict[str, dict[str, object]] = {
        "app": {"restart": ALWAYS, "requires": ("db",)},
        "db": {"restart": ALWAYS, "type": ServiceType.ONESHOT},
    }
    machine = Machine(**services)
    machine.boot("app", "db", declared=False)
    crashes(machine, "db", IN_A_ROW)
    assert machine.shell

    machine = Machine(**services, other={})
    machine.boot("app", "db", "other", declared=False)
    crashes(machine, "db", IN_A_ROW)
    assert not machine.shell


def test_crashes_are_counted_over_a_re_exec() -> None:
    """And anew for the boot after the shell."""
    machine = Machine(app={"restart": ALWAYS})
    machine.boot("app")
    crashes(machine, "app", IN_A_ROW - 1)
    machine.rescue = carried(machine)
    crashes(machine, "app", 1)
    assert machine.shell
    machine.shell_ends(0)
    assert machine.booted == [[]]
    machine.rescue.watch(("app",), ())
    crashes(machine, "app", IN_A_ROW - 1)
    assert machine.world.state(NAME) is State.COMPLETED
    crashes(machine, "app", 1)
    assert machine.world.state(NAME) is not State.COMPLETED


@pytest.mark.parametrize("broken", [False, True])
def test_the_program_says_that_there_is_no_shell(monkeypatch: pytest.MonkeyPatch, broken: bool) -> None:
    """By a status of its own: nobody may be let in, or the console cannot be used."""
    monkeypatch.setattr(program.console_shell, "program", lambda: Program("/bin/sh", ("-sh",)) if broken else None)
    monkeypatch.setattr(program.console_shell, "consoles", lambda: ["/nonexistent/console"])
    monkeypatch.setattr(program.console_shell, "take", lambda device, alone: os.stat(device))
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == program.NOBODY
