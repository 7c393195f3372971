"""What a program that watches a power supply (a UPS) says of it, beside its SIGPWR to PID 1; as sysvinit has it.

The first letter of a file in /run: F fails, L fails and will not last, O is back. sysvinit looks into /etc as well; we
do not: who asks is PID 1, a disk may hang just when the power goes, and /run never does.
"""

from __future__ import annotations

import os
from enum import Enum

PATH = "/run/powerstatus"
"""Where programs know it as /var/run/powerstatus."""


class Power(Enum):
    """What may be said of it."""

    FAILS = "F"
    ENDS = "L"
    IS_BACK = "O"


def take(path: str = PATH) -> Power:
    """Return what is said, and take it away: it is for one signal. Nothing, or no sense: the power ends now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)  # a pipe there holds up nobody
    except OSError:
        return Power.ENDS
    try:
        said = os.read(fd, 1).decode("ascii", "replace")
        os.unlink(path)
    except OSError:
        said = ""
    finally:
        os.close(fd)
    return Power(said) if said in {power.value for power in Power} else Power.ENDS
