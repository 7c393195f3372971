"""What asyncinit says of itself and of what reaches it, in words for people; pure, knows no sink."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from asyncinit.core.status import Reason, signal_name


def begun(starting: int, declared: int, pid: int, profiles: Sequence[str]) -> str:
    """Return the first line of a life: how much is started, as which process, with which profiles of the files."""
    role = "PID 1" if pid == 1 else f"pid {pid}, a subreaper"
    active = f", with profile {' and '.join(profiles)}" if profiles else ""
    return f"starting {starting} of {declared} services as {role}{active}"


def stuck(reason: Reason | None) -> str:
    """Return why a service that survives SIGKILL cannot be started."""
    return reason.text if reason is not None else "something of it is still alive"


def received(signal: int, sender: str) -> str:
    """Return the line that a signal came: "received SIGTERM from pid 12 (uid 0)"; without `sender` where unknown."""
    return f"received {signal_name(signal)} {sender}".rstrip()


def failed_callback(context: Mapping[str, Any]) -> str:
    """Return what the loop tells of an exception that has escaped a callback, with the place where it was raised."""
    error = context.get("exception")
    text = str(context.get("message", "an exception in a callback"))
    return text if error is None else f"{text}: {raised(error)}"


def raised(error: BaseException) -> str:
    """Return an exception with the place where it was raised."""
    where = traceback.extract_tb(error.__traceback__)
    return f"{error!r} ({where[-1].filename}:{where[-1].lineno})" if where else repr(error)
