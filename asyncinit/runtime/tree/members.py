"""Which processes belong to which service, and when nothing of one is left; signals nobody (`ending` does).

Who is a member
===============

What we spawn is registered (`born`). All that a member makes descends from it, and what loses its parent is reparented
to us, PID 1 or a subreaper. So below us stand our own children, and each other process descends from one of them: a
service is down when none of our children is its own. A child of ours that nobody registered is a *stranger*;
`attribution` tells whose it is. Strangers of which nothing tells that (what `docker exec` and `nsenter` leave
behind, an escapee that was never seen before and has cleared its environment) are strays and keep no service up.

Why no event but SIGCHLD is needed
==================================

A grandchild's end is told to its parent, not to us. But the last process of a service to end is always our own child:
its parents were members and are gone, so the kernel has reparented it. Therefore each end that we reap, registered or
not, is the reason to look again, and nothing else is; no descriptor has to be held on any process that merely runs.

A look is one read of the list of our children, which is exact (`linux.proc.OwnChildren`), and of the strangers on it.
It serves all services that wait in this turn of the loop. A stranger that is a zombie already can't be asked for its
environment, and what it has made in the meantime came to us after the list: then the list is read again, a few times
at most, since the zombies of others must not hold a service up.

Where a service has a cgroup (`runtime.cgroups`) the kernel itself says who is in it, and nothing is remembered. What
is different in PID namespaces that we have made is in `runtime.tree.below`.
Without /proc there is less: registered processes, and whether a process group that was theirs still exists.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from asyncinit.core.status import ExitStatus
from asyncinit.linux import proc
from asyncinit.linux.proc import Instant, Stat
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.timers import Timer, Timers
from asyncinit.runtime.tree.attribution import Attribution, MembersState
from asyncinit.runtime.tree.below import Below
from asyncinit.runtime.tree.groups import Groups, NoGroups
from asyncinit.runtime.tree.listing import Listing, Member

# Looks take at most a quarter of our time, however many children end: the next one begins so many times as long after
# the last as that took.
_REST_AFTER_LOOK = 3
# So often a look is taken again, after ever longer, for strangers of whom nobody can tell yet whose they are (who has
# lost its memory and not yet ended may be off the processor for long), and so often the list is read within one look.
_PATIENCE = 10
_READS = 5
# So many strangers are judged in one look, at 0.02 ms each; in a storm of orphans the reaper makes the list shorter.
_JUDGE_AT_MOST = 500
# So many members are remembered at once; more would hold up the loop, and of the rest most are found by descent.
_REMEMBER_AT_MOST = 500
# After a look that failed for lack of memory or descriptors: there is no event that tells when these are back.
_RETRY_SECONDS = 0.1


class _Waiting:
    """Somebody waits until nothing of a service is left; `doubts` counts the looks that could not tell."""

    __slots__ = ("callback", "doubts")

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.doubts = 0


class Members:
    """The members of all services.

    `problem` is called with a text, once for each trouble, when members can't be found as they should.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        timers: Timers,
        problem: Callable[[str], None] = lambda _text: None,
        groups: Groups | None = None,
    ) -> None:
        self.groups = groups or NoGroups()
        self._loop, self._reaper, self._timers, self._problem = loop, reaper, timers, problem
        self._owner: dict[int, str] = {}  # our children that belong to a service, until they are reaped
        self._strays: set[int] = set()  # our children that belong to none and were not made by us
        self._attribution = Attribution(self._owner)
        self._waiting: dict[str, _Waiting] = {}
        self._doubtful: set[str | None] = set()  # services of which the last look can't tell; None: any may be
        self._listing = Listing(problem)
        self.below = Below(reaper, self._owner, self._attribution, self._listing)
        self._looking: asyncio.Handle | Timer | None = None
        self._not_before = 0.0
        self._in_need = False  # the last look failed
        self._fresh: set[str] = set()  # services that were remembered in this turn of the loop
        self._observers: list[tuple[Callable[[], None], Callable[[str], None]]] = []
        self._us = os.getpid()
        self.eager = False
        """Whether every end of a child is a reason to look, and not only where somebody waits for a service."""
        proc.keep_spare()
        self._orphans = reaper.orphans
        reaper.add_listener(self._reaped)

    def freeze(self, _keep: Keep) -> MembersState:
        """Return what is carried over a re-exec."""
        return self._attribution.freeze(self.below.starts)

    def thaw(self, state: MembersState) -> None:
        """Go on with what the program before knew; the next look finds strays, and `watch_gone` has to be called."""
        self._attribution.thaw(state)
        self.below.starts.update(state.foreign)
        self._orphans = self._reaper.orphans
        self.look_soon()

    # -----------------------------------------------------------------------------------------------------------------
    # What others tell us

    def born(self, service: str, token: str, pid: int, leader: bool, forks: bool = False) -> None:
        """Register a process that we have just made for `service`; it must not have been reaped.

        `leader`: it leads a session of its own, else only a process group in our session. `token` is the value of
        ASYNCINIT_TOKEN in its environment. `forks`: it shall launch a daemon, and end.
        """
        self.below.born(service, token, pid)
        self._owner[pid] = service
        self._attribution.born(service, token, pid, leader, forks)

    def forget(self, service: str) -> None:
        """Forget all about `service`: it is down. What is left of it, if anything is, becomes a stray."""
        self._waiting.pop(service, None)
        self._tell_observers(service)
        for pid in self.roots(service):
            del self._owner[pid]
            self.below.forget(pid)
        self._attribution.forget(service)

    def _reaped(self, pid: int, _status: ExitStatus) -> None:
        self._strays.discard(pid)
        self.below.forget(pid)
        service = self._owner.pop(pid, None)
        self._attribution.reaped(pid, service)
        if self._waiting or self.eager or service is not None:
            self.look_soon()

    # -----------------------------------------------------------------------------------------------------------------
    # What others ask

    def watch_gone(self, service: str, callback: Callable[[], None]) -> None:
        """Call `callback` once, in a later turn of the loop, when nothing of `service` lives; replaces an earlier one.

        Zombies do not count, but those that were registered count until we have reaped them.
        """
        self._waiting[service] = _Waiting(callback)
        self.remember(service)
        self.look_soon()

    @property
    def awaited(self) -> list[str]:
        """The services whose end somebody waits for."""
        return list(self._waiting)

    def unwatch(self, service: str) -> None:
        """Call off `watch_gone`."""
        self._waiting.pop(service, None)

    def remember(self, service: str) -> None:
        """Note the members of `service` as they stand, so that they are known again when they have lost their parent.

        Worth a call before anything ends them, and when a service has become ready: a process that leaves its session
        and clears its environment can be told only by having been seen before. Takes 0.05 ms a process.
        """
        if service in self._fresh or self.groups.has(service):
            return
        if not self._fresh:
            self._loop.call_soon(self._fresh.clear)
        self._fresh.add(service)
        for _ in islice(self.walk(service), _REMEMBER_AT_MOST):
            pass

    def live(self, service: str) -> list[Member]:
        """Return the live members of `service`, parents before their children.

        A moment's view: more may be born while it is taken. Takes 0.05 ms a process, without yielding to the loop.
        """
        self.refresh()
        return list(self.walk(service))

    def strays(self) -> list[Member]:
        """Return the live processes below us that belong to no service and were not made by us."""
        self.refresh()
        return list(self._descend(self._strays, None))

    def owner_of(self, pid: int) -> str | None:
        """Return the service that the live process `pid` belongs to; None: to none, it is gone, or it is not below us.

        Takes one read of /proc for each generation between `pid` and us.
        """
        found = self.groups.owner(pid)
        if found is not None:
            return found
        for _ in range(_PATIENCE):
            current = pid
            while current not in self._owner:
                stat = proc.stat(current)
                if stat is None:
                    break
                if stat.ppid == self._us or self.below.is_shared_init(stat.ppid):
                    self.refresh()
                    # A pod's orphan of whom nothing else tells is the pod's own.
                    return self._owner.get(current) or self._owner.get(stat.ppid)
                if stat.ppid == 0:
                    return None
                current = stat.ppid
            else:
                return self._owner[current]
            if current == pid:
                return self._attribution.owner_by_number(pid)
            # An ancestor has ended while we went up: begin again, `pid` has another parent now.
        return None

    # -----------------------------------------------------------------------------------------------------------------
    # For those who end services

    def look_soon(self) -> None:
        """Look at our children in a later turn of the loop; any number of requests are served by one look."""
        if self._looking is not None:
            return
        if self._timers.now() >= self._not_before:
            self._looking = self._loop.call_soon(self._look)
        else:
            self._looking = self._timers.at(self._not_before, self._look)

    def observe(self, looked: Callable[[], None], gone: Callable[[str], None]) -> None:
        """Have `looked` called after each look, and `gone` with a service that is gone or forgotten.

        `gone` comes before the callback of `watch_gone`: nobody signals what is born after that.
        """
        self._observers.append((looked, gone))

    def roots(self, service: str | None) -> set[int]:
        """Return those members that are our own children, as of the last look; None: of all services, and strays."""
        if service is None:
            return {*self._owner, *self._strays}
        traces = self._attribution.services.get(service)
        return set(traces.children) if traces else set()

    def is_child(self, pid: int) -> bool:
        """Tell whether `pid` is a child of ours that was not reaped: then its number can't be another process's."""
        return (pid in self._owner and pid not in self.below.starts) or pid in self._strays

    def walk(self, service: str | None) -> Iterator[Member]:
        """Yield live members one by one, each before its children are read: who stops each finds all that there are.

        From the roots that the last look has found; None: all services, and strays.
        """
        return self._descend(self.roots(service), service, () if service is None else self.groups.processes(service))

    def known_groups(self, service: str) -> list[int]:
        """Return the process groups of `service` that still exist, for when there is no /proc to list members."""
        return self._attribution.existing_groups(service)

    @property
    def blind(self) -> bool:
        """Whether there is no /proc that could be used at the last look."""
        return self._listing.blind

    def close(self) -> None:
        """Give up what it holds of the system; no look is taken any more."""
        if self._looking is not None:
            self._looking.cancel()
        self._waiting.clear()
        self._listing.close()
        proc.drop_spare()

    # -----------------------------------------------------------------------------------------------------------------
    # Looking

    def _look(self) -> None:
        self._looking = None
        again = not self.refresh()
        # The kernel's list of children may leave one out while others come and go (proc(5), children). Where orphans
        # were reaped since the last look, somebody forks and ends, and one look is not enough.
        busy, self._orphans = self._reaper.orphans != self._orphans, self._reaper.orphans
        for looked, _ in self._observers:
            looked()
        for service, waiting in self._waiting.items():
            if self._is_up(service):
                waiting.doubts = 0
            elif again or (waiting.doubts < _PATIENCE and (busy or self._doubtful & {service, None})):
                waiting.doubts, again = waiting.doubts + 1, True
                self._not_before = max(self._not_before, self._timers.now() + min(0.0005 * 2**waiting.doubts, 0.05))
            else:
                self._loop.call_soon(self._tell_gone, service, waiting)
        if again:
            self.look_soon()

    def _tell_gone(self, service: str, waiting: _Waiting) -> None:
        if self._waiting.get(service) is waiting and not self._is_up(service):
            del self._waiting[service]
            self._tell_observers(service)
            waiting.callback()

    def _tell_observers(self, service: str) -> None:
        for _, gone in self._observers:
            gone(service)

    def _is_up(self, service: str) -> bool:
        if self.roots(service) or self.groups.is_populated(service):
            return True
        return self.blind and bool(self.known_groups(service))

    def refresh(self) -> bool:
        """Bring what is known of our children up to date at once; False where the kernel lacked the means just now."""
        if self._listing.costly and self._timers.now() < self._not_before:
            return True
        began = time.process_time()
        try:
            self._judge_strangers()
        except OSError as error:
            if not self._in_need:
                self._in_need = True
                self._problem(f"cannot list processes: {(error.strerror or str(error)).lower()}")
            self._not_before = self._timers.now() + _RETRY_SECONDS
            return False
        self._in_need = False
        self._not_before = self._timers.now() + _REST_AFTER_LOOK * (time.process_time() - began)
        return True

    def _judge_strangers(self) -> None:
        self._doubtful.clear()
        judged: set[int] = set()
        for _ in range(_READS):
            strangers = [pid for pid in self._listing.own() if pid not in self._owner]
            strangers += self.below.strangers()
            self._strays.intersection_update(strangers)
            new = [pid for pid in strangers if pid not in judged]
            # Who was judged before comes last: of those a storm may leave some for the next look.
            new.sort(key=lambda pid: pid in self._strays or self._reaper.known(pid))
            del new[_JUDGE_AT_MOST - len(judged) :]
            if not new:
                return
            now = proc.instant()
            for pid in new:
                self._judge(proc.stat(pid) or proc.hidden_stat(pid), now)
            judged.update(new)
            if len(judged) == _JUDGE_AT_MOST:
                self._doubtful.add(None)
                return
            if not self._doubtful:
                return

    def _judge(self, stranger: Stat, now: Instant) -> None:
        """Decide to whom a child of ours belongs that nobody registered."""
        pid = stranger.pid
        ours = self._reaper.known(pid)
        service, sure = self.groups.owner(pid), True
        if service is None or service not in self._attribution.services:
            service, sure = self._attribution.find(stranger, now, ours)
        if service is None and ours:
            return  # made by us, for no service
        if not (sure and stranger.alive):
            self._doubtful.add(service)
        if not stranger.alive:
            return
        if self.below.is_shared_init(stranger.ppid):
            if service is None or not self.below.take(stranger, service):
                return
        elif service is None:
            self._strays.add(pid)
            return
        self._strays.discard(pid)
        self._owner[pid] = service
        self._attribution.services[service].children.add(pid)
        self._attribution.note(service, stranger, now, {}, child=True)

    def _descend(self, roots: Iterable[int], service: str | None, more: Iterable[int] = ()) -> Iterator[Member]:
        now = proc.instant()
        queue = deque(dict.fromkeys((*sorted(roots), *more)))
        seen = set(queue)
        leaders: dict[int, int | None] = {}
        while queue:
            pid = queue.popleft()
            child = self.is_child(pid)
            if service is not None and self._owner.get(pid, service) != service:
                continue
            stat = proc.stat(pid) or (proc.hidden_stat(pid) if child else None)
            if stat is None or not stat.alive or not self.below.is_same(stat):
                continue
            if service is not None:
                self._attribution.note(service, stat, now, leaders, child)
            yield Member(pid, stat.start_time, stat.name, stat.state, stat.ppid, stat.pgrp, stat.session)
            for other in self._listing.of(pid):
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
