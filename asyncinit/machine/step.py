"""A step of bringing up a machine, or of ending it, as data; a table of them is carried out in order.

A step has a name that completes "cannot", says what it is for, and does nothing where nothing is to be done. What may
block has a deadline, and runs in a forked child (`machine.child`). No failure stops a table: each is told, and its
policy says what the caller makes of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from asyncinit.machine.child import Outcome, here, within

C = TypeVar("C")
"""What the steps of a table work on."""


class Policy(StrEnum):
    """What the failure of a step means."""

    NOTE = "note"
    """It is told, and the machine goes on without."""
    EMERGENCY = "emergency"
    """Nothing is right without it: somebody has to look, at an emergency shell."""


class Step(NamedTuple, Generic[C]):
    """One step: `run` does it, and returns what is worth telling of it ("" or None: nothing)."""

    name: str
    """What it does: "mount /proc"; after "cannot" where it fails."""
    need: str
    """What needs it, in a sentence for the reference."""
    run: Callable[[C], str | None]
    """Do it, unless it is done already; OSError and AsyncinitError are its failures."""
    policy: Policy = Policy.NOTE
    """What its failure means."""
    seconds: float | None = None
    """Its deadline: it may block and runs in a child, whose memory is lost. None: it is quick, and runs in PID 1."""


class Done(NamedTuple):
    """What came of a step: when it began (CLOCK_MONOTONIC), how long it took, and its outcome."""

    name: str
    policy: Policy
    began: float
    took: float
    outcome: Outcome

    @property
    def failure(self) -> str:
        """What could not be done, and why; "" where it went well."""
        return f"cannot {self.name}: {self.outcome.failure}" if self.outcome.failure else ""


def carry_out(steps: Iterable[Step[C]], context: C, meanwhile: Callable[[], None] | None = None) -> Iterator[Done]:
    """Carry out steps in order, each as the result of the one before is taken; never raises for what they do.

    `meanwhile` is called every now and then while a child is waited for (to feed a hardware watchdog).
    """
    for step in steps:
        began = time.monotonic()
        if step.seconds is None:
            outcome = here(step.run, context)
        else:
            outcome = within(step.seconds, step.run, context, meanwhile=meanwhile)
        yield Done(step.name, step.policy, began, time.monotonic() - began, outcome)
