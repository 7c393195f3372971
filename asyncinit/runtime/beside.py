"""What a person is told who has a project's services in a terminal: what runs where, and what to do when one fails.

Elsewhere nobody reads along, and such lines would be noise in a log. Decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from asyncinit.config.spec import Configuration
from asyncinit.control.types import EventEntry
from asyncinit.core.engine import Engine
from asyncinit.core.status import State
from asyncinit.runtime.announcer import Announcer

_MOST = 12
"""Services whose ports are told."""

_PORT = "PORT"


def introduction(configuration: Configuration, started: tuple[str, ...], folder: str) -> Iterator[str]:
    """Yield lines that say what is run: the project, its files, and the ports that services are given."""
    files = sorted({os.path.dirname(file) if file.endswith(".toml") else file for file in configuration.files})
    yield f"the project {folder}: {', '.join(file or 'asyncinit.toml' for file in files)}"
    given = {name: configuration.services[name].environment.get(_PORT, "") for name in started}
    ports = [f"{name} {port}" for name, port in given.items() if port.isdecimal()]
    more = f" and {len(ports) - _MOST} more" if len(ports) > _MOST else ""
    if ports:
        yield f"ports: {', '.join(ports[:_MOST])}{more}"


class Hints:
    """Say once what can be done when a service has failed; `later` calls a function after what is being told."""

    def __init__(self, engine: Engine, announcer: Announcer, later: Callable[[Callable[[], None]], None]) -> None:
        self._engine = engine
        self._announcer = announcer
        self._later = later
        self._stop: Callable[[], None] = announcer.follow(self._take)

    def _take(self, entry: EventEntry) -> None:
        by_another = entry.reason is not None and entry.reason.service is not None
        if entry.new is State.FAILED and entry.service is not None and not by_another:
            self._later(partial(self._tell, entry.service))

    def _tell(self, name: str) -> None:
        if self._engine.shutting_down or name not in self._engine.services:
            return  # there is nobody to ask any more
        self._later = lambda _tell: None
        self._stop()  # before it hears what it says itself
        again = f"in another terminal `asyncinit restart {name}` starts it again"
        self._announcer.note(name, f"{again}, and `asyncinit explain {name}` says more")
