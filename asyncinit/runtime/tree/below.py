"""Processes of services that are the children of a PID 1 below us, not ours: known by their start times.

What a service makes in a PID namespace that we made for it is given to PID 1 there when it loses its parent. If that
PID 1 is the service's own, it descends from it all the same. In a pod several services share one: it is a root as we
are, and its children that nobody registered are strangers; what nothing attributes is the pod's own, by descent. What
it reports (`Reaper.orphan_told`) stands for our SIGCHLD.

A child of ours keeps its number as a zombie until we reap it. The child of another does not: whoever has its number
must have its start time too.
"""

from __future__ import annotations

from collections.abc import Iterable

from asyncinit.linux import proc
from asyncinit.linux.proc import Stat
from asyncinit.runtime.process.plan import Pid1
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.tree.attribution import Attribution
from asyncinit.runtime.tree.listing import Listing


class Below:
    """The processes in `owner` that are not our own children."""

    def __init__(self, reaper: Reaper, owner: dict[int, str], attribution: Attribution, listing: Listing) -> None:
        self._reaper, self._owner, self._attribution, self._listing = reaper, owner, attribution, listing
        self.starts: dict[int, int] = {}

    def born(self, service: str, token: str, pid: int) -> None:
        """A process is about to be registered: forget whose number it was, and note whose its init is."""
        self._disown(pid)
        if self._reaper.is_ours(pid):
            return
        stat = proc.stat(pid)
        self.starts[pid] = stat.start_time if stat is not None else 0
        init = self._reaper.init_of(pid)
        if init is not None and not self._reaper.inits[init][1]:
            self._owner[init] = service
            self._attribution.born(service, token, init, leader=True)

    def forget(self, pid: int) -> None:
        """Its end was told, or it is nobody's any more."""
        self.starts.pop(pid, None)

    def _disown(self, pid: int) -> None:
        if self.starts.pop(pid, None) is not None:
            self._attribution.gone(pid, self._owner.pop(pid))

    def is_same(self, stat: Stat) -> bool:
        """Tell whether a process is still the one that was registered under this number, as far as it can be told."""
        return self.starts.get(stat.pid, stat.start_time) in (stat.start_time, 0)

    def is_simple_init(self, pid: int) -> bool:
        """Tell whether `pid` is an init of asyncinit's own making, which reaps, and is not what a service is for."""
        return pid in self._reaper.inits and self._reaper.inits[pid][0] is not Pid1.PROGRAM

    def pid_1s(self, pids: Iterable[int]) -> list[int]:
        """Return those of `pids` that are PID 1 of a PID namespace: nobody there outlives them."""
        return [pid for pid in pids if pid in self._reaper.inits]

    def is_shared_init(self, pid: int) -> bool:
        """Tell whether `pid` is a PID 1 to which orphans of several services come, or that is nobody's (a hook's)."""
        return pid in self._reaper.inits and (self._reaper.inits[pid][1] or pid not in self._owner)

    def strangers(self) -> list[int]:
        """Return the children of shared inits whom nobody registered, and forget those that have gone unheard."""
        for pid in list(self.starts):
            if not self._reaper.known(pid):
                stat = proc.stat(pid)
                if stat is None or not stat.alive or not self.is_same(stat):
                    self._disown(pid)
        inits = [pid for pid in self._reaper.inits if self.is_shared_init(pid)]
        return [pid for init in inits for pid in self._listing.of(init) if pid not in self._owner]

    def take(self, stranger: Stat, service: str) -> bool:
        """Note a child of a shared init as one of `service`; False where it descends from that one's own PID 1."""
        if self._owner.get(stranger.ppid) == service:
            return False
        self.starts[stranger.pid] = stranger.start_time
        return True
