"""Write out what is buffered for disks, as long as there is progress; must not know which disks."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass

from asyncinit.errors import AsyncinitError

_STALLED = 10.0
"""Seconds without progress after which it is given up."""
_LOOK = 250  # milliseconds between two looks at how much is left


@dataclass(eq=False)
class StalledError(AsyncinitError):
    """Nothing was written for a while; `left` KiB were not, where that is known."""

    seconds: float
    left: int | None = None

    def __str__(self) -> str:
        return f"no progress for {self.seconds:g} s" + ("" if self.left is None else f", with {self.left} KiB left")


def write_out(sync: Callable[[], object], left: Callable[[], int | None], patience: float = _STALLED) -> None:
    """Call `sync`, in a child, as long as less and less is `left`; raises StalledError where it stalls.

    A slow disk may take minutes for what it has to write, and a server that does not answer takes for ever: they are
    told apart by that. To be called in a child with a deadline, too.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    if os.fork() == 0:
        try:
            sync()
        finally:
            os._exit(0)
    os.close(writer)
    done = select.poll()
    done.register(reader, select.POLLIN)  # nothing is ever written: its end is the child's
    least, since = left(), time.monotonic()
    while not done.poll(_LOOK):
        now = left()
        if now is not None and (least is None or now < least):
            least, since = now, time.monotonic()
        elif time.monotonic() - since >= patience:
            raise StalledError(patience, now)
    os.close(reader)


def unwritten(path: str = "/proc/meminfo") -> int | None:
    """Return how many KiB wait to be written or are being written; None where nobody can tell."""
    try:
        with open(path, "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) for line in lines if line.startswith((b"Dirty:", b"Writeback:"))]
    return sum(sizes) if sizes else None
