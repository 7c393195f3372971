"""Which file systems `fsck` could not look at, since their device had not come: told to `mount`, by a file in /run."""

from __future__ import annotations

import os
from collections.abc import Iterable

PATH = "run/asyncinit/unchecked"
"""Below the root folder: their targets, each ended by a zero byte."""


def say(targets: Iterable[str], root: str = "/") -> None:
    """Leave the targets, in the place of those of before; raises OSError."""
    path = os.path.join(root, PATH)
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    with open(path, "wb") as file:
        file.writelines(os.fsencode(target) + b"\0" for target in targets)


def told(root: str = "/") -> frozenset[str]:
    """Return the targets; none where nothing was left."""
    try:
        with open(os.path.join(root, PATH), "rb") as file:
            return frozenset(os.fsdecode(target) for target in file.read().split(b"\0") if target)
    except FileNotFoundError:
        return frozenset()
