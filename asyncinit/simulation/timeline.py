"""What has happened in a simulation, in order; judges nothing."""

from __future__ import annotations

from msgspec import Struct

from asyncinit.core.shutdown_plan import Share
from asyncinit.core.status import Code, State


class Entry(Struct, frozen=True):
    """A change of a service's state, or (`old` is `new`) something else to tell of it; `service` None: of the whole.

    `waiting_on` are the services that it waits for then. `minor`: the next entry of the service tells it all.
    `killed`: it had to be. `begins`: the shutdown does.
    """

    time: float
    service: str | None
    text: str
    old: State | None = None
    new: State | None = None
    code: Code | None = None
    waiting_on: tuple[str, ...] = ()
    minor: bool = False
    killed: bool = False
    begins: bool = False


class Plan(Struct, frozen=True):
    """How a shutdown shares out its time: `timeout` seconds in all, `budget` of it for services."""

    timeout: float
    budget: float
    shares: tuple[Share, ...]


class Outcome(Struct, frozen=True):
    """What a simulation has come to, at `end` (seconds).

    `states` is how each service is at the end, or (`shutdown` not None) was when the shutdown began; `restarts` counts
    those that came by themselves. `shutdown` is when that began, `took` how long it took. `exit_status` is asyncinit's
    own, where it has ended. `cut` says why the simulation was ended before its time, empty: it was not. `open`: more
    would happen after the end. `notes` are for whoever wrote the scenario.
    """

    end: float
    entries: tuple[Entry, ...]
    states: dict[str, State]
    restarts: dict[str, int]
    shutdown: float | None = None
    plan: Plan | None = None
    took: float | None = None
    exit_status: int | None = None
    cut: str = ""
    open: bool = False
    notes: tuple[str, ...] = ()
