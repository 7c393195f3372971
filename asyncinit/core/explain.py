"""Why a service is in its state, and what would happen next, in words for people. Pure: reads the engine alone.

An explanation is a chain: the service that was asked for, then those that it waits for or that are its cause, each
once, nearest first, down to those that wait for nobody. What follows is told from the far end of the chain: what has to
happen there first, then step by step what that leads to. Every state has its words; a test holds the table total.
"""

from __future__ import annotations

from msgspec import Struct

from asyncinit.core.engine import Engine
from asyncinit.core.prospects import Prospects
from asyncinit.core.situation import Lookup, Situation
from asyncinit.core.status import State

# So many services of a chain are explained, and so many steps of what follows are told; a person reads no more.
_LINKS = 20
_STEPS = 12


class Link(Struct, frozen=True):
    """One service of the chain; `text` reads after its name: "is waiting: requires db, which is in backoff"."""

    service: str
    state: State
    text: str


class Explanation(Struct, frozen=True):
    """The chain, beginning with the service itself, and the steps that would follow, in order."""

    chain: tuple[Link, ...]
    next: tuple[str, ...]
    more: int = 0
    """So many further services of the chain are not explained."""


def explain(
    engine: Engine,
    name: str,
    now: float,
    *,
    obstacle: Lookup = lambda _name: None,
    trigger: Lookup = lambda _name: None,
) -> Explanation:
    """Explain the state of `name` at `now`.

    The core does not know all: `obstacle` gives what a starting service's readiness waits for ("tcp 127.0.0.1:8080:
    connection refused"), `trigger` what will start one that is at rest ("in 3 h its timer starts backup").
    """
    order, more = _chain(engine, name)
    situation, prospects = Situation(engine, now, obstacle), Prospects(engine, now, trigger)
    links = tuple(Link(one, engine.services[one].state, situation.state_of(engine.services[one])) for one in order)
    steps: dict[str, None] = {}
    # What has to come first is at the far end of the chain, but a stop that goes on waits for nobody there.
    goes_on = engine.services[name].state is State.STOPPING and not engine.waiting_on(name)
    for one in order if goes_on else reversed(order):
        steps.update(dict.fromkeys(prospects.next_of(engine.services[one])))
    steps.update(dict.fromkeys(prospects.released_by(engine.services[name])))
    return Explanation(links, tuple(steps)[:_STEPS], more)


def _chain(engine: Engine, name: str) -> tuple[list[str], int]:
    """Return `name` and all that is the cause of its state, nearest first, and how many are left out."""
    order: dict[str, None] = {name: None}
    queue = [name]
    for current in queue:
        for other in _causes(engine, current):
            if other not in order:
                order[other] = None
                queue.append(other)
    return queue[:_LINKS], max(0, len(queue) - _LINKS)


def _causes(engine: Engine, name: str) -> list[str]:
    """Return the services to which the state of `name` leads back at once."""
    service = engine.services[name]
    held = engine.waiting_on(name)
    if held:
        return held
    reason = service.reason
    blamed = reason is not None and reason.service in engine.services and service.state is not State.READY
    return [reason.service] if blamed and reason is not None and reason.service is not None else []
