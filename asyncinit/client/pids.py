"""Pids of the server's PID namespace as our own sees them; reads /proc, asks the server nothing."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Callable


def translator(server_pid: int, own_pid: int) -> Callable[[int | None], int | None]:
    """Return what turns the server's pids into ours; None for those that we cannot see.

    `server_pid`: the server's pid as we see it (SO_PEERCRED; 0: it is in no namespace of ours); `own_pid`: as it says
    itself. The usual case, one namespace, costs one small file.
    """
    if server_pid == 0 or not _proc_is_ours():
        # In a namespace below or beside the server's. Without a /proc of ours, equal numbers must do.
        return _same if server_pid == own_pid != 0 else _unseen
    ids = _ids(server_pid)
    if ids is None:
        return _same if server_pid == own_pid else _unseen
    if len(ids) == 1:
        return _same
    return _Below(server_pid, len(ids) - 1).translate


def _same(pid: int | None) -> int | None:
    return pid


def _unseen(_pid: int | None) -> None:
    return None


class _Below:
    """The server is in a namespace below ours (we are outside of its container): look its family up."""

    def __init__(self, server_pid: int, depth: int) -> None:
        self._server = server_pid
        self._depth = depth
        self._found: dict[int, int] | None = None

    def translate(self, pid: int | None) -> int | None:
        """Return our number of a process of the server's."""
        if pid is None:
            return None
        if self._found is None:
            self._found = self._look()
        return self._found.get(pid)

    def _look(self) -> dict[int, int]:
        """Map the server's numbers to ours for it and its descendants.

        Another container may have the same numbers at the same depth, so descent decides: everything that the server
        supervises descends from it (it is a subreaper where it is not PID 1).
        """
        parents: dict[int, int] = {}
        inner: dict[int, int] = {}
        for entry in os.listdir("/proc"):
            if not entry.isdecimal():
                continue
            status = _status(int(entry))
            ids = status.get("NSpid", "").split()
            if len(ids) > self._depth:
                parents[int(entry)] = int(status.get("PPid", "0"))
                inner[int(entry)] = int(ids[self._depth])
        return {number: pid for pid, number in inner.items() if self._descends(pid, parents)}

    def _descends(self, pid: int, parents: dict[int, int]) -> bool:
        for _ in range(len(parents) + 1):
            if pid == self._server:
                return True
            if pid not in parents:
                return False
            pid = parents[pid]
        return False


def _proc_is_ours() -> bool:
    """Tell whether /proc shows our own PID namespace: one from outside has other numbers."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def _ids(pid: int) -> list[int] | None:
    """Return a process's pids from our namespace down to its own; None if it cannot be seen."""
    text = _status(pid).get("NSpid")
    return [int(number) for number in text.split()] if text else None


def _status(pid: int) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/status", errors="replace") as file:
            return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    except OSError:
        return {}
