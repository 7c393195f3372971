"""Which descriptors stay open over the exec: named while the state is gathered; knows nothing of what they are."""

from __future__ import annotations

import os
from collections.abc import Callable

Keep = Callable[[int], int]
"""Names an open descriptor that is part of the state, and returns it: it has the same number afterwards."""


class Kept:
    """The descriptors that were named so far; called as a `Keep`."""

    def __init__(self) -> None:
        self.descriptors: set[int] = set()

    def __call__(self, fd: int) -> int:
        """Name a descriptor; -1 stands for none, and 0 to 2 stay open in any case."""
        if fd > 2:
            self.descriptors.add(fd)
        return fd

    def let_through(self) -> None:
        """Have them pass the exec: the last thing before it. Raises OSError if one is not open."""
        for fd in self.descriptors:
            os.set_inheritable(fd, True)

    def hold_back(self) -> None:
        """Undo `let_through`: there was no exec after all."""
        for fd in self.descriptors:
            try:
                os.set_inheritable(fd, False)
            except OSError:
                pass  # it was the one that is not open
