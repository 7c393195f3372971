"""List our own children, and those of others, with what this kernel and this /proc allow; knows no service.

Three ways, the first that works: the kernel's lists of children; one pass over all of /proc, where the kernel has no
such lists (CONFIG_PROC_CHILDREN); none, where /proc is not mounted or shows the processes of another PID namespace.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from asyncinit.linux import proc


class Member(NamedTuple):
    """A live process of a service; `start_time` in ticks since boot, 0 where it can't be known."""

    pid: int
    start_time: int
    name: str
    state: str
    parent: int
    group: int
    session: int


class Listing:
    """The lists; `problem` is told once that there is no usable /proc."""

    def __init__(self, problem: Callable[[str], None]) -> None:
        self._problem = problem
        self._told = False
        self._own: proc.OwnChildren | None = None
        self._census: proc.Census | None = None
        self._us = os.getpid()

    @property
    def blind(self) -> bool:
        """Whether there was no usable /proc when our children were last to be listed."""
        return self._own is None and self._census is None

    @property
    def costly(self) -> bool:
        """Whether listing our children means to read all of /proc."""
        return self._census is not None

    def own(self) -> list[int]:
        """Return our children that were not reaped; none where there is no usable /proc. Raises OSError."""
        if self._own is None:
            self._census = None
            if not proc.usable():
                self._tell()
                return []
            try:
                self._own = proc.OwnChildren()
            except FileNotFoundError:
                self._census = proc.Census()
                return self._census.children(self._us)
        return self._own.read()

    def of(self, pid: int) -> list[int]:
        """Return the children of another process."""
        return self._census.children(pid) if self._census is not None else proc.children(pid)

    def close(self) -> None:
        """Give up the descriptor that it holds."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._problem(
                "cannot use /proc: it is not mounted or of another PID namespace; "
                "what services leave behind is found by process group only"
            )
