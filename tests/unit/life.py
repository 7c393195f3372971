"""One service's life, stepped by hand: a script that remembers its effects, and services in any phase."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from msgspec.structs import replace

from asyncinit.config.spec import (
    Command,
    Health,
    Hook,
    Hooks,
    Ready,
    ReadyKind,
    Reload,
    Restart,
    RestartPolicy,
    ServiceSpec,
    ServiceType,
    Socket,
    SocketKind,
    Stop,
    StopStep,
)
from asyncinit.core import events as ev
from asyncinit.core.going_down import BY_ITSELF
from asyncinit.core.lifecycle import step
from asyncinit.core.service import IS_UP, Checks, Phase, Service
from asyncinit.core.status import Code, ExitStatus, Reason, State, Trigger
from tests.unit.world import service

HOOKED = Hooks(*((Hook(Command((stage,)), timeout=4.0),) for stage in ("prepare", "announce", "drain", "tidy")))
PROBED = Health(kind=ReadyKind.TCP, address="127.0.0.1:1", threshold=3)
WENT_WRONG = Reason(Code.EXIT_CODE, "exited with 1")
SOCKETS = (Socket(SocketKind.TCP, "127.0.0.1:80", "http"),)
STAGES = {
    Phase.POST_START: ev.HookStage.POST_START,
    Phase.PRE_STOP: ev.HookStage.PRE_STOP,
    Phase.POST_STOP: ev.HookStage.POST_STOP,
}
NOT_HERE = Reason(Code.CONDITION, 'path_exists = "/x" does not hold')
SICK = Reason(Code.HEALTH, "3 health probes in a row failed: tcp 127.0.0.1:1: refused")
DATABASE_FAILED = Trigger("db", Code.EXIT_CODE, ExitStatus(1))
NO_DATABASE = Reason(Code.DEPENDENCY, "requires db, which has failed", "db")


class Life:
    """A service that lives through what it is told; `effects` are those of the last event, `told` all changes."""

    def __init__(self, **keys: Any) -> None:
        self.service = Service(service("web", **keys))
        self.now = 100.0
        self.draw = 0.0
        self.effects: list[ev.Effect] = []
        self.states: list[State] = []

    def tell(self, *events: ev.Event, after: float = 0.0) -> list[ev.Effect]:
        """Let events happen one after another, the first `after` seconds from now; return the last one's effects."""
        self.now += after
        for event in events:
            self.service, self.effects = step(self.service, event, self.now, self.draw)
            self.states += [effect.new for effect in self.effects if isinstance(effect, ev.Announce)]
        return self.effects

    def fire(self) -> list[ev.Effect]:
        """Let the time pass until the service's timer fires."""
        return self.tell(ev.TimerFired(self.service.epoch), after=self.service.deadline - self.now)

    def start(self) -> Life:
        """Let it come up: ready, with a main process of pid 10 (if it is no target)."""
        self.tell(ev.Start(), ev.MayStart())
        if self.service.spec.type is not ServiceType.TARGET:
            self.tell(ev.Prepared(), ev.Spawned(10), ev.Executed(), ev.BecameReady())
        return self

    def crash(self, code: int | None = 1, signal: int | None = None) -> list[ev.Effect]:
        """Let the main process end, nothing being left."""
        self.exit(code, signal)
        return self.tell(ev.TreeGone())

    def exit(self, code: int | None = 1, signal: int | None = None) -> list[ev.Effect]:
        """Let the main process end."""
        return self.tell(ev.Exited(ExitStatus(code if signal is None else None, signal)))

    @property
    def phase(self) -> Phase:
        return self.service.phase

    @property
    def state(self) -> State:
        return self.service.state

    def did(self, kind: type[ev.Effect]) -> bool:
        """Tell whether the last event had an effect of this kind."""
        return any(isinstance(effect, kind) for effect in self.effects)


def _specs() -> dict[str, ServiceSpec]:
    escalating = Stop(escalate=(StopStep(2, 3.0),))
    told = Ready(ReadyKind.NOTIFY, timeout=20.0)
    never = Restart(RestartPolicy.NEVER)
    return {
        "plain": service("x"),
        "never": service("x", restart=never),
        "given up": service("x", restart=Restart(limit=0)),
        "hooks": service("x", hooks=HOOKED, stop=escalating),
        "hooks, never": service("x", hooks=HOOKED, restart=never),
        "notify": service("x", ready=told, reload=Reload(command=Command(("reload",)))),
        "pid file": service("x", ready=replace(told, kind=ReadyKind.PID_FILE)),
        "guarded": service("x", ready=told, health=PROBED, watchdog=5.0),
        "guarded, hooks": service("x", hooks=HOOKED, health=PROBED, watchdog=5.0),
        "oneshot": service("x", type=ServiceType.ONESHOT, restart=never),
        "oneshot with hooks": service("x", type=ServiceType.ONESHOT, hooks=HOOKED, restart=never),
        "undone": service("x", type=ServiceType.ONESHOT, restart=never, stop=Stop(command=Command(("undo",)))),
        "on demand": service("x", sockets=SOCKETS, on_demand=True),
        "target": service("x", type=ServiceType.TARGET),
    }


SPECS = _specs()
"""The kinds of services between which the table makes a difference."""


