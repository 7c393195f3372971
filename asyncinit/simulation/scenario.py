"""What is assumed of services, and what is done to them: plain data, made by `words` from what a person has written."""

from __future__ import annotations

import math
from enum import StrEnum

from msgspec import Struct

from asyncinit.core.status import ExitStatus

READY = 1.0
"""Seconds that a service with [ready] takes to become ready, and a oneshot to complete, where nothing else is said."""

STOP = 0.1
"""Seconds that a service takes to end once it is asked to."""

UNTIL = 3600.0
"""Seconds after which a simulation ends that does not end by itself."""


class Onset(StrEnum):
    """From when the time of a fault counts: from the beginning, or from each start, or each time that it is ready."""

    BEGINNING = "beginning"
    START = "start"
    READY = "ready"


class Fault(Struct, frozen=True):
    """The main process of `name` ends with `status`, `after` seconds from `onset`; `said` is how that was written."""

    name: str
    onset: Onset
    after: float
    status: ExitStatus
    said: str


class Illness(Struct, frozen=True):
    """The health probes of `name` fail from `begins` to `ends`."""

    name: str
    begins: float
    ends: float = math.inf


class Verb(StrEnum):
    """What somebody asks for."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


class Request(Struct, frozen=True):
    """Somebody asks at `moment` for `verb` of a service."""

    moment: float
    verb: Verb
    name: str


class Scenario(Struct, frozen=True):
    """All that is made up.

    `ready` and `stop` say of services, by name, how long they take to become ready (or complete) and to end once they
    are asked to; `math.inf`: never. `shutdown`: somebody asks for one then. `wall` is the time of day at the beginning,
    for timers. `seed` decides what is left to chance.
    """

    ready: dict[str, float] = {}
    stop: dict[str, float] = {}
    faults: tuple[Fault, ...] = ()
    illnesses: tuple[Illness, ...] = ()
    requests: tuple[Request, ...] = ()
    shutdown: float | None = None
    until: float = UNTIL
    wall: float = 0.0
    seed: int = 0
