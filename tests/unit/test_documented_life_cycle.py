"""The diagrams of docs/design/life-cycle.md have every arrow along which the table leads, and no other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

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
)
from asyncinit.core import events as ev
from asyncinit.core.lifecycle import step
from asyncinit.core.service import COMING_UP, GOING_DOWN, STOPPABLE, Phase, Service
from asyncinit.core.status import Code, ExitStatus, Reason, State, Trigger
from tests.unit.reference_world import codes, section, tables, words

PAGE = "design/life-cycle.md"
COMMAND = Command(("program",))
HOOKS = (Hook(COMMAND),)
SOCKETS = (Socket(SocketKind.TCP, "127.0.0.1:80", "http"),)
WHY = Reason(Code.DEPENDENCY, "a reason")
STAGES = {
    Phase.POST_START: ev.HookStage.POST_START,
    Phase.PRE_STOP: ev.HookStage.PRE_STOP,
    Phase.POST_STOP: ev.HookStage.POST_STOP,
}
TIMED = {*COMING_UP, Phase.RELOADING, Phase.STOPPING, Phase.KILLING}

Arrows = Mapping[tuple[str, str], set[str]]


def specs() -> Iterator[ServiceSpec]:
    """Services that between them visit every arrow: with hooks and without, restarted or not, of each kind."""
    for hooks in (Hooks(), Hooks(HOOKS, HOOKS, HOOKS, HOOKS)):
        for restart in (Restart(RestartPolicy.ALWAYS), Restart(RestartPolicy.NEVER)):
            for stop in (Stop(), Stop(command=COMMAND)):
                yield ServiceSpec("a", ServiceType.ONESHOT, COMMAND, hooks=hooks, restart=restart, stop=stop)
            for ready in (Ready(), Ready(ReadyKind.NOTIFY)):
                yield ServiceSpec(
                    "a",
                    command=COMMAND,
                    hooks=hooks,
                    restart=restart,
                    ready=ready,
                    reload=Reload(command=COMMAND),
                    health=Health(kind=ReadyKind.FILE, address="/x", threshold=1),
                )
            yield ServiceSpec("a", command=COMMAND, restart=restart, sockets=SOCKETS, on_demand=True)


def possible(s: Service) -> Iterator[ev.Event]:
    """What can happen to a service as it is: wishes at any time, answers to what was asked for, the engine's gates."""
    yield from (ev.Start(), ev.Stop(), ev.Recycle(), ev.Listen(), ev.Triggered(Trigger("b", Code.SIGNAL)))
    if s.listening:
        yield ev.ListenFailed(WHY)
    if s.phase is Phase.WAITING:
        yield ev.DependencyFailed(WHY)
    if s.phase is Phase.WAITING or s.revivable:
        yield ev.MayStart()
    if s.leaving and s.phase in STOPPABLE:
        yield from (ev.MayStop(), ev.Hurry())
    if s.phase in GOING_DOWN:
        yield ev.Hurry()
    if s.phase is Phase.BACKOFF:
        yield ev.TimerFired(s.epoch)
    if s.spec.type is not ServiceType.TARGET:
        yield from answers(s)


def answers(s: Service) -> Iterator[ev.Event]:
    if s.phase is Phase.PREPARING:
        yield from (ev.Prepared(), ev.Prepared(WHY), ev.Unmet(WHY))
    if s.phase is Phase.STARTING and s.main is None:
        yield from (ev.Spawned(1), ev.SpawnFailed(WHY))
    if s.main is not None:
        yield from (ev.Executed(), ev.Reloading(), ev.Stopping(), ev.Exited(ExitStatus(0)), ev.Exited(ExitStatus(1)))
        if s.spec.ready.kind is not ReadyKind.EXEC or s.phase is Phase.RELOADING:
            yield ev.BecameReady()
        yield ev.WatchdogMissed("late")
    if s.guarded:
        yield from (ev.Probed(), ev.Probed("refused"))
    if s.phase is Phase.UP:
        yield ev.ReloadRequested()
    if s.phase is Phase.RELOADING:
        yield ev.ReloadDone()
    if s.phase in (Phase.STOPPING, Phase.KILLING):
        yield ev.TreeGone()
    if s.phase in STAGES:
        yield from (ev.HooksDone(STAGES[s.phase]), ev.HooksDone(STAGES[s.phase], WHY))
    if s.phase in TIMED:
        yield ev.TimerFired(s.epoch)


