"""Daemons that fork: whose an orphan is of which neither session, group nor environment tells it.

A daemon leaves the session of its launcher; its environment is closed to us where it runs as another user and we have
not CAP_SYS_PTRACE, as in a container, and is overwritten by some (nginx). Where a service says that a daemon is to come
(`ready.pid_file`), what was born from its launcher's start on until shortly after the launcher's end is its own,
unless that is true of two services. Not carried over a re-exec: the times are short.
"""

from __future__ import annotations

import os

from asyncinit.linux import proc

_AFTERWARDS = 2 * os.sysconf("SC_CLK_TCK")
"""Ticks after the launcher's end in which a daemon may still fork on its way."""


class Launchers:
    """The services whose main process launches a daemon, by name: its pid, and when it began and ended, in ticks."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int, int | None]] = {}

    def begin(self, service: str, pid: int) -> None:
        """The launcher of a service was made just now."""
        stat = proc.stat(pid)
        if stat is not None:
            self._known[service] = pid, stat.start_time, None

    def ended(self, service: str, pid: int) -> None:
        """A process of a service was reaped just now."""
        launcher, start, _ = self._known.get(service, (0, 0, None))
        if launcher == pid:
            self._known[service] = pid, start, proc.instant().ticks

    def forget(self, service: str) -> None:
        """The service is down."""
        self._known.pop(service, None)

    def find(self, start_time: int) -> str | None:
        """Return the one service whose launcher may have made a process that was born then."""
        found = [
            service
            for service, (_, start, end) in self._known.items()
            if start <= start_time and (end is None or start_time <= end + _AFTERWARDS)
        ]
        return found[0] if len(found) == 1 else None
