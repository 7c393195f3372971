"""The errors of the control protocol, and what each carries."""

from __future__ import annotations

from asyncinit.control.types.acts import ActionResult
from asyncinit.control.types.wire import Wire


class NoSuchService(Wire, frozen=True):
    """A name that no service has; `suggestion` is the nearest name, or empty."""

    name: str
    suggestion: str


class NotAllowed(Wire, frozen=True):
    """The caller's user may not do this."""

    text: str


class Refused(Wire, frozen=True):
    """It cannot be done now, or not with these services."""

    text: str


class ActionFailed(Wire, frozen=True):
    """At least one of the services did not come to what was asked; `results` has them all."""

    results: list[ActionResult]
    affected: list[str]


class InvalidConfiguration(Wire, frozen=True):
    """The files cannot be used, and nothing was changed: `problems` has all that is wrong, a line each."""

    problems: list[str]


class Failed(Wire, frozen=True):
    """asyncinit could not answer; the fault is its own, and its log says more."""

    text: str
