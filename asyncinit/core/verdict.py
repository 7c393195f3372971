"""Whether the whole is over, and what it has come to; reads the engine, changes nothing. Pure."""

from __future__ import annotations

from asyncinit.config.spec import GiveUp
from asyncinit.core import telling
from asyncinit.core.engine import Engine
from asyncinit.core.outcome import Facts


def reason_to_end(engine: Engine, keep_running: bool) -> str:
    """Return why all shall go down although nobody has asked for it; an empty string: there is no reason.

    `keep_running`: that nothing is left to run is none.
    """
    if engine.ended_essential is not None:
        service = engine.services[engine.ended_essential]
        return f"{service.name} is essential and {telling.outcome(service)}"
    if engine.gave_up is not GiveUp.NONE:
        return f"{engine.gave_up_on} has failed for good (its on_give_up is {engine.gave_up.value})"
    return "nothing is left to run" if engine.idle and not keep_running else ""


def facts(
    engine: Engine,
    decisive: str | None = None,
    *,
    not_executed: int | None = None,
    internal_error: bool = False,
    requested: bool = False,
) -> Facts:
    """Return what the exit status follows from, as things stand.

    `decisive` is the service whose status is asyncinit's own (CMD), where none that is essential has ended.
    """
    name = engine.ended_essential or decisive
    status = engine.services[name].run_exit if name is not None else None
    if status is not None and status.code == 0 and name in engine.failed:
        status = None  # it was stopped because it had failed (unhealthy, too slow), and ended well: no success
    return Facts(
        decisive=status,
        not_executed=not_executed,
        internal_error=internal_error,
        failed=bool(engine.failed),
        killed=bool(engine.killed),
        requested=requested,
    )
