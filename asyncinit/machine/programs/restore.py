"""`python -m asyncinit.machine.programs.restore`: what the early steps could not read or write yet.

The clock and the random seed of the machine's life before, and its id. The early steps have done this already where
/var is on the root's file system, and that is mounted for writing. Where it is so only later, this does it then: a
clock that is right by then stays as it is, one that was guessed is set from a hardware clock whose driver is there by
now, a seed that is mixed in twice harms nobody, an id is made, or kept, once.
"""

from __future__ import annotations

import sys

from asyncinit.machine import clock, naming, seed
from asyncinit.machine.child import here
from asyncinit.machine.system import System

_RESTORED = (
    ("set the clock", clock.correct),
    ("load the random seed", seed.load),
    ("keep /etc/machine-id", naming.keep_machine_id),
)


def restore(system: System) -> int:
    """Do it, say what was done, and return 1 if something could not be."""
    failed = 0
    for name, function in _RESTORED:
        outcome = here(function, system)
        if outcome.failure:
            print(f"cannot {name}: {outcome.failure}", file=sys.stderr)
            failed = 1
        elif outcome.text:
            print(f"{name}: {outcome.text}")
    return failed


if __name__ == "__main__":
    sys.exit(restore(System()))
