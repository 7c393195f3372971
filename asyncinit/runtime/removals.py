"""Remove the runtime directories of services that have ended, before a next run makes them anew; decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from asyncinit.config.spec import LogLevel, ServiceSpec
from asyncinit.errors import SpawnError
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.workshop import Workshop

Waiting = Callable[[], None]


class Removals:
    """What is being removed, by service."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop
        self._under_way: dict[str, tuple[ServiceSpec, list[Waiting]]] = {}
        self._tidy: list[Waiting] = []

    def begin(self, spec: ServiceSpec) -> None:
        """Remove the directories of `spec`; what goes wrong is told in the log."""
        name = spec.name
        self._under_way[name] = spec, []
        try:
            self._shop.preparation.remove_directories(spec, partial(self._removed, name))
        except SpawnError as error:
            self._shop.loop.call_soon(self._removed, name, error)

    def after(self, name: str, callback: Waiting) -> None:
        """Call `callback` once nothing of `name` is being removed any more: at once, if nothing is."""
        if name in self._under_way:
            self._under_way[name][1].append(callback)
        else:
            callback()

    def when_tidy(self, callback: Waiting) -> None:
        """Call `callback` once nothing at all is being removed."""
        self._tidy.append(callback)
        self._tell_tidy()

    def freeze(self, _keep: Keep) -> list[ServiceSpec]:
        """Return what is carried over a re-exec: whose directories are being removed, which is begun again."""
        return [spec for spec, _ in self._under_way.values()]

    def thaw(self, state: list[ServiceSpec]) -> None:
        """Begin again; who waits has to say so again."""
        for spec in state:
            self.begin(spec)

    def _removed(self, name: str, failure: SpawnError | None) -> None:
        if failure is not None:
            self._shop.journal.event(name, str(failure), LogLevel.WARNING)
        for callback in self._under_way.pop(name)[1]:
            callback()
        self._tell_tidy()

    def _tell_tidy(self) -> None:
        if not self._under_way:
            waiting, self._tidy = self._tidy, []
            for callback in waiting:
                callback()
