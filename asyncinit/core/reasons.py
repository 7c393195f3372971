"""Why the engine has something happen to a service for the sake of another one, or of its declaration. Pure words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from asyncinit.config.spec import pod_of_key
from asyncinit.core.service import Service
from asyncinit.core.status import Code, Reason, State

NO_LONGER_DECLARED = Reason(Code.CONFIGURATION, "it is not declared any more")


def of_stop(needs: Iterable[str], down: Collection[str]) -> Reason:
    """Return why a service is stopped with those that go `down`, one of which it `needs`."""
    cause = next(other for other in needs if other in down)
    pod = pod_of_key(cause)
    if pod is not None:
        return Reason(Code.POD, f"in pod {pod}, which is being stopped", cause)
    return Reason(Code.DEPENDENCY, f"requires {cause}, which is being stopped", cause)


def of_conflict(cause: str) -> Reason:
    """Return why a service goes down that cannot be up beside `cause`, which is started."""
    return Reason(Code.CONFLICT, f"conflicts with {cause}, which is started", cause)


def of_loss(cause: Service) -> Reason:
    """Return why a service that is bound to `cause` goes down."""
    why = cause.failure.text if cause.failure is not None else f"is {cause.state}"
    why = f"was {why}" if why.startswith("killed ") else why
    pod = pod_of_key(cause.name)
    if pod is not None:
        return Reason(Code.POD, f"in pod {pod}, which {why}", cause.name)
    return Reason(Code.DEPENDENCY, f"bound to {cause.name}, which {why}", cause.name)


def of_failure(cause: Service) -> Reason:
    """Return why a service cannot start that needs `cause`, which will not come by itself."""
    detail = f": {cause.reason.text}" if cause.reason is not None else ""
    pod = pod_of_key(cause.name)
    if pod is not None:
        how = f"has failed{detail}" if cause.rest is State.FAILED else "is not up"
        return Reason(Code.POD, f"in pod {pod}, which {how}", cause.name)
    if cause.rest is State.FAILED:
        text = f"requires {cause.name}, which has failed{detail}"
    elif cause.rest is State.COMPLETED:
        text = f"requires {cause.name}, which has ended"
    elif cause.skipped:
        text = f"bound to {cause.name}, which was skipped{detail}"
    else:
        text = f"requires {cause.name}, which is not started"
    return Reason(Code.DEPENDENCY, text, cause.name)


def of_change(keys: Sequence[str]) -> Reason:
    """Return why a service is restarted whose declaration has changed in `keys`."""
    named = f"{', '.join(keys[:3])} and {len(keys) - 3} more" if len(keys) > 3 else ", ".join(keys)
    return Reason(Code.CONFIGURATION, f"its declaration has changed ({named})")
