"""What a person is told who has a project's services in a terminal: what runs where, and what to do when one fails.

Elsewhere nobody reads along, and such lines would be noise in a log. Decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

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
    """Say once what can be done when a service has failed."""

    def __init__(self, engine: Engine, announcer: Announcer) -> None:
        self._engine = engine
        self._announcer = announcer
        self._stop: Callable[[], None] = announcer.follow(self._take)

    def _take(self, entry: EventEntry) -> None:
        if entry.new is not State.FAILED or entry.service is None or self._engine.shutting_down:
            return
        if entry.reason is not None and entry.reason.service is not None:
            return  # another one is the cause, and that has its own line
        self._stop()
        name = entry.service
        text = (
            f"in another terminal `asyncinit restart {name}` starts it again, and `asyncinit explain {name}` says more"
        )
        self._announcer.note(name, text)
