"""How the early steps of a machine went, as it is remembered over re-execs and told to `analyze`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from asyncinit.control.types import EarlyStep, EarlyTimes, sendable

if TYPE_CHECKING:
    from asyncinit.machine.boot import BroughtUp


class Step(Struct, frozen=True):
    """One of them; monotonic seconds."""

    name: str
    began: float
    took: float
    failure: str = ""


class Early(Struct, frozen=True):
    """All of them; `handed_over`: when the kernel began with user space, None: it has not told."""

    begun: float = 0.0
    handed_over: float | None = None
    steps: tuple[Step, ...] = ()


def remembered(brought_up: BroughtUp) -> Early:
    """Return what is kept of them."""
    steps = (Step(done.name, done.began, done.took, done.failure) for done in brought_up.steps)
    return Early(brought_up.begun, brought_up.handed_over, tuple(steps))


def told(early: Early, loaded: float) -> EarlyTimes:
    """Return what is told of them; `loaded`: when asyncinit went on to the services."""
    zero = early.begun if early.handed_over is None else early.handed_over
    done = max((step.began + step.took for step in early.steps), default=early.begun)
    return EarlyTimes(
        kernel=None if early.handed_over is None else round(early.handed_over, 6),
        begun=round(early.begun - zero, 6),
        done=round(done - zero, 6),
        loaded=round(loaded - zero, 6),
        steps=[
            EarlyStep(
                name=step.name,
                began=round(step.began - zero, 6),
                took=round(step.took, 6),
                failure=sendable(step.failure) or None,
            )
            for step in early.steps
        ],
    )
