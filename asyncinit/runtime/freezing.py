"""Freeze services, and thaw them: what may be frozen, and why not; stops and signals nobody itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from asyncinit.config.spec import ServiceType
from asyncinit.core.engine import Engine
from asyncinit.core.service import Phase, Service
from asyncinit.runtime.control.operations import RefusedError
from asyncinit.runtime.output.journal import Journal


class Freezer(Protocol):
    """What stops processes and lets them go on (`runtime.performer.Performer`)."""

    def suspend(self, name: str) -> None:
        """Stop all processes of a service where they stand; raises OSError."""

    def resume(self, name: str) -> bool:
        """Let them go on; tell whether they were stopped."""

    def can_suspend(self, name: str) -> bool:
        """Tell whether a service has a cgroup, by which alone it can be done."""


class Freezing:
    """`known` checks names, as for all that users ask for."""

    def __init__(
        self, engine: Engine, freezer: Freezer, journal: Journal, known: Callable[[Sequence[str]], list[str]]
    ) -> None:
        self._engine = engine
        self._freezer = freezer
        self._journal = journal
        self._known = known

    def freeze(self, names: Sequence[str]) -> None:
        """Have all processes of services stand still; raises UnknownServiceError, or RefusedError for any of them."""
        chosen = self._known(names)
        for name in chosen:
            reason = self._obstacle(self._engine.services[name])
            if reason:
                raise RefusedError(f"cannot freeze {name}: {reason}")
        for name in chosen:
            try:
                self._freezer.suspend(name)
            except OSError as error:
                raise RefusedError(f"cannot freeze {name}: {(error.strerror or str(error)).lower()}") from error
            self._journal.event(name, "frozen on request")

    def thaw(self, names: Sequence[str]) -> None:
        """Have them go on; raises UnknownServiceError, or RefusedError for one that is not frozen."""
        chosen = self._known(names)
        warm = [name for name in chosen if not self._freezer.resume(name)]
        for name in chosen:
            if name not in warm:
                self._journal.event(name, "thawed on request")
        if warm:
            raise RefusedError(f"{', '.join(warm)} {'is' if len(warm) == 1 else 'are'} not frozen")

    def _obstacle(self, service: Service) -> str:
        if service.phase is not Phase.UP or service.leaving:
            return f"it is {service.state}, and only what is up can be frozen"
        if service.spec.type is ServiceType.POD:
            return "it is a pod; its members can be frozen"
        if not self._freezer.can_suspend(service.name):
            return (
                "it has no cgroup, by which that is done; a key of [limits] that takes one gives it one "
                "(delegate = true), as does asyncinit as PID 1 of a machine"
            )
        return ""
