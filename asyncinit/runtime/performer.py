"""Carry out the engine's effects: each becomes a call of the service's run, or of a part that all share.

Never raises: an effect that cannot be carried out because of a bug of ours is answered as a failure of that service,
and told; the others go on.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from functools import partial

from msgspec import Struct

from asyncinit.config.spec import Command, LogLevel, Scope, ServiceSpec
from asyncinit.core import effects as fx
from asyncinit.core import events as ev
from asyncinit.core.events import Effect, Event
from asyncinit.core.handover import service_of
from asyncinit.core.service import COMING_UP, GOING_DOWN, IS_UP, Phase, Service
from asyncinit.core.status import Code, ExitStatus, Reason
from asyncinit.runtime import words
from asyncinit.runtime.process.hooks import end_variables
from asyncinit.runtime.process.prepared import Prepared
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.removals import Removals
from asyncinit.runtime.run import Run
from asyncinit.runtime.run_state import RunState
from asyncinit.runtime.seen import Seen
from asyncinit.runtime.stops import Stops
from asyncinit.runtime.supervisor import Supervisor
from asyncinit.runtime.timers import Timer
from asyncinit.runtime.workshop import Workshop

# Phases in which something of a service is there, or is about to be.
_HAVE_A_RUN = COMING_UP | IS_UP | GOING_DOWN
# Who stands still can neither do these things nor end by them.
_WAKING = (ev.RunHooks, ev.SendSignal, ev.RunStopCommand, ev.RunReload, ev.KillTree)


class PerformerState(Struct):
    """What is carried over a re-exec: the runs, the services' timers (epoch, deadline), whose ends are waited for.

    `held_back` are those whose stop is begun again (`runtime.stops`).
    """

    runs: dict[str, RunState] = {}
    timers: dict[str, tuple[int, float]] = {}
    awaited: list[str] = []
    removals: list[ServiceSpec] = []
    not_executed: dict[str, int] = {}
    last_words: dict[str, str] = {}
    held_back: list[str] = []


class Performer:
    """Perform effects with the `workshop`'s tools; answers go to the `supervisor`.

    Who remembers something by the names of services puts into `on_forgotten` what forgets one that is gone for good.
    Whom a declaration concerns while the service runs puts into `on_adopted` what is called with one that has another.
    """

    def __init__(self, workshop: Workshop, supervisor: Supervisor) -> None:
        self._shop = workshop
        self._supervisor = supervisor
        self._engine = supervisor.engine
        self._runs: dict[str, Run] = {}
        self._timers: dict[str, tuple[int, Timer]] = {}
        self.removals = Removals(workshop)
        self._stops = Stops(workshop, supervisor.engine, lambda key: self._run(key).errands)
        self._not_executed: dict[str, int] = {}
        self._last_words: dict[str, str] = {}
        self.on_internal_error: Callable[[], None] = lambda: None
        self.on_forgotten: list[Callable[[str], None]] = []
        self.on_adopted: list[Callable[[str], None]] = []
        supervisor.performer = self

    # -----------------------------------------------------------------------------------------------------------------
    # What others ask

    def seen(self, name: str) -> Seen:
        """Return what the runtime knows of a service."""
        run = self._present_run(name)
        times, log = self._shop.announcer.times(name), self._shop.router.status(name, self._service(name).spec)
        if run is None:
            return Seen(times, self._last_words.get(name, ""), log=log)
        left_out = [missing.key for missing in run.not_applied]
        monitor = run.watch.monitor if run.watch is not None else None
        frozen = self._shop.cgroups.is_suspended(run.life)
        cgroup = partial(self._shop.cgroups.status, run.life)
        return Seen(times, run.said.text, run.waiting_text, left_out, monitor, log, frozen, cgroup)

    def signal(self, name: str, number: int, scope: Scope) -> None:
        """Send a signal to a service; raises OSError."""
        service = self._service(name)
        self._shop.ending.signal_scope(service.key, number, scope, service.main, resume=False)

    def can_suspend(self, name: str) -> bool:
        """Tell whether a service has a cgroup, by which alone it can be frozen."""
        return self._shop.cgroups.has(self._service(name).key)

    def suspend(self, name: str) -> None:
        """Have all processes of a service stand still, and see to it no more meanwhile; raises OSError."""
        run = self._run(self._service(name).key)
        self._shop.cgroups.suspend(run.life)
        run.unguard()

    def resume(self, name: str) -> bool:
        """Have them go on; tell whether they stood still."""
        service = self._service(name)
        if not self._shop.cgroups.resume(service.key):
            return False
        if service.guarded:
            self._run(service.key).guard()
        return True

    def run_watch(self, name: str, command: Command, timeout: float, variables: Mapping[str, str]) -> None:
        """Run the command of [watch] of a service that is up (`Workshop.watch_ended`)."""
        run = self._present_run(name)
        if run is not None and run.prepared is not None:
            run.errands.run_watch(command, timeout, variables)

    def stands_still(self, name: str) -> bool:
        """Tell whether a service is frozen."""
        return self._shop.cgroups.is_suspended(self._service(name).key)

    def prepared(self, name: str) -> Prepared | None:
        """Return what the processes of a service's present run start with; None where there is no run."""
        run = self._present_run(name)
        return run.prepared if run is not None else None

    def _present_run(self, name: str) -> Run | None:
        return self._runs.get(self._engine.services[name].key)

    def not_executed(self, name: str) -> int | None:
        """Return 126 or 127 if the service's program could not be executed or found."""
        return self._not_executed.get(name)

    # -----------------------------------------------------------------------------------------------------------------
    # Effects

    def perform(self, effect: Effect) -> None:
        """Carry out one effect."""
        try:
            self._perform(effect)
        except BaseException as error:
            self.on_internal_error()
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"internal error in {type(effect).__name__}: {error!r} ({where.filename}:{where.lineno})"
            self._shop.journal.event(service_of(effect.service), text, LogLevel.ERROR)
            answer = _failed(effect, text)
            if answer is not None:
                self._supervisor.post(effect.service, answer)

    def _perform(self, effect: Effect) -> None:  # noqa: PLR0912, PLR0915  # one branch for each effect, nothing else
        name, shop = effect.service, self._shop  # the name of a service, or the key of one of its lives
        if isinstance(effect, _WAKING) and shop.cgroups.resume(name):
            shop.journal.event(service_of(name), "thawed, to be stopped")
        match effect:
            case ev.Prepare():
                self._prepare(name)
            case fx.OpenSockets():
                shop.sockets.open(self._service(name).spec, lambda _answer: None)
            case fx.CloseSockets():
                shop.sockets.close(name)
            case fx.AwaitConnection():
                shop.activation.begin(self._service(name).spec)
            case fx.ForgetConnection():
                shop.activation.end(name)
            case ev.Spawn():
                self._run(name).spawn()
            case ev.AwaitReady():
                self._run(name).await_ready()
            case ev.ForgetReady():
                self._run(name).forget_ready()
            case ev.Guard():
                self._run(name).guard()
            case ev.Unguard():
                self._run(name).unguard()
            case ev.RunHooks():
                self._run_hooks(effect)
            case ev.EndHooks():
                # Where a stop begins without a main process, its signal is for the hook, which may end by itself.
                service = self._service(name)
                self._run(name).end_activities(kill=service.main is not None or service.phase is not Phase.STOPPING)
            case ev.SendSignal():
                self._stops.signal(name, effect.signal, effect.scope)
            case ev.RunStopCommand():
                self._stops.command(name)
            case ev.RunReload():
                self._reload(name)
            case ev.WatchTree():
                self._watch(name)
            case ev.KillTree():
                shop.ending.kill_tree(name)
            case ev.ArmTimer():
                self._arm(name, effect.epoch, effect.deadline)
            case ev.DisarmTimer():
                self._disarm(name)
            case ev.CleanUp():
                self._clean_up(name)
            case ev.Adopt():
                self._adopt(name, effect.spec)
            case ev.Forget():
                self._forget(name)
            case fx.HandedOver():
                shop.announcer.handed_over(effect)
            case ev.Announce():
                shop.announcer.announce(effect)

    def _service(self, name: str) -> Service:
        service = self._engine.lives.find(name)
        assert service is not None, f"{name} is forgotten"
        return service

    def _run(self, name: str) -> Run:
        return self._runs[name]

    def _prepare(self, name: str) -> None:
        # While the last run's directories are being removed, the new ones would be removed with them.
        run = self._new_run(name, self._service(name).spec)
        self.removals.after(run.spec.name, partial(self._begin, name, run))

    def _new_run(self, name: str, spec: ServiceSpec, token: str | None = None) -> Run:
        def complain(text: str) -> None:
            self._shop.journal.event(spec.name, text, LogLevel.WARNING)

        run = Run(self._shop, spec, name, partial(self._supervisor.post, name), complain, token)
        self._runs[name] = run
        return run

    def _begin(self, name: str, run: Run) -> None:
        if run is self._runs.get(name):
            run.prepare()

    def _watch(self, name: str) -> None:
        self._shop.members.watch_gone(name, partial(self._tree_gone, name))

    def _tree_gone(self, name: str) -> None:
        run = self._runs.get(name)
        if run is not None:
            run.tree_gone()
        self._supervisor.post(name, ev.TreeGone())

    def _run_hooks(self, effect: ev.RunHooks) -> None:
        service = self._service(effect.service)
        variables: dict[str, str] = {}
        if effect.stage is ev.HookStage.POST_START:
            self._shop.chronicle.announcing(service.name, self._shop.timers.now())
        if effect.stage is ev.HookStage.POST_STOP:
            code = service.failure.code if service.failure is not None else Code.SUCCESS
            variables = end_variables(code, service.run_exit)
        elif service.main is not None:
            variables = {"MAINPID": str(service.main)}
        self._run(effect.service).errands.run_hooks(effect.stage, effect.pace, variables)

    def _reload(self, name: str) -> None:
        reload = self._service(name).spec.reload
        if reload.command is not None:
            self._run(name).errands.run_reload(reload.command)
        else:
            self._shop.ending.signal_scope(name, reload.signal, Scope.PROCESS, self._service(name).main, resume=False)

    def _arm(self, name: str, epoch: int, deadline: float) -> None:
        self._disarm(name)
        self._timers[name] = epoch, self._shop.timers.at(deadline, partial(self._fired, name, epoch))

    def _fired(self, name: str, epoch: int) -> None:
        self._timers.pop(name, None)
        run = self._runs.get(name)
        if run is not None:
            run.said.hear()  # when we were held up, it is not the service that is late
        waiting = run.waiting_text if run is not None else None
        if self._service(name).phase is Phase.KILLING:
            waiting = self._shop.ending.undying(name)
        self._supervisor.post(name, ev.TimerFired(epoch, waiting or ""))

    def _disarm(self, name: str) -> None:
        armed = self._timers.pop(name, None)
        if armed is not None:
            armed[1].cancel()

    def _clean_up(self, name: str) -> None:
        self._shop.members.unwatch(name)
        self._stops.forget(name)
        run = self._runs.pop(name, None)
        if run is None:
            return
        run.close()
        service = run.spec.name
        self._last_words[service] = run.said.last_words
        if run.not_executed is not None:
            self._not_executed[service] = run.not_executed
        shared = any(other.spec.name == service for other in self._runs.values())
        if run.spec.directories.runtime and not run.skipped and not shared:
            self.removals.begin(run.spec)

    def _adopt(self, name: str, spec: ServiceSpec) -> None:
        run = self._runs.get(name)
        if run is not None:  # a target has none
            run.adopt(spec)
            self._shop.router.reroute(name, spec.log)
        for tell in self.on_adopted:
            tell(spec.name)

    def _forget(self, name: str) -> None:
        if not self._engine.forget(name):
            return
        self._disarm(name)
        if name == service_of(name):
            self._last_words.pop(name, None)
            self._not_executed.pop(name, None)
            for forget in self.on_forgotten:
                forget(name)

    # -----------------------------------------------------------------------------------------------------------------
    # Over a re-exec

    def freeze(self, keep: Keep) -> PerformerState:
        """Return what is carried over a re-exec; a run that cannot be told is left out, and told of."""
        state = PerformerState(
            timers={name: (epoch, timer.deadline) for name, (epoch, timer) in self._timers.items()},
            awaited=self._shop.members.awaited,
            removals=self.removals.freeze(keep),
            not_executed=dict(self._not_executed),
            last_words=dict(self._last_words),
            held_back=self._stops.held_back,
        )
        for name, run in self._runs.items():
            try:
                state.runs[name] = run.freeze(keep)
            except Exception as error:
                self._shop.journal.event(service_of(name), f"its run cannot be carried over: {error!r}", LogLevel.ERROR)
        return state

    def thaw(self, state: PerformerState) -> None:
        """Go on with what the program before was about; the engine knows its services by now."""
        self._not_executed, self._last_words = state.not_executed, state.last_words
        self.removals.thaw(state.removals)
        for name, one in state.runs.items():
            try:
                self._new_run(name, one.spec, one.token).thaw(one)
            except Exception as error:
                text = f"its run cannot be taken over: {words.raised(error)}"
                self._shop.journal.event(service_of(name), text, LogLevel.ERROR)
                del self._runs[name]
        for name, (epoch, deadline) in state.timers.items():
            self._arm(name, epoch, deadline)
        for name in state.awaited:
            self._watch(name)
        for life in self._engine.lives.all():
            self._go_on(life.key, life)
        self._stops.begin_again(state.held_back)

    def _go_on(self, name: str, service: Service) -> None:
        """Do what a service needs that came without its run, or in the middle of an effect."""
        if service.listening:
            self._shop.activation.begin(service.spec)
        elif service.serving and service.phase in {Phase.WAITING, Phase.BACKOFF}:
            self._shop.sockets.open(service.spec, lambda _answer: None)  # it may have been in the middle of that
        run = self._runs.get(name)
        if run is None and service.phase in _HAVE_A_RUN and service.spec.has_process:
            run = self._new_run(name, service.spec)
            run.main = service.main
            if service.phase is not Phase.PREPARING:
                self._shop.loop.call_soon(self._supervisor.post, name, _lost(service))
        if run is None:
            return
        if service.phase is Phase.PREPARING and not run.under_way:
            self.removals.after(run.spec.name, partial(self._begin, name, run))
        if service.awaiting_ready:
            run.await_ready()


def _lost(service: Service) -> Event:
    """Return what is to be told of a service whose run was lost: nothing of it is known any more."""
    match service.phase:
        case Phase.PRE_STOP:
            return ev.HooksDone(ev.HookStage.PRE_STOP)
        case Phase.POST_STOP:
            return ev.HooksDone(ev.HookStage.POST_STOP)
    return ev.Exited(ExitStatus())


def _failed(effect: Effect, text: str) -> Event | None:
    """Return the answer that tells that an effect could not be carried out, if it has one."""
    reason = Reason(Code.RESOURCES, text)
    match effect:
        case ev.Prepare():
            return ev.Prepared(reason)
        case fx.AwaitConnection():
            return ev.ListenFailed(reason)
        case ev.Spawn():
            return ev.SpawnFailed(reason)
        case ev.RunHooks():
            return ev.HooksDone(effect.stage, reason)
        case ev.RunReload():
            return ev.ReloadDone(reason)
    return None
