"""What the end of a service has started: `on_failure` and `on_success`. Pure; starts nothing itself."""

from __future__ import annotations

from asyncinit.core.service import Service
from asyncinit.core.status import Code, State, Trigger


def of_end(service: Service) -> tuple[tuple[str, ...], Trigger] | None:
    """Return what a service that has come to rest has started, and what these are told; None: nothing.

    Who failed only for something that it requires has nothing started: it is not for good, and that one tells.
    """
    if service.rest is State.FAILED and not service.revivable:
        names, code = service.spec.on_failure, service.reason.code if service.reason is not None else Code.RESOURCES
    elif service.rest is State.COMPLETED:
        names, code = service.spec.on_success, Code.SUCCESS
    else:
        return None
    return (names, Trigger(service.name, code, service.run_exit)) if names else None
