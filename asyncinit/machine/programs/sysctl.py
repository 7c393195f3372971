"""`python -m asyncinit.machine.programs.sysctl`: sysctl.d once more; a module has its settings once it is loaded."""

from __future__ import annotations

import sys

from asyncinit.machine import sysctl
from asyncinit.machine.child import here
from asyncinit.machine.system import System


def main(system: System) -> int:
    """Apply all settings, and return 1 if some were refused."""
    outcome = here(sysctl.apply, system)
    if outcome.failure:
        print(outcome.failure, file=sys.stderr)
    return 1 if outcome.failure else 0


if __name__ == "__main__":
    sys.exit(main(System()))
