"""`python -m asyncinit.machine.programs.restore`: the clock and the random seed of the machine's life before.

The early steps have done this already where /var is on the root's file system. Where it is mounted later, this does it
then: a clock that is right by then stays as it is, and a seed that is mixed in twice harms nobody.
"""

from __future__ import annotations

import sys

from asyncinit.machine import clock, seed
from asyncinit.machine.child import here
from asyncinit.machine.system import System

_RESTORED = (("set the clock", clock.correct), ("load the random seed", seed.load))


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
