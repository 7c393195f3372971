"""What PID 1 of a machine tells everybody else: that asyncinit has booted this system, and by which Python.

The sign is for commands, which then read the files that PID 1 reads. The Python is for the programs of its services
(`machine.programs`): the one that can import them may be in a virtual environment that no PATH leads to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

SIGN = "run/asyncinit/booted"
"""Below the root folder; /run is empty at each boot."""

PYTHON = "ASYNCINIT_PYTHON"
"""The variable that services are given."""


def tell_python(environment: MutableMapping[str, str]) -> None:
    """Put the Python into our own environment, which services get."""
    environment[PYTHON] = sys.executable


def say_booted(root: str = "/") -> None:
    """Leave the sign. Raises OSError."""
    path = os.path.join(root, SIGN)
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def is_booted(root: str = "/") -> bool:
    """Tell whether the sign is there."""
    return os.path.exists(os.path.join(root, SIGN))
