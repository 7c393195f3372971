"""One thing that a forked child does on its way to its program; plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Step(NamedTuple):
    """One thing to do in the child; `name` completes "cannot ..."."""

    name: str
    call: Callable[..., object]
    arguments: tuple[object, ...] = ()
