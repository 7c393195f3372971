"""Restart without a gap: a second life of a service beside the present one. Pure; one life is `lifecycle`'s.

Theory of operation
===================

With `handover = "overlap"` a restart makes another `Service` of the same name, the *successor*, which lives through the
same table as any other. When it is ready it takes the present one's place, and that one, now a *predecessor*, is
stopped as usual: it drains. So there is no phase, no event and no branch of the life cycle for it. What others see of
a service (its state, whether it is satisfied, its gates) is its present life.

A life is known by its key: the service's name, or for a service with overlap the name and a generation ("web~3"), given
when its run begins and kept to its end. Events and effects of a run go by the key, so that what is late or crosses a
takeover still reaches the life that it is about. Changes of state, and sockets, are the service's, and go by its name.

The rules, asked after each step of one of the two:

- The successor is ready: it takes over.
- It fails: it is stopped, like any other, and not restarted. The present one has not noticed.
- The present one goes down by itself or for a restart: the successor takes its place as it is, on its way up.
- Somebody wants the service down: both go.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from asyncinit.config.spec import ServiceSpec
from asyncinit.core.service import GOING_DOWN, IS_UP, Service
from asyncinit.core.status import Code, Reason

_ENDED = Reason(Code.SUCCESS, "it was stopped")


class Verdict(Enum):
    """What shall become of a successor now."""

    GO_ON = "go on"
    TAKE_OVER = "take over"
    GIVE_UP = "give up"
    OVER = "over"


class Lives:
    """The lives of all services: `present` ones by name, those `beside` by key.

    `successors` has the key of the one that is on its way, by name; `failures` why the last one of a service failed,
    until the next restart.
    """

    def __init__(self, present: dict[str, Service]) -> None:
        self.present = present
        self.beside: dict[str, Service] = {}
        self.successors: dict[str, str] = {}
        self.failures: dict[str, Reason] = {}

    def find(self, key: str) -> Service | None:
        """Return a life by its key, None where it is over; a name is the present one, whatever its key."""
        found = self.present.get(key) or self.beside.get(key)
        if found is None and "~" in key:
            present = self.present.get(service_of(key))
            found = present if present is not None and present.key == key else None
        return found

    def put(self, service: Service) -> None:
        """Take what a life has become; its key may be new."""
        if service.key in self.beside:
            self.beside[service.key] = service
        else:
            self.present[service.name] = service

    def all(self) -> Iterator[Service]:
        """Iterate over all lives."""
        yield from self.present.values()
        yield from self.beside.values()

    def beside_of(self, name: str) -> list[Service]:
        """Return the lives of a service beside its present one."""
        return [life for life in self.beside.values() if life.name == name] if self.beside else []

    def concerned(self, name: str) -> list[Service]:
        """Return the lives beside the present one that a wish for the service, or a declaration of it, is about too.

        Not what has come to nothing, and only survives SIGKILL: nothing brings that back.
        """
        key = self.successors.get(name)
        return [life for life in self.beside_of(name) if life.gone or (life.wanted and life.key == key)]

    def successor(self, name: str) -> Service | None:
        """Return the successor that is on its way."""
        key = self.successors.get(name)
        return None if key is None else self.beside[key]

    def begin(self, name: str, spec: ServiceSpec) -> Service:
        """Make a successor, at rest yet, that is to be what `spec` says."""
        present = self.present[name]
        generation = 1 + max(life.generation for life in (present, *self.beside_of(name)))
        new = Service(
            spec,
            generation=generation,
            restarts=present.restarts,
            last_exit=present.last_exit,
            armed=present.armed,
        )
        self.failures.pop(name, None)
        self.beside[new.key] = new
        self.successors[name] = new.key
        return new

    def verdict(self, name: str) -> Verdict:
        """Return what shall become of a service's successor, as both are now."""
        present, new = self.present[name], self.beside[self.successors[name]]
        if new.at_rest:
            return Verdict.OVER
        if new.leaving and not new.wanted:
            return Verdict.GO_ON
        if new.phase in GOING_DOWN and not new.leaving:
            return Verdict.GIVE_UP
        goes_by_itself = present.wanted and (present.leaving or present.phase not in IS_UP)
        return Verdict.TAKE_OVER if new.phase in IS_UP or goes_by_itself else Verdict.GO_ON

    def take_over(self, name: str) -> tuple[Service, Service]:
        """Let the successor be the present life; return the one before, and it."""
        old, new = self.present[name], self.beside.pop(self.successors.pop(name))
        self.present[name] = new
        self.beside[old.key] = old
        return old, new

    def over(self, name: str) -> Reason:
        """Let go of a successor that has come to nothing, and return why."""
        new = self.beside[self.successors.pop(name)]
        reason = new.failure or new.reason or _ENDED
        self.failures[name] = reason
        return reason

    def drop(self, key: str) -> bool:
        """Forget a life beside the present one if nothing is left of it; tell whether that is so."""
        life = self.beside[key]
        over = life.at_rest and not life.stuck and self.successors.get(life.name) != key
        if over:
            del self.beside[key]
        return over


def service_of(key: str) -> str:
    """Return the name of the service whose life has this key."""
    return key.partition("~")[0]
