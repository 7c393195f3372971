"""Whose a process is that has lost its parent: told by what is known of a service; lists nobody and sends nothing.

Told, in this order, by having been seen as a member when it still had its parent; by its session or its group
(`runtime.tree.claims` has the reasons); by the ASYNCINIT_TOKEN in its environment, where we may read that; by having
been born while a daemon was launched (`runtime.tree.launchers`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import islice

from msgspec import Struct

from asyncinit.linux import proc
from asyncinit.linux.proc import Instant, Stat
from asyncinit.runtime.tree.claims import Claim, Claims
from asyncinit.runtime.tree.launchers import Launchers

# So many members are asked whether a session is still in use, where nothing cheaper proves it.
_WITNESSES = 8


class Traces:
    """What is known of one service: its live processes that are our own children, and what will tell others."""

    __slots__ = ("children", "remembered", "tokens")

    def __init__(self) -> None:
        self.children: set[int] = set()
        self.remembered: set[int] = set()
        self.tokens: set[bytes] = set()


class TracesState(Struct):
    """The traces of a service as they are carried over a re-exec; `remembered` are pids with their start times."""

    tokens: list[str] = []
    remembered: dict[int, int] = {}
    in_our_session: bool = False


class MembersState(Struct):
    """What is carried over a re-exec: whose our unreaped children are, and what tells it of others.

    `foreign` are those that are not ours but of a PID 1 below us, with their start times.
    """

    owner: dict[int, str] = {}
    services: dict[str, TracesState] = {}
    claims: dict[int, Claim] = {}
    foreign: dict[int, int] = {}


class Attribution:
    """The traces of all services; `owner` maps each unreaped child of ours that has a service to that service."""

    def __init__(self, owner: dict[int, str]) -> None:
        self.services: dict[str, Traces] = {}
        self._owner = owner
        self._tokens: dict[bytes, str] = {}
        self._remembered: dict[int, tuple[int, str]] = {}  # members below our children: start time, service
        self._in_our_session: set[str] = set()
        self._claims = Claims(proc.pid_max(), os.cpu_count() or 1)
        self._launchers = Launchers()
        self._tokenless: dict[int, int] = {}  # strangers whose environment has no token that we know: start time

    def freeze(self, foreign: Mapping[int, int]) -> MembersState:
        """Return what is carried over a re-exec."""
        services = {}
        for service, traces in self.services.items():
            remembered = {p: self._remembered[p][0] for p in traces.remembered if p in self._remembered}
            tokens = sorted(token.decode() for token in traces.tokens)
            services[service] = TracesState(tokens, remembered, service in self._in_our_session)
        return MembersState(dict(self._owner), services, self._claims.freeze(), dict(foreign))

    def thaw(self, state: MembersState) -> None:
        """Go on with what the program before knew."""
        self._owner.update(state.owner)
        for service, carried in state.services.items():
            traces = self.services[service] = Traces()
            traces.tokens = {token.encode() for token in carried.tokens}
            traces.remembered = set(carried.remembered)
            traces.children = {pid for pid, owner in self._owner.items() if owner == service}
            self._tokens.update(dict.fromkeys(traces.tokens, service))
            self._remembered.update({pid: (start, service) for pid, start in carried.remembered.items()})
            if carried.in_our_session:
                self._in_our_session.add(service)
        self._claims.thaw(state.claims)

    def born(self, service: str, token: str, pid: int, leader: bool, forks: bool = False) -> None:
        """Record a process made for `service`; see `Members.born`."""
        traces = self.services.setdefault(service, Traces())
        traces.children.add(pid)
        traces.tokens.add(token.encode())
        self._tokens[token.encode()] = service
        self._claims.void(pid)
        if not leader:
            self._in_our_session.add(service)
        if forks:
            self._launchers.begin(service, pid)

    def reaped(self, pid: int, service: str | None) -> None:
        """Record that a child of ours was reaped just now."""
        self._tokenless.pop(pid, None)
        if service is not None:
            self.services[service].children.discard(pid)
            self._launchers.ended(service, pid)
            # As a zombie it kept its number from being given again until this moment.
            self._claims.hold(pid, service, proc.instant(), None)

    def gone(self, pid: int, service: str) -> None:
        """Record that a child of a PID 1 below us has gone, some time ago."""
        if service in self.services:
            self.services[service].children.discard(pid)

    def forget(self, service: str) -> None:
        """Forget all about `service`."""
        traces = self.services.pop(service, None)
        if traces is None:
            return
        for token in traces.tokens:
            self._tokens.pop(token, None)
        for pid in traces.remembered:
            if self._remembered.get(pid, (0, ""))[1] == service:
                del self._remembered[pid]
        self._in_our_session.discard(service)
        self._claims.forget(service)
        self._launchers.forget(service)

    def numbers(self, service: str) -> set[int]:
        """Return the sessions and groups that are or were `service`'s, proven or not."""
        traces = self.services.get(service)
        return {*self._claims.numbers(service), *(traces.children if traces else ())}

    def owner_by_number(self, pid: int) -> str | None:
        """Return the owner of a process that /proc does not show, as system calls tell its session and group."""
        try:
            numbers = (os.getsid(pid), os.getpgid(pid))
        except OSError:
            return None
        return next((self._owner[number] for number in numbers if number in self._owner), None)

    def existing_groups(self, service: str) -> list[int]:
        """Return those of its groups that still exist."""
        return [number for number in self.numbers(service) if self._group_exists(number, service)]

    def _group_exists(self, number: int, service: str) -> bool:
        if number <= 1 or number == os.getpgrp() or self._owner.get(number, service) != service:
            return False
        try:
            os.killpg(number, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    def note(self, service: str, member: Stat, now: Instant, leaders: dict[int, int | None], child: bool) -> None:
        """Record of a member what will tell it, and its descendants, when its parent is gone.

        `now` must not be later than the moment at which `member` was read, and `leaders` is empty at first and passed
        again for what is read next: it spares asking twice who leads a session. `child`: it is our own child.
        """
        traces = self.services.get(service)
        if traces is None:
            return  # forgotten while its members were listed
        if not child:
            self._remembered[member.pid] = (member.start_time, service)
            traces.remembered.add(member.pid)
        for number in (member.session, member.pgrp):
            # As long as a child of ours has the number as its pid, the owner is known by that; then a claim is made.
            if number in leaders or number in self._owner or _is_common(number):
                continue
            leader = member if number == member.pid else proc.stat(number)
            leaders[number] = leader.start_time if leader else None
            self._claims.hold(number, service, now, leaders[number])

    def find(self, stranger: Stat, now: Instant, ours: bool) -> tuple[str | None, bool]:
        """Return whose `stranger` is (None: nothing tells it), and whether that is the last word for now.

        `now` must not be later than the moment at which `stranger` was read. `ours`: somebody here waits for its end,
        so it may be a helper of asyncinit itself.
        """
        start, member_of = self._remembered.get(stranger.pid, (0, ""))
        if member_of and start == stranger.start_time:
            return member_of, True
        for number in dict.fromkeys((stranger.session, stranger.pgrp)):
            found = self._find_by_number(number, stranger, now)
            if found is not None:
                return found, True
        if stranger.session == os.getsid(0) and len(self._in_our_session) == 1 and not ours:
            # Else only a command that shares our terminal has processes in our session.
            return next(iter(self._in_our_session)), True
        service, sure = self._find_by_token(stranger)
        if service is None and sure and not ours:
            service = self._launchers.find(stranger.start_time)
        return service, sure

    def _find_by_number(self, number: int, stranger: Stat, now: Instant) -> str | None:
        if _is_common(number):
            return None
        if number in self._owner:
            return self._owner[number]
        if number not in self._claims:
            return None
        leader = stranger if number == stranger.pid else proc.stat(number)
        started = leader.start_time if leader else None
        return self._claims.find(number, stranger.start_time, started, now, self._has_member_in)

    def _has_member_in(self, service: str, number: int) -> bool:
        traces = self.services.get(service)
        some: Iterable[int] = islice(traces.children, _WITNESSES) if traces else ()
        stats = (proc.stat(pid) for pid in some)
        return any(stat is not None and number in (stat.session, stat.pgrp) for stat in stats)

    def _find_by_token(self, stranger: Stat) -> tuple[str | None, bool]:
        if not stranger.alive:
            return None, False  # its environment went with it
        if not self._tokens or self._tokenless.get(stranger.pid) == stranger.start_time:
            return None, True
        # A process in state D may hold its memory lock for as long as a file server is away; it is asked another time.
        block = proc.environment(stranger.pid) if stranger.state != "D" else b""
        if block == b"":
            return None, False  # it executes a program just now, or ends and may leave somebody
        _, _, rest = (b"\0" + (block or b"")).partition(b"\0ASYNCINIT_TOKEN=")
        # Several, by commas: an asyncinit below us may add its own to the one that it was given.
        for token in rest.partition(b"\0")[0].split(b","):
            if token in self._tokens:
                return self._tokens[token], True
        if block is not None:
            self._tokenless[stranger.pid] = stranger.start_time
        return None, True


def _is_common(number: int) -> bool:
    """Tell whether a session or group number says nothing: of outside our PID namespace (0), or our own."""
    return number <= 0 or number in (os.getsid(0), os.getpgrp())
