"""End what is left of a service, and of everything: whom a signal reaches, and kills that a fork loop can't outrun.

Whom `runtime.tree.members` finds is a member. What touches many processes is done in jobs (`runtime.tree.turns`).

Killing
=======

A process that forks as fast as it can is faster than who lists and kills. So a kill first stops (SIGSTOP), and lists
until nobody new is found, and only then kills. Listed are parents before their children, and each is stopped before
its children are read: a stopped process can't fork, so its children are all there, and one pass stops the whole tree
but for those who lost their parent during it. These are our own children by then; the next pass begins with them. What
shares a process group in a session of the service's own is stopped by one signal to the group, which no fork passes.

The kill goes in the reverse order, children first: if a parent went first, the kernel would continue the stopped group
that this orphans (SIGHUP and SIGCONT, setpgid(2)). Then the job waits for their ends, and begins again if anybody turns
up who was not killed, until the service is gone.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import Callable, Iterator
from itertools import islice

from msgspec import Struct

from asyncinit.config.spec import Scope
from asyncinit.core.status import ExitStatus
from asyncinit.linux import proc
from asyncinit.linux.namespaces import owns_pid_namespace
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.timers import Timers
from asyncinit.runtime.tree.delivery import (
    Outcome,
    deliver,
    deliver_to_group,
    has_own_group,
    may_signal,
    resuming,
    signal_all,
)
from asyncinit.runtime.tree.listing import Member
from asyncinit.runtime.tree.members import Members
from asyncinit.runtime.tree.turns import Job, Next, Turns

# A tree that after so many passes still has somebody new (more processors fork than we list on) is killed as it is.
_PASSES = 20
# After the last SIGKILL of a sweep: what survives this long is in the kernel's hands and is named, not waited for.
_SWEEP_PATIENCE = 1.0
# So many of those that do not die are looked at; a number is enough of what a fork loop has left.
_NAMES_FROM = 200


class _Killed:
    """Whom a kill has reached: pids with their start times, and which of our children were compared with these."""

    __slots__ = ("compared", "starts")

    def __init__(self) -> None:
        self.starts: dict[int, int] = {}
        self.compared: set[int] = set()

    def has(self, pid: int, start_time: int) -> bool:
        return self.starts.get(pid) == start_time

    def lacks_any(self, children: set[int]) -> bool:
        """Tell whether one of our own children was not killed, but has taken the pid of one that was, or is new."""
        for pid in children - self.compared:
            stat = proc.stat(pid)
            if not self.has(pid, stat.start_time if stat else 0):
                return True
            self.compared.add(pid)
        return False


class SignalState(Struct):
    """Signals to the tree of a service that are not all sent yet."""

    service: str = ""
    signals: tuple[int, ...] = ()


class EndingState(Struct):
    """What is carried over a re-exec; all of it is begun again, whom it has reached it reaches twice."""

    killed: list[str] = []
    signals: list[SignalState] = []


class Ending:
    """Signals to the members of services.

    `report` is called with a service (None: none) and a text when a member can't be signalled.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        timers: Timers,
        members: Members,
        report: Callable[[str | None, str], None] = lambda _service, _text: None,
    ) -> None:
        self._timers, self._members, self._report = timers, members, report
        self._turns = Turns(loop, members.look_soon)
        self._killed: dict[str | None, _Killed] = {}
        members.observe(self._turns.looked, self.forget)
        reaper.add_listener(self._reaped)

    # -----------------------------------------------------------------------------------------------------------------
    # What others ask

    def signal_scope(self, service: str, number: int, scope: Scope, main_pid: int | None, resume: bool = True) -> None:
        """Send signal `number`, and with `resume` SIGCONT after it, to what `scope` names of `service`.

        PROCESS: the main process; GROUP: its process group, whichever that is by now; TREE: all members. Without a
        main process (`main_pid` None, or gone) what is left is the tree. A tree is signalled in a later turn of the
        loop, once for all that ask in this one, and only if `service` is not gone by then.
        """
        signals = resuming(number) if resume else (number,)
        main = self._main(service, main_pid)
        if main is None or scope is Scope.TREE:
            self._start(service, self._signal_tree(service, signals), SignalState(service, signals))
            return
        self._members.remember(service)
        outcome = Outcome.GONE
        if scope is Scope.GROUP and has_own_group(main):
            outcome = deliver_to_group(main, signals)
        if outcome is not Outcome.SENT:
            outcome = deliver(main, signals, self._members.is_child(main.pid))
        if outcome is Outcome.REFUSED:
            self._report(service, _refusal(main))

    def kill_tree(self, service: str) -> None:
        """Kill all of `service`, and again whoever turns up, until it is gone (`Members.watch_gone`) or `forget`."""
        if service not in self._killed:
            self._killed[service] = _Killed()
            self._members.groups.kill(
                service
            )  # who is not in its cgroup, or all where it has none, is killed one by one
            self._start(service, self._kill(service, math.inf))
        else:
            self._members.look_soon()

    def freeze(self, _keep: Keep) -> EndingState:
        """Return what is carried over a re-exec."""
        killed = [service for service in self._killed if service is not None]
        return EndingState(killed, [what for what in self._turns.pending() if isinstance(what, SignalState)])

    def thaw(self, state: EndingState) -> None:
        """Begin again what the program before was about."""
        for service in state.killed:
            self.kill_tree(service)
        for one in state.signals:
            self._start(one.service, self._signal_tree(one.service, one.signals), one)

    def undying(self, service: str) -> str:
        """Return who of `service` lives and why, in words ("pid 123 (cp) does not die (D, nfs_wait)"), or nothing."""
        self._members.refresh()
        members = list(islice(self._members.walk(service), _NAMES_FROM))
        if members:
            others = len(members) - 1
            more = f", and {'at least ' if len(members) == _NAMES_FROM else ''}{others} more" if others else ""
            return _state(members[0]) + more
        for pid in sorted(self._members.roots(service)):
            tracer = proc.status_field(pid, "TracerPid")
            if tracer not in ("", "0"):
                return f"pid {pid} has ended, but its tracer, pid {tracer}, holds it"
        return ""

    def forget(self, service: str | None) -> None:
        """Call off all work on `service`; done by itself when it is gone."""
        self._killed.pop(service, None)
        self._turns.cancel(service)
        self._attend()

    def sweep(self, grace: float, done: Callable[[list[str]], None]) -> None:
        """End everything that is below us: SIGTERM and SIGCONT, then SIGKILL to what lives after `grace` seconds.

        Calls `done` as soon as no child of ours is left but our own helpers, or a second after SIGKILL, with those who
        survive it, in words. As owner of a PID namespace this reaches all that is in it, helpers too. A `grace` of 0
        kills at once; a later call replaces an earlier one.
        """
        self.forget(None)
        self._killed[None] = _Killed()
        self._start(None, self._sweep(grace, done))

    # -----------------------------------------------------------------------------------------------------------------
    # Jobs

    def _signal_tree(self, service: str | None, signals: tuple[int, ...]) -> Job:
        yield Next.LOOK
        refused: Member | None = None
        # All are listed before the first is signalled: the children of one that ends at once could not be found.
        listed: list[Member] = []
        for member in self._members.walk(service):
            # An init would forward to the main process what that one gets from us anyway.
            if not self._members.below.is_simple_init(member.pid):
                listed.append(member)
            yield Next.TURN
        for member in listed:
            if deliver(member, signals, self._members.is_child(member.pid)) is Outcome.REFUSED:
                refused = refused or member
            yield Next.TURN
        self._signal_groups(service, signals)
        if refused is not None:
            self._report(service, _refusal(refused))

    def _kill(self, service: str | None, until: float) -> Job:
        killed = self._killed[service]
        yield Next.LOOK
        self._kill_pid_namespaces(service, killed)
        while True:
            found: dict[tuple[int, int], Member] = {}
            for _ in range(_PASSES):
                before = len(found)
                yield from self._stop_new(service, killed, found)
                if len(found) == before:
                    break
                yield Next.LOOK
            for member in reversed(found.values()):
                deliver(member, (signal.SIGKILL,), self._members.is_child(member.pid))
                killed.starts[member.pid] = member.start_time
                yield Next.TURN
            self._signal_groups(service, (signal.SIGKILL,))
            new = False
            while not new:
                if self._timers.now() >= until or (service is None and not self._members.roots(None)):
                    return
                yield Next.EVENT
                new = killed.lacks_any(self._members.roots(service))

    def _kill_pid_namespaces(self, service: str | None, killed: _Killed) -> None:
        """Kill those whose end is that of a whole PID namespace: nobody forks past that, and none has to be listed."""
        for pid in self._members.below.pid_1s(self._members.roots(service)) if service is not None else ():
            stat = proc.stat(pid) or proc.hidden_stat(pid)
            one = Member(pid, stat.start_time, stat.name, stat.state, stat.ppid, stat.pgrp, stat.session)
            deliver(one, (signal.SIGKILL,), child=True)
            killed.starts[pid] = stat.start_time

    def _stop_new(self, service: str | None, killed: _Killed, found: dict[tuple[int, int], Member]) -> Iterator[Next]:
        """Stop whoever is not in `found` and was not killed before, and add them to `found`."""
        stopped: set[int] = set()
        for member in self._members.walk(service):
            identity = (member.pid, member.start_time)
            if identity not in found and not killed.has(*identity):
                found[identity] = member
                if member.group not in stopped:
                    # A group within our own session is not surely of this service alone.
                    whole = has_own_group(member) and member.session != os.getsid(0)
                    if whole and deliver_to_group(member, (signal.SIGSTOP,)) is Outcome.SENT:
                        stopped.add(member.group)
                    else:
                        deliver(member, (signal.SIGSTOP,), self._members.is_child(member.pid))
            yield Next.TURN

    def _sweep(self, grace: float, done: Callable[[list[str]], None]) -> Job:
        yield Next.LOOK
        all_is_ours = owns_pid_namespace()
        if grace > 0 and self._members.roots(None):
            if all_is_ours:
                signal_all(signal.SIGTERM)
                signal_all(signal.SIGCONT)
            else:
                yield from self._signal_tree(None, resuming(signal.SIGTERM))
            until = self._timers.now() + grace
            waker = self._timers.at(until, self._members.look_soon)
            while self._members.roots(None) and self._timers.now() < until:
                yield Next.EVENT
            waker.cancel()
        if all_is_ours:
            signal_all(signal.SIGKILL)
        until = self._timers.now() + _SWEEP_PATIENCE
        waker = self._timers.at(until, self._members.look_soon)
        yield from self._kill(None, until)
        waker.cancel()
        survivors = [_state(member) for member in self._members.walk(None)]
        self._killed.pop(None, None)
        self._attend()
        done(survivors)

    # -----------------------------------------------------------------------------------------------------------------

    def _start(self, service: str | None, job: Job, what: object = None) -> None:
        self._turns.start(service, job, what)
        self._attend()

    def _attend(self) -> None:
        self._members.eager = bool(self._killed)

    def _reaped(self, pid: int, _status: ExitStatus) -> None:
        for killed in self._killed.values():
            killed.starts.pop(pid, None)
            killed.compared.discard(pid)

    def _main(self, service: str, pid: int | None) -> Member | None:
        """Return the main process as it stands; None where it is gone or is not (any more) a member of `service`."""
        if pid is None or self._members.owner_of(pid) != service:
            return None
        stat = proc.stat(pid)
        if stat is None:
            if not self._members.is_child(pid):
                return None
            stat = proc.hidden_stat(pid)
        if not self._members.below.is_same(stat):
            return None
        return Member(pid, stat.start_time, stat.name, stat.state, stat.ppid, stat.pgrp, stat.session)

    def _signal_groups(self, service: str | None, signals: tuple[int, ...]) -> None:
        """Without /proc, reach by their groups those who can't be listed."""
        if service is None or not self._members.blind:
            return
        for group in self._members.known_groups(service):
            for number in signals:
                try:
                    os.killpg(group, number)
                except OSError:
                    break


def _name(member: Member) -> str:
    return f"pid {member.pid} ({member.name})" if member.name else f"pid {member.pid}"


def _state(member: Member) -> str:
    """Say why a member lives."""
    if not may_signal(member.pid):
        return _refusal(member)
    channel = proc.waiting_channel(member.pid)
    return f"{_name(member)} does not die ({member.state}{', ' + channel if channel else ''})"


def _refusal(member: Member) -> str:
    uids = proc.status_field(member.pid, "Uid").split()
    owner = f" of uid {uids[0]}" if uids else ""
    return f"cannot signal {_name(member)}{owner}: operation not permitted"