def shape(s: Service) -> tuple[object, ...]:
    """What decides where a service can go from here."""
    wishes = (s.wanted, s.leaving, s.revivable, s.hurried, s.stuck, s.armed, s.in_force)
    again = s.follows_at is not None
    return (again, s.phase, s.rest, s.main is None, s.failure is None, s.run_exit, s.step, *wishes)


def walk(spec: ServiceSpec) -> tuple[Arrows, set[str]]:
    """Every arrow that a service can go along, with its events but Hurry; and the phases that Hurry leads out of."""
    arrows: dict[tuple[str, str], set[str]] = defaultdict(set)
    hurried: set[str] = set()
    first = Service(spec)
    known, todo = {shape(first)}, [first]
    while todo:
        service = todo.pop()
        for event in possible(service):
            after, _ = step(service, event, 1.0, 0.5)
            if shape(after) not in known:
                known.add(shape(after))
                todo.append(after)
            if after.phase is service.phase:
                continue
            if isinstance(event, ev.Hurry):
                hurried |= {service.phase.name} if after.phase is Phase.KILLING else set()
            else:
                arrows[service.phase.name, after.phase.name].add(type(event).__name__)
    return arrows, hurried


def drawn(diagram: str) -> dict[tuple[str, str], set[str]]:
    """The arrows of a Mermaid diagram."""
    found = re.findall(r"^ *(\w+) --> (\w+): (.*)$", diagram, re.MULTILINE)
    assert len({(source, target) for source, target, _ in found}) == len(found)
    return {(source, target): set(events.split(", ")) for source, target, events in found}


def test_the_diagram_of_services_is_the_table() -> None:
    """Services and oneshots go along these arrows, for these reasons; and straight to KILLING from where it says."""
    arrows: dict[tuple[str, str], set[str]] = defaultdict(set)
    hurried: set[str] = set()
    for spec in specs():
        more, out = walk(spec)
        for arrow, events in more.items():
            arrows[arrow] |= events
        hurried |= out
    assert drawn(codes(PAGE, "Where it goes")[0]) == arrows
    (said,) = (block for block in section(PAGE, "Where it goes") if "`Hurry`" in getattr(block, "text", ""))
    assert set(words(said.text)) - {"Hurry"} == hurried  # type: ignore[union-attr]


def test_the_diagram_of_targets_is_the_table() -> None:
    """A target has a shorter life."""
    arrows, hurried = walk(ServiceSpec("a", ServiceType.TARGET))
    assert drawn(codes(PAGE, "Where it goes")[1]) == arrows
    assert not hurried


def test_the_states_of_the_phases_are_those_of_the_code() -> None:
    """Each phase has its row, with the state that users see."""
    spec = ServiceSpec("a", command=COMMAND)
    (table,) = tables(PAGE, "Where a service can be")
    claims = {words(phase)[0]: words(state) for phase, state in table.rows}
    assert claims.pop("DOWN") == [State.INACTIVE, State.LISTENING, State.COMPLETED, State.FAILED]
    assert claims["UP"].pop() == Service(spec, Phase.UP, unhealthy=WHY).state
    assert claims == {phase.name: [Service(spec, phase).state] for phase in Phase if phase is not Phase.DOWN}
    for phase in Phase:
        assert (Service(spec, phase, leaving=True).state is State.STOPPING) == (phase in STOPPABLE | GOING_DOWN)