def services(phase: Phase) -> Iterator[Service]:
    """Return services in `phase`, all in which it can be that make a difference."""
    wishes = [(True, False), (True, True), (False, True)]
    if phase in {Phase.WAITING, Phase.BACKOFF}:
        wishes = [(True, False)]
    if phase is Phase.BACKOFF:
        yield Service(SPECS["on demand"], phase, armed=True, epoch=7, attempt=1, deadline=50.0, next_start=50.0)
    for spec, (wanted, leaving) in product(SPECS.values(), wishes):
        target, oneshot = spec.type is ServiceType.TARGET, spec.type is ServiceType.ONESHOT
        forks = spec.ready.kind is ReadyKind.PID_FILE
        if target and phase not in {Phase.DOWN, Phase.WAITING, Phase.UP}:
            continue
        if oneshot and phase in IS_UP | {Phase.PRE_STOP}:
            if spec.is_undone and phase is not Phase.RELOADING:
                up = Service(spec, phase, wanted, leaving, epoch=7, rest=State.COMPLETED, deadline=50.0)
                yield replace(up, in_force=phase is Phase.UP)
            continue
        if phase in {Phase.POST_START, Phase.PRE_STOP, Phase.POST_STOP} and not spec.hooks.post_start:
            continue
        begun = Service(spec, phase, wanted, leaving, epoch=7, attempt=1, start_deadline=50.0, deadline=50.0)
        begun = replace(begun, armed=spec.on_demand and wanted)
        if not target:
            begun = replace(begun, main=10)
        match phase:
            case Phase.DOWN:
                yield from _at_rest(begun)
            case Phase.STOPPING | Phase.KILLING:
                steps = (0, 1, BY_ITSELF) if phase is Phase.STOPPING else (0,)
                for main, failure, by in product((10, None), (None, WENT_WRONG), steps):
                    if by <= len(spec.stop.escalate):
                        yield replace(begun, main=main, failure=failure, step=by)
                if phase is Phase.KILLING:
                    yield replace(begun, hurried=True)
                if spec.is_undone:
                    yield replace(begun, main=None, in_force=True)
            case Phase.POST_STOP:
                yield from (replace(begun, main=None, failure=failure) for failure in (None, WENT_WRONG))
            case Phase.WAITING | Phase.PREPARING | Phase.BACKOFF:
                yield replace(begun, main=None)
            case Phase.UP | Phase.RELOADING if spec.health is not None:
                guarded = replace(begun, guarded=True, ready_since=1.0)
                yield replace(guarded, checks=Checks(successes=1, proven=True))
                yield replace(guarded, checks=Checks(failures=2, proven=True))
                yield replace(guarded, checks=Checks(failures=3), unhealthy=SICK)
            case _:
                if not (oneshot and phase is Phase.POST_START):
                    yield begun
                if phase is Phase.STARTING or forks or (oneshot and phase is Phase.POST_START):
                    yield replace(begun, main=None)


def _at_rest(begun: Service) -> Iterator[Service]:
    rest = replace(begun, leaving=False, main=None)
    if begun.spec.on_demand:
        listening = replace(rest, wanted=False, armed=True, rest=State.LISTENING)
        yield listening
        yield replace(listening, triggers=(19.5,) * 20)
    yield replace(rest, wanted=False)
    yield replace(rest, rest=State.COMPLETED)
    yield replace(rest, rest=State.INACTIVE, reason=NOT_HERE)
    yield replace(rest, rest=State.COMPLETED, follows_at=19.0)
    yield replace(rest, rest=State.FAILED, reason=WENT_WRONG)
    yield replace(rest, rest=State.FAILED, reason=WENT_WRONG, stuck=True)
    yield replace(rest, rest=State.FAILED, reason=NO_DATABASE)


def events(kind: type[ev.Event], service: Service) -> Iterator[ev.Event]:
    """Return the events of a kind that make a difference to `service`."""
    if kind in {ev.MayStop, ev.Hurry} and not service.leaving:
        return  # the engine gives them to who shall go down alone
    if kind is ev.TimerFired:
        yield ev.TimerFired(service.epoch)
    elif kind is ev.Prepared:
        yield from (ev.Prepared(), ev.Prepared(WENT_WRONG))
    elif kind is ev.Exited:
        yield from (ev.Exited(ExitStatus(0)), ev.Exited(ExitStatus(1)), ev.Exited(ExitStatus()))
    elif kind is ev.HooksDone:
        stage = STAGES.get(service.phase, ev.HookStage.PRE_START)
        yield from (ev.HooksDone(stage), ev.HooksDone(stage, WENT_WRONG))
    elif kind in {ev.Spawned, ev.MainChanged}:
        yield kind(11)  # type: ignore[call-arg]
    elif kind in {ev.Redeclared, ev.Undeclared}:
        yield kind(service.spec)  # type: ignore[call-arg]
        yield kind(replace(service.spec, description="other", umask=0o22, hooks=HOOKED))  # type: ignore[call-arg]
    elif kind is ev.Triggered:
        yield from (ev.Triggered(DATABASE_FAILED), ev.Triggered())
    elif kind is ev.Unmet:
        yield ev.Unmet(NOT_HERE)
    elif kind is ev.Probed:
        yield from (ev.Probed(), ev.Probed("tcp 127.0.0.1:1: refused"))
    elif kind is ev.WatchdogMissed:
        yield ev.WatchdogMissed("no WATCHDOG=1 within 5 s")
    elif kind is ev.ExtendTimeout:
        yield from (ev.ExtendTimeout(0.001), ev.ExtendTimeout(100.0))
    elif kind in {ev.DependencyFailed, ev.SpawnFailed, ev.ListenFailed}:
        yield kind(NO_DATABASE)  # type: ignore[call-arg]
    else:
        yield kind()  # type: ignore[call-arg]
