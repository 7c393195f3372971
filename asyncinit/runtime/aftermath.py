"""What is left when a main process has ended: written down at that moment, because a moment later it is gone.

Signals nobody, decides nothing. Who outlives a main process whose end nobody asked for is a leak: it is ended by what
follows, and counted here (`asyncinit doctor` shows it).
"""

from __future__ import annotations

import time
from itertools import islice

from asyncinit.core.engine import Engine
from asyncinit.core.phrases import few
from asyncinit.core.service import STOPPABLE
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.cgroups.groups import Cgroups
from asyncinit.runtime.chronicle import Chronicle
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.timers import Timers
from asyncinit.runtime.tree.listing import Member
from asyncinit.runtime.tree.members import Members

# More are not listed: each takes 0.05 ms, and whoever leaves so many behind leaves them all the time.
_LISTED = 100


class Aftermath:
    """Look around when a main process has ended."""

    def __init__(
        self,
        engine: Engine,
        members: Members,
        reaper: Reaper,
        timers: Timers,
        announcer: Announcer,
        chronicle: Chronicle,
        journal: Journal,
        cgroups: Cgroups,
    ) -> None:
        self._engine = engine
        self._members = members
        self._reaper = reaper
        self._timers = timers
        self._announcer = announcer
        self._chronicle = chronicle
        self._journal = journal
        self._cgroups = cgroups

    def main_ended(self, life: str) -> None:
        """Note that the main process of a life has just ended, what it used, and who has outlived it.

        What ends beside the present one (a restart without a gap) is told by that alone.
        """
        service = self._engine.lives.find(life)
        if service is None or life in self._engine.lives.beside:
            return
        name = service.name
        self._announcer.exited(name)
        unasked = service.phase in STOPPABLE and not service.leaving
        left = self._survivors(life) if unasked else []
        self._chronicle.ended(
            name, self._reaper.usage, left, self._timers.now(), time.time(), self._cgroups.status(life)
        )
        if left:
            names = few([f"{member.name} (pid {member.pid})" for member in left])
            verb = "outlives" if len(left) == 1 else "outlive"
            self._journal.event(name, f"{names} {verb} its main process; ending what is left")

    def _survivors(self, life: str) -> list[Member]:
        """Return the live members of a life but for hooks and probes, which asyncinit itself has made."""
        self._members.refresh()
        return [member for member in islice(self._members.walk(life), _LISTED) if not self._reaper.known(member.pid)]
