"""Requests for services that somebody waits for: when each has come to an end, and whether well.

Reads the engine, changes nothing. A job is looked at whenever the engine has come to rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncinit.control.types import ActionResult
from asyncinit.core import telling
from asyncinit.core.engine import Engine
from asyncinit.core.service import IS_UP, Phase, Service
from asyncinit.core.status import State
from asyncinit.runtime.control.operations import JobState, Verb


class ActJob:
    """One request (`runtime.control.operations.Job`): `done` is called once, with a result a name, in order."""

    def __init__(
        self,
        engine: Engine,
        verb: Verb,
        names: Sequence[str],
        affected: Sequence[str],
        done: Callable[[list[ActionResult]], None],
        carried: JobState | None = None,
    ) -> None:
        self._engine = engine
        self._verb = verb
        self._names = tuple(names)
        self._affected = tuple(affected)
        self._done: Callable[[list[ActionResult]], None] | None = done
        self._unfit = frozenset(n for n in names if verb is Verb.RELOAD and not _runs(engine.services[n]))
        self._idle = frozenset(n for n in names if verb is Verb.STOP and engine.services[n].at_rest)
        if carried is not None:
            self._unfit, self._idle = frozenset(carried.unfit), frozenset(carried.idle)

    def freeze(self) -> JobState:
        """Return what is carried over a re-exec."""
        names, affected = list(self._names), list(self._affected)
        return JobState(self._verb, names, affected, sorted(self._unfit), sorted(self._idle))

    @property
    def affected(self) -> tuple[str, ...]:
        """Names of services that were not named but are stopped or started too."""
        return self._affected

    @property
    def over(self) -> bool:
        """Tell whether nobody waits any more."""
        return self._done is None

    def cancel(self) -> None:
        """Stop waiting; what was begun goes on."""
        self._done = None

    def look(self) -> None:
        """Call `done` if every service concerned has come to an end of what was asked."""
        if self._done is None:
            return
        results = []
        for name in self._names:
            result = self._result(name)
            if result is None:
                return
            results.append(result)
        # What was taken along shall have come to an end too, well or badly: then nothing that was begun is open.
        if any(self._result(name) is None for name in self._affected):
            return
        done, self._done = self._done, None
        done(results)

    def _result(self, name: str) -> ActionResult | None:
        """Return what came of it for one service, or None while that is open."""
        service = self._engine.services.get(name)
        if service is None:
            ok = self._verb is Verb.STOP
            return ActionResult(name=name, ok=ok, state=State.INACTIVE, text="it is not declared any more")
        if self._verb is Verb.STOP:
            return self._stopped(service)
        if self._verb is Verb.RELOAD:
            return self._reloaded(service)
        return self._came_up(service)

    def _came_up(self, service: Service) -> ActionResult | None:
        name = service.name
        if name in self._engine.lives.successors:
            return None
        if self._verb is Verb.RESTART and (failure := self._engine.lives.failures.get(name)) is not None:
            return _answer(service, False, f"not restarted: {failure.text}; pid {service.main} goes on")
        if service.leaving or service.phase not in {Phase.UP, Phase.RELOADING, Phase.DOWN, Phase.BACKOFF}:
            return None
        return _answer(
            service, service.satisfied or service.state in {State.COMPLETED, State.LISTENING}, telling.outcome(service)
        )

    def _stopped(self, service: Service) -> ActionResult | None:
        if service.wanted:
            return _answer(service, False, "started again by another request")
        if not service.at_rest or any(not life.at_rest for life in self._engine.lives.beside_of(service.name)):
            return None
        if service.stuck:
            return _answer(service, False, telling.outcome(service))
        return _answer(service, True, "was not running" if service.name in self._idle else telling.outcome(service))

    def _reloaded(self, service: Service) -> ActionResult | None:
        if service.name in self._unfit:
            return _answer(service, False, f"not reloaded: it is {service.state}")
        if service.phase is Phase.RELOADING:
            return None
        if service.phase is not Phase.UP or service.reason != service.unhealthy:
            return _answer(service, False, telling.outcome(service))
        return _answer(service, True, "reloaded")


def _runs(service: Service) -> bool:
    return service.phase in IS_UP and not service.stays_completed


def _answer(service: Service, ok: bool, text: str) -> ActionResult:
    return ActionResult(name=service.name, ok=ok, state=service.state, text=text)
