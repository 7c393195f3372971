"""Bring a machine up: the early steps in order, each told to the kernel's log; the services are not its concern."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from asyncinit import __version__
from asyncinit.machine.boot_log import BootLog, Level
from asyncinit.machine.early import EARLY
from asyncinit.machine.hand_over import handed_over
from asyncinit.machine.step import Done, Policy, Step, carry_out
from asyncinit.machine.system import System


class BroughtUp(NamedTuple):
    """How it went, by CLOCK_MONOTONIC, which begins with the kernel: when it handed over, and when asyncinit began."""

    handed_over: float | None
    begun: float
    steps: tuple[Done, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """What could not be done, each a line."""
        return tuple(done.failure for done in self.steps if done.failure)


def bring_up(
    system: System,
    log: BootLog,
    emergency: Callable[[str], None],
    steps: Sequence[Step[System]] = EARLY,
) -> BroughtUp:
    """Carry out the early steps; never raises for what they do.

    `emergency` is called with the reason where a step fails that nothing is right without, and returns when somebody
    has looked after it; then the step is tried once more.
    """
    begun = time.monotonic()
    log.tell(f"asyncinit {__version__} brings up this machine")
    done: list[Done] = []
    for step in steps:
        one = _carry_out(step, system, log)
        if one.failure and one.policy is Policy.EMERGENCY:
            emergency(one.failure)
            one = _carry_out(step, system, log)
        done.append(one)
    for word in system.words.unknown:
        log.tell(f"kernel command line: {word} means nothing to asyncinit", Level.WARNING)
    took = time.monotonic() - begun
    moment = handed_over(log, f"{len(done)} early steps done in {1000 * took:.0f} ms")
    return BroughtUp(moment, begun, tuple(done))


def _carry_out(step: Step[System], system: System, log: BootLog) -> Done:
    [done] = carry_out([step], system)
    if done.failure:
        log.tell(done.failure, Level.WARNING if done.policy is Policy.NOTE else Level.ERROR)
    elif done.outcome.text:
        log.tell(f"{step.name}: {done.outcome.text}")
    return done
