"""`python -m asyncinit.machine.programs.kept`: clock and random seed, where /var comes with /etc/fstab.

What the last life of the machine has left in /var/lib/asyncinit is looked for before the first service. Where /var, or
what that links to, is on a disk of its own, it is there only now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from asyncinit.errors import why
from asyncinit.machine import clock, seed
from asyncinit.machine.system import System

STEPS: Mapping[str, Callable[[System], str]] = {"clock": clock.correct, "random seed": seed.load}


def take(system: System, steps: Mapping[str, Callable[[System], str]] = STEPS) -> list[str]:
    """Do what could not be done without it, and return what there is to tell; nothing of this is worth a failure."""
    told = []
    for name, step in steps.items():
        try:
            text = step(system)
        except OSError as error:
            text = why(error.errno or 0)
        if text:
            told.append(f"{name}: {text}")
    return told


if __name__ == "__main__":
    for line in take(System()):
        print(line, flush=True)
