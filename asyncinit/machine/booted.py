"""The sign that this system was booted by asyncinit, for everybody else: whoever reads files as its PID 1 does."""

from __future__ import annotations

import os

SIGN = "run/asyncinit/booted"
"""Below the root folder; /run is empty at each boot."""


def say_booted(root: str = "/") -> None:
    """Leave the sign. Raises OSError."""
    path = os.path.join(root, SIGN)
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def is_booted(root: str = "/") -> bool:
    """Tell whether the sign is there."""
    return os.path.exists(os.path.join(root, SIGN))
