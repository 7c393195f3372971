"""`python -m asyncinit.machine.programs.coldplug`: load the modules of the devices that are there.

For a machine without udev: the kernel makes the nodes in /dev itself, and a device for which it has no driver yet says
by its modalias what it is. What a new driver finds may be further devices (a disk behind a controller): it looks again
until nothing new comes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from asyncinit.machine.programs.child import run

DEPTH = 8
"""Times to look: devices behind devices behind devices."""


def aliases(devices: str = "/sys/devices") -> set[str]:
    """Return what the devices say that they are."""
    found = set()
    for folder, _, files in os.walk(devices):
        if "modalias" in files:
            try:
                with open(os.path.join(folder, "modalias"), encoding="ascii", errors="replace") as file:
                    found.add(file.read().strip())
            except OSError:
                pass  # it is gone, or does not say
    return found - {""}


def load_all(
    look: Callable[[], set[str]] = aliases, run: Callable[[Sequence[str]], int] = run, depth: int = DEPTH
) -> int:
    """Load what the devices need, and return how many kinds of devices there are."""
    known: set[str] = set()
    for _ in range(depth):
        new = look() - known
        if not new:
            break
        known |= new
        run(["modprobe", "-a", "-b", "-q", *sorted(new)])  # most kinds have no module, which is no failure
    return len(known)


if __name__ == "__main__":
    load_all()
    sys.exit(0)
