"""All services together: wishes from outside, gates between them, shutdown. Pure; one life is `lifecycle`'s.

The engine holds a queue, not a recursion. First every queued event is stepped and its effects are collected; then every
service that may be concerned (what changed, and its neighbours in the graph) is looked at: may it start now, may it
stop now, has what it requires failed for good, has what it is bound to gone? The answers are events of the same queue.
Looking comes last so that a wish for several services at once (start web and what it needs) is seen as a whole. It
ends when nothing changes any more; the effects are returned in the order in which they came about.

Shutdown is no second mechanism: every service is wanted down, the gates order it, and a budget squeezes the timers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from asyncinit.config.spec import GiveUp, ServiceSpec, ServiceType
from asyncinit.core import budget, followers, reasons, rivals
from asyncinit.core import events as ev
from asyncinit.core.events import Effect, Event
from asyncinit.core.gates import Gates
from asyncinit.core.graph import Graph
from asyncinit.core.lifecycle import step
from asyncinit.core.reconfiguration import Reconfiguration, work_out
from asyncinit.core.restart import takes_all_down
from asyncinit.core.service import GOING_DOWN, STOPPABLE, Phase, Service
from asyncinit.core.shares import Shares
from asyncinit.core.status import Reason, State
from asyncinit.errors import TransitionError

# After the budget each service gets SIGKILL and so many seconds to be gone, in order.
OVERRUN_GRACE = 0.05


class Engine:
    """The services, and what shall become of them.

    `draw` gives random numbers in [0, 1). Every method that lets something happen takes `now` (monotonic seconds) and
    returns the effects to carry out, in order. `report` is told of events that could not happen (bugs of asyncinit).
    `armed` are the services that a timer will start: set by whoever has the timers, it is something to stay for.
    """

    def __init__(
        self,
        specs: Mapping[str, ServiceSpec],
        draw: Callable[[], float],
        report: Callable[[TransitionError], None],
    ) -> None:
        self.services: dict[str, Service] = {name: Service(spec) for name, spec in specs.items()}
        self.graph = Graph(specs)
        self._draw = draw
        self._report = report
        self._queue: deque[tuple[str, Event]] = deque()
        self._concerned: dict[str, set[str]] = {}
        self._effects: list[Effect] = []
        self.killed: list[str] = []
        self._gates = Gates(self.services, self.graph)
        self.shutting_down = False
        self.overrun = False
        self.budget = math.inf
        self.stop_deadline = math.inf
        self.ended_essential: str | None = None
        self.gave_up: GiveUp = GiveUp.NONE
        self.gave_up_on: str | None = None
        self.armed: frozenset[str] = frozenset()

    # -----------------------------------------------------------------------------------------------------------------
    # What happens

    def handle(self, name: str, event: Event, now: float) -> list[Effect]:
        """Let `event` happen to the service `name`."""
        if self.shutting_down and isinstance(event, ev.ExtendTimeout):
            event = ev.ExtendTimeout(event.seconds, self._shares.latest_end(name))
        self._queue.append((name, event))
        return self._run(now)

    def start(self, names: Iterable[str], now: float) -> list[Effect]:
        """Want `names` up, and all that they need; a completed oneshot runs again only if it is named itself."""
        if self.shutting_down:
            return []
        self._want(names, ev.Start())
        return self._run(now)

    def _want(self, names: Iterable[str], start: Event) -> None:
        """Queue `start` for `names` and what they need, and first a stop of what cannot be up beside them."""
        named = dict.fromkeys(names)
        enabled = {name: service.spec.enabled for name, service in self.services.items()}
        needed = self.graph.pulled_in(named, dict.fromkeys(enabled, False))
        chosen = rivals.compatible(self.graph, (*named, *needed, *self.graph.pulled_in(named, enabled)))
        self._make_room(chosen)
        for name in chosen:
            service = self.services[name]
            if name in named:
                self._queue.append((name, start))
            elif not service.at_rest:
                self._queue.append((name, ev.Start()))
            elif service.skipped or not service.satisfied:
                self._queue.append((name, start))

    def _make_room(self, names: Iterable[str]) -> None:
        for name, reason in rivals.displaced(self.graph, self.services, names).items():
            self._queue.append((name, ev.Stop(reason)))

    def boot(self, names: Iterable[str], now: float) -> list[Effect]:
        """Want `names` up, but those that are started on demand, which listen unless something that starts needs them.

        For what is to run without anybody's asking; one that listens does so with what is declared by now.
        """
        if self.shutting_down:
            return []
        named = dict.fromkeys(names)
        armed = [name for name in named if self.services[name].spec.on_demand and self.services[name].at_rest]
        self._queue.extend((name, ev.Listen()) for name in armed)
        return self.start([name for name in named if not self.services[name].spec.on_demand], now)

    def idle_stop(self, name: str, reason: Reason, now: float) -> list[Effect]:
        """Have a service that nobody uses go down until the next connection."""
        return [] if self.shutting_down else self.handle(name, ev.Listen(reason), now)

    def stop(self, names: Iterable[str], now: float) -> list[Effect]:
        """Want `names` down, and first all that needs them."""
        named = dict.fromkeys(names)
        down = dict.fromkeys(self.graph.brought_down(named))
        for name in down:
            reason = None if name in named else reasons.of_stop(self.graph.needs[name], down)
            if name in named or not self._is_off(name):
                self._queue.append((name, ev.Stop(reason)))
        return self._run(now)

    def restart(self, names: Iterable[str], now: float, *, only: bool = False) -> list[Effect]:
        """Take `names` down and up again, with what needs them and runs; `only`: with what is bound to them."""
        if self.shutting_down:
            return []
        named = rivals.compatible(self.graph, names)
        self._make_room(named)
        for name in self.graph.torn_down(named) if only else self.graph.brought_down(named):
            if name in named or not self.services[name].at_rest:
                self._queue.append((name, ev.Recycle()))
        return self.start([n for n in self._needs_of(named) if self._must_be_asked(n)], now)

    def reload(self, names: Iterable[str], now: float) -> list[Effect]:
        """Have `names` read their configuration again; what is not ready is left alone."""
        self._queue.extend((name, ev.ReloadRequested()) for name in names)
        return self._run(now)

    def reconfigure(self, plan: Reconfiguration, now: float) -> list[Effect]:
        """Take over other declarations as `plan` says, which was made just now."""
        if self.shutting_down:
            return []
        for name in plan.removed:
            self._queue += [(name, ev.Stop(reasons.NO_LONGER_DECLARED)), (name, ev.Undeclared(plan.detached[name]))]
        for name in plan.changed:
            self._queue.append((name, ev.Redeclared(plan.specs[name])))
        for name in plan.added:
            if name in self.services:  # it was gone, and something of it is still there
                self._queue.append((name, ev.Redeclared(plan.specs[name])))
            else:
                self.services[name] = Service(plan.specs[name])
        self.graph = plan.graph
        self._gates = Gates(self.services, self.graph)
        self._concerned = {name: {name} for name in self.services}
        for name in plan.restarted:
            self._queue.append((name, ev.Recycle(reasons.of_change(plan.changed[name].keys))))
        self._queue.extend((name, ev.Recycle()) for name in plan.affected)
        self._queue.extend((name, ev.Listen()) for name in plan.listening)
        return self.start(plan.started, now)

    def forget(self, name: str) -> bool:
        """Drop a service that is not declared any more and at rest; tell whether it was one (`events.Forget`)."""
        service = self.services.get(name)
        if service is None or not service.gone or not service.at_rest or service.stuck:
            return False
        self._gates.forget(name)
        self.graph.drop(name)
        del self.services[name]
        return True

    def shut_down(self, now: float, timeout: float) -> list[Effect]:
        """Want everything down within `timeout` seconds (`math.inf`: as long as it takes)."""
        if not self.shutting_down:
            self.shutting_down = True
            self.budget = budget.usable(timeout)
            self.stop_deadline = now + self.budget
            for name in self.services:
                if not self._is_off(name):
                    self._queue.append((name, ev.Stop()))
                    self._concerned[name] = {name}
        return self._run(now)

    def hurry(self, now: float) -> list[Effect]:
        """No more waiting: the budget is spent, or somebody asked twice. What is left is killed, in order."""
        self.overrun = True
        for name, service in self.services.items():
            if service.phase in GOING_DOWN:
                self._queue.append((name, ev.Hurry(OVERRUN_GRACE)))
            else:
                self._concerned[name] = {name}
        return self._run(now)

    def look_at_all(self, now: float) -> list[Effect]:
        """Look at every gate, as after a re-exec (`core.carried`)."""
        self._concerned = {name: {name} for name in self.services}
        return self._run(now)

    # -----------------------------------------------------------------------------------------------------------------
    # What can be seen

    def plan(self, specs: Mapping[str, ServiceSpec], shall_run: Iterable[str]) -> Reconfiguration:
        """Return what other declarations would mean now; changes nothing. `shall_run` is what a start would start."""
        return work_out(self.services, self.graph, specs, shall_run)

    @property
    def idle(self) -> bool:
        """Tell whether nothing runs, waits, listens, backs off or is armed; a ready target holds nothing up."""
        if self.armed:
            return False
        return all(
            self._is_off(s.name) or (s.spec.type is ServiceType.TARGET and s.phase is Phase.UP)
            for s in self.services.values()
        )

    @property
    def all_down(self) -> bool:
        """Tell whether every service is at rest."""
        return all(service.at_rest for service in self.services.values())

    @property
    def all_ready(self) -> bool:
        """Tell whether all that is wanted is ready or completed, and anything is.

        A service that a timer starts now and then is not what the whole waits for, before, in and after its runs.
        """
        anything = bool(self.armed)
        # From the end: asked at every change, this meets one that is not ready soonest.
        for service in reversed(self.services.values()):
            if service.wanted and service.spec.timer is None:
                if not (service.satisfied or (service.at_rest and service.rest is State.COMPLETED)):
                    return False
                anything = True
            elif service.listening:
                anything = True
        return anything

    @property
    def failed(self) -> list[str]:
        """Return the services that have failed for good."""
        return [name for name, service in self.services.items() if service.state is State.FAILED]

    @property
    def unhealthy(self) -> list[str]:
        """Return the services that are unhealthy."""
        return [name for name, service in self.services.items() if service.unhealthy is not None]

    def waiting_on(self, name: str) -> list[str]:
        """Return the services that `name` waits for: to start, or (wanted down) to stop."""
        return self._gates.waiting_on(name)

    @property
    def _shares(self) -> Shares:
        return Shares(self.services, self.graph, self.budget, self.stop_deadline)

    def _is_off(self, name: str) -> bool:
        """Tell whether nothing of a service runs, and nothing will unless somebody asks for it."""
        service = self.services[name]
        return service.at_rest and not service.listening

    def _must_be_asked(self, name: str) -> bool:
        """Tell whether a service that is needed does not come by itself: it is down, or on its way there."""
        service = self.services[name]
        return service.hopeless or not service.wanted

    def _needs_of(self, names: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(other for name in names for other in self.graph.needs[name]))

    # -----------------------------------------------------------------------------------------------------------------
    # The queue

    def _run(self, now: float) -> list[Effect]:
        while self._queue or self._concerned:
            if self._queue:
                self._step(*self._queue.popleft(), now)
            else:
                name = next(iter(self._concerned))
                self._look(name, self._concerned.pop(name), now)
        effects, self._effects = self._effects, []
        return effects

    def _step(self, name: str, event: Event, now: float) -> None:
        before = self.services.get(name)
        if before is None:  # late: it is forgotten
            return
        try:
            after, effects = step(before, event, now, self._draw())
        except TransitionError as error:
            self._report(error)
            return
        if after is before:
            return
        self.services[name] = after
        self._effects.extend(effects)
        self._note_end(before, after)
        if _seen_by_others(before) != _seen_by_others(after):
            for other in (name, *self.graph.after[name], *self.graph.before[name], *self.graph.conflicts[name]):
                self._concerned.setdefault(other, set()).add(name)

    def _look(self, name: str, changed: set[str], now: float) -> None:
        """Queue what the service's surroundings, of which `changed` are new, now allow or force."""
        service = self.services[name]
        if service.phase is Phase.WAITING or service.revivable:
            self._look_at_start(name, service, changed)
        elif service.phase in STOPPABLE:
            self._look_at_stop(name, service, changed, now)
        elif service.phase in GOING_DOWN and self.shutting_down:
            self._look_at_stop_under_way(name, service, changed, now)

    def _look_at_start(self, name: str, service: Service, changed: set[str]) -> None:
        if self.shutting_down or service.stuck:
            return
        self._queue.extend((n, ev.Start()) for n in self.graph.needs[name] if self.services[n].listening)
        held = self._gates.keep_from_starting(name, changed)
        fresh = changed if name not in changed else self.graph.hard[name]
        failed = next((n for n in fresh if self._gates.fails(name, n)), None)
        if failed is not None and service.phase is Phase.WAITING:
            self._queue.append((name, ev.DependencyFailed(reasons.of_failure(self.services[failed]))))
        elif not held:
            self._queue.append((name, ev.MayStart()))

    def _look_at_stop(self, name: str, service: Service, changed: set[str], now: float) -> None:
        if not service.leaving:
            lost = next((n for n in self.graph.bound_to[name] if not self._gates.has(name, n)), None)
            if lost is not None and service.wanted:
                self._queue.append((name, ev.Recycle(reasons.of_loss(self.services[lost]))))
            return
        held = self._gates.keep_from_stopping(name, changed)
        # While it is prepared there is nothing of it yet that others could need.
        if not held or service.phase is Phase.PREPARING:
            self._queue.append(
                (name, ev.Hurry(OVERRUN_GRACE) if self.overrun else ev.MayStop(self._shares.pace(name, now)))
            )

    def _look_at_stop_under_way(self, name: str, service: Service, changed: set[str], now: float) -> None:
        """Have a stop that began before the shutdown, or by itself, take part in the sharing of the time."""
        if self.overrun:
            if not service.hurried:
                self._queue.append((name, ev.Hurry(OVERRUN_GRACE)))
            return
        held = self._gates.keep_from_stopping(name, changed)
        if not held and service.pace.most > self.budget:
            self._queue.append((name, ev.MayStop(self._shares.pace(name, now))))


    # -----------------------------------------------------------------------------------------------------------------
    # Ends that concern the whole

    def _note_end(self, before: Service, after: Service) -> None:
        if self.shutting_down and after.killed and not before.killed and after.name not in self.killed:
            self.killed.append(after.name)
        if not after.at_rest or before.at_rest or after.rest is State.INACTIVE or after.gone:
            return
        if after.spec.essential and self.ended_essential is None and not self.shutting_down:
            self.ended_essential = after.name
        if after.rest is State.FAILED and not after.revivable and self.gave_up is GiveUp.NONE:
            unhealthy = takes_all_down(after.spec, after.failure)
            self.gave_up = GiveUp.SHUTDOWN if unhealthy else after.spec.restart.on_give_up
            self.gave_up_on = after.name
        if not (self.shutting_down or self.ended_essential or self.gave_up is not GiveUp.NONE):
            self._follow(after)

    def _follow(self, ended: Service) -> None:
        """Have started what the end of a service has started; and that service again, if it was asked meanwhile."""
        if ended.pending:
            self._queue.append((ended.name, ev.Triggered()))
        found = followers.of_end(ended)
        if found is not None:
            names, trigger = found
            there = [name for name in names if name in self.services and not self.services[name].gone]
            self._want(there, ev.Triggered(trigger))


def _seen_by_others(service: Service) -> tuple[object, ...]:
    """Return what other services' gates depend on."""
    return (service.phase, service.rest, service.wanted, service.leaving, service.settled, service.stuck)
