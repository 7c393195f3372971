"""Have the boot of a machine lead to the rescue shell where it cannot come up as it was meant to; starts no process.

What it is meant to bring up is what [init] `start` or the kernel command line names: one of these that has failed for
good or crashes again and again, itself or for what it requires, is the end of the boot. Where nothing is named each
service is for itself, and only a boot that brings none of them up has failed. Once all has been up for half a minute (a
service that ends at once has been up, too) the boot is over, and nothing here happens any more.

The shell is the service `rescue`. With its end the files are read again and the boot goes on. As long as it is there
the services that have a console of the kernel's as their terminal are down. Where nobody can be let in the machine is
rebooted after half a minute, unless what it lacked has come up by then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from asyncinit.config.spec import LogLevel, ServiceType
from asyncinit.control.types import EventEntry
from asyncinit.core.service import Service
from asyncinit.core.status import State
from asyncinit.machine import console_shell
from asyncinit.machine.console_shell import LEAST, UNATTENDED
from asyncinit.machine.programs.rescue import NOBODY, REASON
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.crashing import Crashes, Crashing
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.supervisor import Supervisor
from asyncinit.runtime.timers import Timer, Timers

NAME = "rescue"
"""The service that is the shell, and the target of the kernel command line."""

_CONSOLES = ("/dev/console", "/dev/tty0")
_MOST_REASONS = 10
_PROVEN, _LATE, _GOING_ON, _REBOOTING = "proven", "late", "going on", "rebooting"  # what may be due

PROVEN = 30.0
"""Seconds for which all has to be up."""


class RescueState(Struct):
    """What is carried over a re-exec; moments are monotonic.

    `needed` is what the boot waits for, None once it is over; `any_will_do`: of these; `alone`: for the shell itself.
    `crashed` are its services that did. `reason` is why the boot has failed, empty while it has not. The shell is
    `there` since `begun`; `stopped` had to go for it. At `reboot_at` the machine is rebooted for want of one.
    """

    needed: list[str] | None = None
    any_will_do: bool = False
    alone: bool = False
    crashed: dict[str, Crashes] = {}
    reason: str = ""
    stopped: list[str] = []
    there: bool = False
    begun: float = 0.0
    reboot_at: float | None = None


class Rescue:
    """Watch a boot; `boot` has the files read again and starts what is to be started, and these services.

    `reboot` has the machine rebooted in good order, for the reason that it is given.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        announcer: Announcer,
        timers: Timers,
        boot: Callable[[list[str]], None],
        reboot: Callable[[str], None],
        consoles: Callable[[], Sequence[str]] = console_shell.consoles,
    ) -> None:
        self._supervisor = supervisor
        self._engine = supervisor.engine
        self._announcer = announcer
        self._boot = boot
        self._reboot = reboot
        self._consoles = consoles
        self._timers = timers
        self._due: dict[str, Timer] = {}
        self._become(RescueState())
        supervisor.watch(self.look)
        announcer.follow(self.take)

    def freeze(self, _keep: Keep) -> RescueState:
        """Return what is carried over a re-exec."""
        return self._state

    def thaw(self, state: RescueState) -> None:
        """Go on watching."""
        self._become(state)
        shell = self._engine.services.get(NAME)
        if state.there and shell is not None and shell.at_rest:
            self._arm(_GOING_ON, self._timers.now() + LEAST, self._go_on)
        if state.reboot_at is not None:
            self._arm(_REBOOTING, state.reboot_at, self._give_up)
        if state.needed and not state.reason:
            self._watch_late()

    def _become(self, state: RescueState) -> None:
        self._cancel(*self._due)
        self._state, self._crashing = state, Crashing(state.crashed)

    def _arm(self, what: str, deadline: float, callback: Callable[[], None]) -> None:
        """Call back at a moment; where something is due already it stays so."""

        def fire() -> None:
            del self._due[what]
            callback()

        if what not in self._due:
            self._due[what] = self._timers.at(deadline, fire)

    def _cancel(self, *names: str) -> None:
        for timer in [self._due.pop(name) for name in names if name in self._due]:
            timer.cancel()

    def watch(self, declared: Sequence[str], started: Sequence[str]) -> None:
        """Watch the boot that begins: `declared` is what it is for ([init] start), `started` all that is started."""
        names = self._with_needs(declared) or [
            n for n in started if self._engine.services[n].spec.type is not ServiceType.TARGET
        ]
        before, needed = self._state, [name for name in names if name != NAME]
        self._cancel(_PROVEN, _LATE, _REBOOTING)
        self._state = RescueState(
            needed,
            not declared,
            NAME in declared,
            stopped=before.stopped,
            there=before.there,
            begun=before.begun,
        )
        self._crashing = Crashing(self._state.crashed)

    def _with_needs(self, names: Sequence[str]) -> list[str]:
        found = dict.fromkeys(names)
        queue = list(names)
        while queue:
            fresh = [name for name in self._engine.graph.needs.get(queue.pop(), ()) if name not in found]
            found |= dict.fromkeys(fresh)
            queue += fresh
        return list(found)

    def variables(self, name: str) -> dict[str, str]:
        """Return what the shell is told in its environment."""
        return {REASON: self._state.reason} if name == NAME and self._state.reason else {}

    def look(self) -> None:
        """Find out whether the boot is over, or has failed; called whenever the engine has come to rest."""
        if not self._state.needed or self._state.reason or self._engine.shutting_down:
            return
        services = self._awaited()
        failed = self._failed(services)
        if failed and (not self._state.any_will_do or len(failed) == len(services)):
            self._fail()
        elif not self._all_is_up(services):
            self._cancel(_PROVEN)
        else:
            self._arm(_PROVEN, self._timers.now() + PROVEN, self._over)

    def _awaited(self) -> list[Service]:
        return [self._engine.services[name] for name in self._state.needed or () if name in self._engine.services]

    def _all_is_up(self, services: Sequence[Service]) -> bool:
        return any(map(_is_up, services)) if self._state.any_will_do else all(map(_is_up, services))

    def _failed(self, services: Sequence[Service]) -> list[Service]:
        """Return those that will not come up, as far as that can be told: for themselves, or for what they require."""
        if not self._crashing.found:
            return [service for service in services if service.state is State.FAILED]
        lost = {name for name in self._crashing.found if self._why_lost(name) is not None}
        return [
            service
            for service in services
            if service.state is State.FAILED
            or service.name in lost
            or (lost and service.state is State.WAITING and not lost.isdisjoint(self._with_needs([service.name])))
        ]

    def _why_lost(self, name: str) -> str | None:
        service = self._engine.services.get(name)
        if service is None or _is_up(service):
            return None
        return self._crashing.why(name, self._timers.now())

    def _watch_late(self) -> None:
        deadline = self._crashing.next_late(self._timers.now())
        if deadline < math.inf:
            self._arm(_LATE, deadline, self._is_late)

    def _is_late(self) -> None:
        self.look()
        if self._state.needed and not self._state.reason:
            self._watch_late()

    def _over(self) -> None:
        self._cancel(_LATE, _REBOOTING)
        self._state.needed = self._state.reboot_at = None
        self._crashing.found.clear()

    def _fail(self) -> None:
        self._cancel(_PROVEN, _LATE)
        failed = [service for service in self._engine.services.values() if service.state is State.FAILED]
        lines = {one.name: f"{one.name} {one.failure.text if one.failure else 'has failed'}" for one in failed}
        follows = {one.name for one in failed if one.failure is None or one.failure.service is not None}
        lost = {name: why for name in self._crashing.found if (why := self._why_lost(name)) is not None}
        # First those that have failed by themselves: the others follow from them.
        texts = [f"{name} {why}" for name, why in lost.items() if name not in lines]
        texts += [lines[name] for name in sorted(lines, key=follows.__contains__)]
        self._state.reason = "\n".join(texts[:_MOST_REASONS])
        self._announcer.system(f"the boot has failed: {'; '.join(texts[:_MOST_REASONS])}", LogLevel.ERROR)
        if NAME in self._engine.services:
            self._supervisor.request(lambda now: self._engine.start([NAME], now))
        else:
            self._want_of_shell()

    def take(self, entry: EventEntry) -> None:
        """Make room on the console for the shell, and go on with the boot after it."""
        if self._engine.shutting_down:
            return
        if entry.service != NAME:
            self._take_other(entry)
        elif entry.new is State.STARTING:
            self._shell_begins()
        elif entry.new is State.FAILED or (self._state.there and entry.new in (State.COMPLETED, State.INACTIVE)):
            self._shell_has_ended(entry.new)

    def _take_other(self, entry: EventEntry) -> None:
        if self._state.there and entry.new is State.STARTING:
            self._make_room(entry.service)
        service = self._engine.services.get(entry.service or "")
        if self._state.needed and not self._state.reason and service is not None and entry.new is State.BACKOFF:
            self._crashing.take(service, self._timers.now())
            self._watch_late()

    def _shell_begins(self) -> None:
        self._state.begun = self._timers.now()
        self._cancel(_GOING_ON)
        if not self._state.there:
            self._state.there = True
            self._make_room()

    def _shell_has_ended(self, state: State) -> None:
        shell = self._engine.services[NAME]
        lasted = self._timers.now() - self._state.begun
        unable = shell.run_exit is not None and shell.run_exit.code == NOBODY
        if not self._state.there or shell.skipped or (state is State.FAILED and (unable or lasted < LEAST)):
            self._had_no_shell(shell)
        elif lasted < LEAST:
            self._arm(_GOING_ON, self._state.begun + LEAST, self._go_on)
        else:
            self._go_on()

    def _go_on(self) -> None:
        stopped = self._state.stopped
        self._become(RescueState())
        self._announcer.system("the rescue shell has ended: the boot goes on")
        self._boot(stopped)

    def _had_no_shell(self, shell: Service) -> None:
        """Give the console back; reboot where the shell was to help a boot, and not only asked for."""
        stopped, self._state.stopped, self._state.there = self._state.stopped, [], False
        present = [name for name in stopped if name in self._engine.services]
        if present:
            self._supervisor.request(lambda now: self._engine.start(present, now))
        for_a_failure = self._state.needed is not None and shell.follows is not None
        if self._state.reason or self._state.alone or for_a_failure:
            self._want_of_shell()
        else:
            self._announcer.system("there is no rescue shell: nobody can be let in at the console", LogLevel.ERROR)

    def _want_of_shell(self) -> None:
        if self._state.reboot_at is None:
            self._state.reboot_at = self._timers.now() + UNATTENDED
            self._arm(_REBOOTING, self._state.reboot_at, self._give_up)
            text = f"nobody can be let in at the console: rebooting in {UNATTENDED:g} s"
            self._announcer.system(text, LogLevel.ERROR)

    def _give_up(self) -> None:
        self._state.reboot_at = None
        if self._engine.shutting_down:
            return
        # Up for a moment is not yet up: so is what crashes again and again.
        well = [_is_up(service) and not service.attempt for service in self._awaited()]
        if well and (any(well) if self._state.any_will_do else all(well)):
            self._state.reason = ""
            self._crashing.found.clear()
            self._announcer.system("what the boot needs has come up after all: no reboot", LogLevel.WARNING)
            self.look()
        else:
            self._reboot("the boot has failed, and nobody can be let in")

    def _make_room(self, only: str | None = None) -> None:
        """Stop who has a console; `only`: this one, which wants it now."""
        taken = {*self._consoles(), *_CONSOLES}
        users = [
            name
            for name, service in self._engine.services.items()
            if name != NAME and only in (None, name) and service.spec.tty in taken and not service.off
        ]
        self._state.stopped = list(dict.fromkeys((*self._state.stopped, *users)))
        if users:
            self._supervisor.request(lambda now: self._engine.stop(users, now))


def _is_up(service: Service) -> bool:
    return service.satisfied or (service.at_rest and service.rest is State.COMPLETED)
