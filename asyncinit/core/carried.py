"""All that the engine holds, as plain data; see `runtime.reexec` for what it is good for."""

from __future__ import annotations

import math

from msgspec import Struct

from asyncinit.config.spec import GiveUp
from asyncinit.core.engine import Engine
from asyncinit.core.events import Effect
from asyncinit.core.graph import Graph
from asyncinit.core.service import Service
from asyncinit.core.status import Reason


class EngineState(Struct):
    """What is carried over a re-exec; times are monotonic, which goes on."""

    services: dict[str, Service] = {}
    beside: dict[str, Service] = {}
    successors: dict[str, str] = {}
    failures: dict[str, Reason] = {}
    shutting_down: bool = False
    overrun: bool = False
    budget: float = math.inf
    stop_deadline: float = math.inf
    killed: list[str] = []
    ended_essential: str | None = None
    gave_up: GiveUp = GiveUp.NONE
    gave_up_on: str | None = None


def freeze(engine: Engine) -> EngineState:
    """Return what is carried over a re-exec."""
    return EngineState(
        dict(engine.services),
        dict(engine.lives.beside),
        dict(engine.lives.successors),
        dict(engine.lives.failures),
        engine.shutting_down,
        engine.overrun,
        engine.budget,
        engine.stop_deadline,
        list(engine.killed),
        engine.ended_essential,
        engine.gave_up,
        engine.gave_up_on,
    )


def thaw(engine: Engine, state: EngineState, now: float) -> list[Effect]:
    """Have a new engine go on where the one of the program before was; return the effects to carry out."""
    lives = engine.lives
    for held, kept in ((lives.present, state.services), (lives.beside, state.beside)):
        held.clear()
        held.update(kept)
    lives.successors, lives.failures = state.successors, state.failures
    declared = {name: service.declared for name, service in state.services.items() if not service.gone}
    detached = {name: service.declared for name, service in state.services.items() if service.gone}
    engine.lay(Graph(declared, detached))
    engine.shutting_down, engine.overrun = state.shutting_down, state.overrun
    engine.budget, engine.stop_deadline, engine.killed = state.budget, state.stop_deadline, state.killed
    engine.ended_essential, engine.gave_up, engine.gave_up_on = state.ended_essential, state.gave_up, state.gave_up_on
    return engine.look_at_all(now)
