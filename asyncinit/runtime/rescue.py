"""Have the boot of a machine lead to the rescue shell where it cannot come up as it was meant to; starts no process.

What it is meant to bring up is what [init] `start` or the kernel command line names: one of these that has failed for
good, itself or for what it requires, is the end of the boot. Where nothing is named each service is for itself, and
only a boot that brings none of them up has failed. Once all has been up for half a minute (a service that ends at once
has been up, too) the boot is over, and nothing here happens any more.

The shell is the service `rescue`. With its end the files are read again and the boot goes on. As long as it is there
the services that have a console of the kernel's as their terminal are down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from asyncinit.config.spec import LogLevel, ServiceType
from asyncinit.control.types import EventEntry
from asyncinit.core.service import Service
from asyncinit.core.status import State
from asyncinit.machine import console_shell
from asyncinit.machine.programs.rescue import REASON
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.supervisor import Supervisor
from asyncinit.runtime.timers import Timer, Timers

NAME = "rescue"
"""The service that is the shell, and the target of the kernel command line."""

_CONSOLES = ("/dev/console", "/dev/tty0")
_MOST_REASONS = 10

PROVEN = 30.0
"""Seconds for which all has to be up."""


class RescueState(Struct):
    """What is carried over a re-exec.

    `needed` is what the boot waits for, None once it is over; `any_will_do`: of these. `reason` is why the shell is
    `there`, empty where somebody asked for it; `stopped` had to go for it.
    """

    needed: list[str] | None = None
    any_will_do: bool = False
    reason: str = ""
    stopped: list[str] = []
    there: bool = False


class Rescue:
    """Watch a boot; `boot` has the files read again and starts what is to be started, and these services."""

    def __init__(
        self,
        supervisor: Supervisor,
        announcer: Announcer,
        timers: Timers,
        boot: Callable[[list[str]], None],
        consoles: Callable[[], Sequence[str]] = console_shell.consoles,
    ) -> None:
        self._supervisor = supervisor
        self._engine = supervisor.engine
        self._announcer = announcer
        self._boot = boot
        self._consoles = consoles
        self._timers = timers
        self._proven: Timer | None = None
        self._state = RescueState()
        supervisor.watch(self.look)
        announcer.follow(self.take)

    def freeze(self, _keep: Keep) -> RescueState:
        """Return what is carried over a re-exec."""
        return self._state

    def thaw(self, state: RescueState) -> None:
        """Go on watching."""
        self._state = state

    def watch(self, declared: Sequence[str], started: Sequence[str]) -> None:
        """Watch the boot that begins: `declared` is what it is for ([init] start), `started` all that is started."""
        names = self._with_needs(declared) or [
            n for n in started if self._engine.services[n].spec.type is not ServiceType.TARGET
        ]
        self._state.any_will_do = not declared
        self._state.needed = [name for name in names if name != NAME]

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
        names = self._state.needed
        if not names or self._engine.shutting_down:
            return
        services = [self._engine.services[name] for name in names if name in self._engine.services]
        failed = [service for service in services if service.state is State.FAILED]
        if failed and (not self._state.any_will_do or len(failed) == len(services)):
            self._fail()
            return
        up = any(map(_is_up, services)) if self._state.any_will_do else all(map(_is_up, services))
        if not up:
            self._doubt()
        elif self._proven is None:
            self._proven = self._timers.after(PROVEN, self._over)

    def _over(self) -> None:
        self._proven, self._state.needed = None, None

    def _doubt(self) -> None:
        if self._proven is not None:
            self._proven.cancel()
            self._proven = None

    def _fail(self) -> None:
        self._doubt()
        self._state.needed = None
        failed = [service for service in self._engine.services.values() if service.state is State.FAILED]
        # First those that have failed by themselves: the others follow from them.
        failed.sort(key=lambda service: service.failure is None or service.failure.service is not None)
        lines = [f"{one.name} {one.failure.text if one.failure else 'has failed'}" for one in failed]
        self._state.reason = "\n".join(lines[:_MOST_REASONS])
        self._announcer.system(f"the boot has failed: {'; '.join(lines[:_MOST_REASONS])}", LogLevel.ERROR)
        if NAME in self._engine.services:
            self._supervisor.request(lambda now: self._engine.start([NAME], now))

    def take(self, entry: EventEntry) -> None:
        """Make room on the console for the shell, and go on with the boot after it."""
        if self._engine.shutting_down:
            return
        if entry.service != NAME:
            if self._state.there and entry.new is State.STARTING:
                self._make_room(entry.service)
            return
        if entry.new is State.STARTING and not self._state.there:
            self._state.there = True
            self._make_room()
        elif self._state.there and entry.new in (State.COMPLETED, State.FAILED, State.INACTIVE):
            stopped = self._state.stopped
            self._state = RescueState()
            self._announcer.system("the rescue shell has ended: the boot goes on")
            self._boot(stopped)

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
