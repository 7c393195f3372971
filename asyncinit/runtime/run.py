"""One run of one service: its token, its processes, its descriptors, from the preparation until nothing is left.

Carries out what the performer asks for and posts what happens; decides nothing. A run is made when a service is
prepared and given up when it is cleaned up; nothing of it outlives that but output that a stray still writes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace

from asyncinit.config.spec import ReadyKind, ServiceSpec
from asyncinit.core import events as ev
from asyncinit.core.events import HookStage
from asyncinit.core.outcome import CANNOT_EXECUTE, NOT_FOUND
from asyncinit.core.status import Code, ExitStatus, Reason
from asyncinit.errors import AsyncinitError, SpawnError
from asyncinit.runtime.errands import Errands
from asyncinit.runtime.health.guard import Guard
from asyncinit.runtime.main_plan import main_plan
from asyncinit.runtime.output.capture import Channel
from asyncinit.runtime.process.foreign_main import ForeignMain
from asyncinit.runtime.process.plan import ExecPlan, Session
from asyncinit.runtime.process.prepare import Cancellable
from asyncinit.runtime.process.prepared import NotApplied, Prepared, Unmet
from asyncinit.runtime.ready.readiness import make_readiness
from asyncinit.runtime.ready.signs import expanded
from asyncinit.runtime.ready.waiting import Readiness, ReadinessState
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.run_state import RunState
from asyncinit.runtime.said import Said
from asyncinit.runtime.workshop import Workshop

# sd_notify's variables and asyncinit's own.
_NOTIFY_SOCKET = "NOTIFY_SOCKET"
_TOKEN = "ASYNCINIT_TOKEN"
_SOCKET = "ASYNCINIT_SOCKET"
# What a template's files have it replaced in already; programs may ask for it too.
_INSTANCE = "INSTANCE"


class Run:
    """A run of `spec`; `post` takes its events, `complain` a line about it for people.

    `token` marks its processes, None: a new one.
    """

    def __init__(
        self,
        workshop: Workshop,
        spec: ServiceSpec,
        life: str,
        post: Callable[[ev.Event], None],
        complain: Callable[[str], None],
        token: str | None = None,
    ) -> None:
        self._shop = workshop
        self.spec = spec
        self.life = life
        self._post = post
        self._complain = complain
        self.token = token or os.urandom(16).hex()
        self.main: int | None = None
        self._born: int | None = None
        self.said = Said(post, complain, self._notified_ready, self.main_pid, lambda: self.watch)
        self.not_executed: int | None = None
        self.prepared: Prepared | None = None
        self.skipped = False
        self._readiness: Readiness | None = None
        self.watch: Guard | None = None
        self._channel: Channel | None = None
        self._preparation: Cancellable | None = None
        self._without: tuple[NotApplied, ...] = ()
        self.errands = Errands(workshop, self, post, complain)
        self._foreign: ForeignMain | None = None
        self._unwatch: Callable[[], None] | None = None

    def adopt(self, spec: ServiceSpec) -> None:
        """Have `spec` hold from now on: it differs in what a run may take over while it is under way."""
        before, self.spec = self.spec, spec
        self._shop.cgroups.change(self.life, before.limits, spec.limits)

    # -----------------------------------------------------------------------------------------------------------------
    # Coming up

    def prepare(self) -> None:
        """Open its sockets, have everything prepared, run the pre_start hooks; posts Prepared."""
        if self.spec.sockets or self._shop.sockets.held(self.spec.name):
            self._preparation = self._shop.sockets.open(self.spec, self._sockets_open)
        else:
            self._prepare()

    def _sockets_open(self, answer: list[NotApplied] | SpawnError) -> None:
        self._preparation = None
        if isinstance(answer, SpawnError):
            self._post(ev.Prepared(Reason(Code.RESOURCES, str(answer))))
            return
        self._without = tuple(answer)
        self._prepare()

    def _prepare(self) -> None:
        # With the token of an asyncinit around us, that one still finds what a crash of ours leaves behind.
        token = ",".join(filter(None, (self.token, os.environ.get(_TOKEN))))
        more = {_SOCKET: self._shop.control_address, _INSTANCE: self.spec.instance}
        own = {_TOKEN: token, **{name: value for name, value in more.items() if value}}
        own |= self._shop.triggers(self.spec.name)
        try:
            if self.spec.notifies:
                own[_NOTIFY_SOCKET] = self.said.listen(self._shop.loop, self.belongs, self.spec)
            self._preparation = self._shop.preparation.begin(self.spec, own, self._found)
        except OSError as error:
            self._found(SpawnError("make a notification socket", error.errno or 0))
        except SpawnError as error:
            self._found(error)

    def _found(self, result: Prepared | Unmet | SpawnError) -> None:
        self._preparation = None
        if isinstance(result, Unmet):
            self.skipped = True
            self._post(ev.Unmet(Reason(Code.CONDITION, result.text)))
            return
        result = self._shop.router.begin(self.spec, result)
        if not isinstance(result, SpawnError):
            result = self._shop.cgroups.prepare(self.life, self.spec, result)
        if isinstance(result, SpawnError):
            self._post(ev.Prepared(Reason(Code.SPAWN, str(result))))
            return
        self.prepared = result
        self.said.trust(os.geteuid() if result.owner is None else result.owner)
        for missing in self.not_applied:
            self._complain(f"{missing.key} is not applied: {missing.text}")
        if self.spec.hooks.pre_start:
            self.errands.run_hooks(HookStage.PRE_START)
        else:
            self._post(ev.Prepared())

    def spawn(self) -> None:
        """Make the main process; posts Spawned or SpawnFailed at once, Executed (or SpawnFailed) when known."""
        self._shop.journal.started(self.spec.name)
        try:
            plan = self._main_plan()
            self._shop.chronicle.starting(self.spec.name, plan.environment, self._shop.timers.now())
            pid = self._shop.spawner.spawn(plan, self._executed, self._own_exited)
        except AsyncinitError as error:
            self._drop_child_ends()
            self._spawn_failed(error)
            return
        self._drop_child_ends()
        self.main = self._born = pid
        if self.spec.foreground:
            self._shop.foreground.begun(pid)
        forks = self.spec.ready.has(ReadyKind.PID_FILE)
        self._shop.members.born(self.life, self.token, pid, leader=plan.session is Session.NEW, forks=forks)
        self._shop.chronicle.spawned(self.spec.name, pid)
        self._post(ev.Spawned(pid))

    def _main_plan(self) -> ExecPlan:
        assert self.prepared is not None
        if self.spec.has_simple_init:
            return self._shop.pods.init_plan(self.spec, self.prepared)
        self._make_readiness()
        self._make_guard()
        extra = self._readiness.descriptors if self._readiness is not None else ()
        plan = main_plan(self._shop, self.spec, self.prepared, extra)
        if self.spec.inherit_stdio:
            return replace(plan, stdin=0, stdout=1, stderr=2)
        if self.prepared.terminal is not None:
            return replace(plan, terminal=self.prepared.terminal)
        tty = self.spec.tty is True or self._shop.capture.terminals.is_wanted(self.spec.name)
        self._channel = self._shop.capture.open(self.spec.name, self.prepared.owner, tty=tty)
        if self._channel.terminal is not None:
            return replace(plan, terminal=self._channel.terminal)
        return replace(plan, stdout=self._channel.stdout, stderr=self._channel.stderr)

    def _make_readiness(self, carried: ReadinessState | None = None) -> None:
        """What the child is spawned with (a descriptor), and what has to be known before it runs."""
        ready = self.spec.ready
        if ready.kind is ReadyKind.EXEC:
            return
        assert self.prepared is not None
        try:
            looked_for = expanded(ready, self.prepared.environment, "ready")
            probes = self.errands.probe_context("ready")
            self._readiness = make_readiness(probes, looked_for, self, self.belongs, carried)
        except OSError as error:
            raise SpawnError(f"look for readiness ({ready.kind})", error.errno or 0) from error
        if ready.has(ReadyKind.LOG):
            self._unwatch = self._shop.capture.watch(self.spec.name, self._readiness.lines)

    def _make_guard(self) -> Guard:
        """Make it before it is needed: what cannot be probed is told before the service runs."""
        assert self.prepared is not None
        self.watch = Guard(self.errands.probe_context("health"), self.spec.watchdog, self._post, self.said.hear)
        self.watch.probe(self.spec.health, self.prepared.environment)
        return self.watch

    def _executed(self, failure: SpawnError | None) -> None:
        if failure is None:
            self._post(ev.Executed())
        else:
            self.main = self._born = None
            self._spawn_failed(failure)

    def _spawn_failed(self, error: AsyncinitError) -> None:
        self.forget_ready()
        if isinstance(error, SpawnError) and error.step.startswith("execute"):
            self.not_executed = NOT_FOUND if error.errno == errno.ENOENT else CANNOT_EXECUTE
        self._post(ev.SpawnFailed(Reason(Code.SPAWN, str(error))))

    def _drop_child_ends(self) -> None:
        if self._channel is not None:
            self._channel.close_ours()
        if self._readiness is not None:
            self._readiness.spawned()

    def await_ready(self) -> None:
        """Begin to look for the declared readiness; posts BecameReady."""
        if self._readiness is not None:
            self._readiness.begin()

    def forget_ready(self) -> None:
        """Stop to look for readiness; what the service says by notification is still heard."""
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self._readiness is not None:
            self._readiness.cancel()
            self._readiness = None

    def guard(self) -> None:
        """Begin (not while it is frozen) to probe its health and expect signs of life: Probed and WatchdogMissed."""
        assert self.watch is not None and self.prepared is not None
        if self._shop.cgroups.is_suspended(self.life):
            return
        try:
            self.watch.probe(self.spec.health, self.prepared.environment)  # it may have been declared anew
        except AsyncinitError as error:
            self._complain(f"its health is not probed: {error}")
        self.watch.begin()

    def unguard(self) -> None:
        """End that."""
        if self.watch is not None:
            self.watch.end()

    @property
    def under_way(self) -> bool:
        """Whether its preparation was begun, or is done."""
        return self._preparation is not None or self.prepared is not None

    @property
    def not_applied(self) -> tuple[NotApplied, ...]:
        """What `prefer` had to leave out."""
        return (*self._without, *(self.prepared.not_applied if self.prepared is not None else ()))

    @property
    def waiting_text(self) -> str | None:
        """The readiness that is looked for, and the last obstacle."""
        return self._readiness.waiting_text() if self._readiness is not None else None

    # -----------------------------------------------------------------------------------------------------------------
    # What is seen of it (ReadinessHandler)

    def _notified_ready(self) -> None:
        """READY=1: a sign of readiness if it is looked for, else the end of a reload."""
        if self._readiness is not None:
            self._readiness.notified()
        else:
            self._post(ev.BecameReady())

    def ready(self) -> None:
        """The declared readiness was seen."""
        self._shop.members.remember(self.life)
        self._post(ev.BecameReady())

    def complaint(self, text: str) -> None:
        """The declared readiness is impossible."""
        self._complain(text)

    def main_pid(self, pid: int) -> None:
        """MAINPID= or a pid file: another live process of the service is the main one from now on."""
        if pid == self.main:
            return
        if self.main is None and not self.spec.ready.has(ReadyKind.PID_FILE):
            self._complain(f"says that its main process is {pid}, but none was started")
            return
        if self._foreign is not None:
            self._foreign.close()
        self.main = pid
        self._foreign = ForeignMain(self._shop.loop, self._shop.reaper, self._shop.timers, pid, self._main_exited)
        self._shop.members.remember(self.life)
        self._post(ev.MainChanged(pid))

    def belongs(self, pid: int) -> bool | None:
        """Tell whether a process is one of this service; the main one is, even when it was reaped a moment ago."""
        return pid == self.main or self._shop.members.owner_of(pid) == self.life

    # -----------------------------------------------------------------------------------------------------------------
    # Ends

    def _own_exited(self, pid_status: ExitStatus) -> None:
        """The process that we spawned has ended; it may have made another one the main process just before."""
        self._born = None
        self.said.hear()
        if self._foreign is None:
            self._main_exited(pid_status)
        elif self._channel is not None:
            self._channel.drain()

    def _main_exited(self, status: ExitStatus) -> None:
        self.said.hear()
        self._shop.capture.drain(self.spec.name)
        if self.spec.foreground:
            self._shop.foreground.ended()
        self.main = None
        self._shop.aftermath.main_ended(self.life)
        self._post(ev.Exited(status, self._shop.cgroups.killed(self.life, status)))

    def tree_gone(self) -> None:
        """Nothing of the service lives any more: post how its main process ended, if that was not told yet."""
        if self._foreign is not None:
            self._foreign.tree_gone()

    def close(self) -> None:
        """Give everything back: nothing of the run is left."""
        self.end_activities()
        self.forget_ready()
        self.unguard()
        self.said.close()
        if self._foreign is not None:
            self._foreign.close()
        if self._channel is not None:
            self._channel.drain()
        self._shop.members.forget(self.life)
        self._shop.cgroups.close(self.life)

    def end_activities(self, kill: bool = True) -> None:
        """Call off the preparation, hook or command that runs, and `kill` it; nothing of it is posted any more."""
        if self._preparation is not None:
            self._preparation.cancel()
            self._preparation = None
        self.errands.end(kill)

    # -----------------------------------------------------------------------------------------------------------------
    # Over a re-exec

    def freeze(self, keep: Keep) -> RunState:
        """Return what is carried over a re-exec."""
        return RunState(
            self.spec,
            self.token,
            self.main,
            self._born,
            self.said.text,
            self.said.error,
            self.not_executed,
            self.skipped,
            self._without,
            self._preparation is not None,
            self.prepared,
            self._channel.number if self._channel is not None else 0,
            self.said.freeze(keep),
            self._readiness.freeze(keep) if self._readiness is not None else None,
            self._foreign.freeze(keep) if self._foreign is not None else None,
            self.errands.freeze(keep),
            self.watch.freeze() if self.watch is not None else None,
        )

    def thaw(self, state: RunState) -> None:
        """Go on with what the program before has begun; a readiness is looked for once `await_ready` is called."""
        shop = self._shop
        self.main, self._born, self.prepared = state.main, state.born, state.prepared
        self.skipped, self._without = state.skipped, state.without
        self.said.text, self.said.error, self.not_executed = state.text, state.service_errno, state.not_executed
        self._channel = shop.capture.channel(state.channel)
        if state.notify is not None:
            self.said.listen(shop.loop, self.belongs, self.spec, state.notify)
        if state.readiness is not None:
            self._make_readiness(state.readiness)
        if state.guard is not None:
            self._make_guard().thaw(state.guard)
        if state.born is not None:
            shop.spawner.adopt(state.born, self._executed, self._own_exited)
        if state.foreign is not None:
            pid, pidfd = state.foreign.pid, state.foreign.pidfd
            self._foreign = ForeignMain(shop.loop, shop.reaper, shop.timers, pid, self._main_exited, pidfd)
        self.errands.thaw(state.commands)
        if state.preparing:
            self.prepare()
