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

from msgspec.structs import replace

from asyncinit.config.spec import GiveUp, ServiceSpec
from asyncinit.core import budget, followers, reasons, rivals
from asyncinit.core import events as ev
from asyncinit.core.events import Effect, Event
from asyncinit.core.handing_over import Handovers
from asyncinit.core.lifecycle import step
from asyncinit.core.overview import Overview
from asyncinit.core.reconfiguration import Reconfiguration
from asyncinit.core.restart import takes_all_down
from asyncinit.core.service import GOING_DOWN, STOPPABLE, Phase, Service
from asyncinit.core.shares import Shares
from asyncinit.core.status import Reason, State
from asyncinit.errors import TransitionError

# After the budget each service gets SIGKILL and so many seconds to be gone, in order.
OVERRUN_GRACE = 0.05


class Engine(Overview):
    """The services, and what shall become of them.

    `draw` gives random numbers in [0, 1). Every method that lets something happen takes `now` (monotonic seconds) and
    returns the effects to carry out, in order. `report` is told of events that could not happen (bugs of asyncinit).
    """

    def __init__(
        self,
        specs: Mapping[str, ServiceSpec],
        draw: Callable[[], float],
        report: Callable[[TransitionError], None],
    ) -> None:
        super().__init__(specs)
        self._handovers = Handovers(self.lives, self._post, self._do, self._concern_around)
        self._draw = draw
        self._report = report
        self._queue: deque[tuple[str, Event]] = deque()
        self._concerned: dict[str, dict[str, None]] = {}
        self._effects: list[Effect] = []
        self.killed: list[str] = []
        self.shutting_down = False
        self.overrun = False
        self.budget = math.inf
        self.stop_deadline = math.inf
        self.ended_essential: str | None = None
        self.gave_up: GiveUp = GiveUp.NONE
        self.gave_up_on: str | None = None

    # -----------------------------------------------------------------------------------------------------------------
    # What happens

    def handle(self, name: str, event: Event, now: float) -> list[Effect]:
        """Let `event` happen to the service `name`."""
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
            self._to_all_of(name, ev.Stop(reason))

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
        """Have a service that nobody uses go down until the next connection; not one that is being handed over."""
        if self.shutting_down or name in self.lives.successors:
            return []
        return self.handle(name, ev.Listen(reason), now)

    def stop(self, names: Iterable[str], now: float) -> list[Effect]:
        """Want `names` down, and first all that needs them."""
        named = dict.fromkeys(names)
        down = dict.fromkeys(self.graph.brought_down(named))
        for name in down:
            reason = None if name in named else reasons.of_stop(self.graph.needs[name], down)
            if name in named or not self.services[name].off:
                self._to_all_of(name, ev.Stop(reason))
        return self._run(now)

    def restart(
        self, names: Iterable[str], now: float, *, only: bool = False, reason: Reason | None = None
    ) -> list[Effect]:
        """Take `names` down and up again (for `reason`), with what needs them and runs; `only`: with what is bound.

        Who can be handed over is replaced by another instance instead, and nobody goes down with it.
        """
        if self.shutting_down:
            return []
        named = rivals.compatible(self.graph, names)
        self._make_room(named)
        handed_over, going = self.restarted(named, only=only)
        for name in handed_over:
            self._handovers.begin(name, self.services[name].declared)
        for name in going:
            self.lives.failures.pop(name, None)
            self._to_all_of(name, ev.Recycle(reason if name in named else None))
        return self.start([n for n in self.needs_of(named) if self.must_be_asked(n)], now)

    def reload(self, names: Iterable[str], now: float) -> list[Effect]:
        """Have `names` read their configuration again; what is not ready is left alone."""
        self._queue.extend((name, ev.ReloadRequested()) for name in names)
        return self._run(now)

    def reconfigure(self, plan: Reconfiguration, now: float) -> list[Effect]:
        """Take over other declarations as `plan` says, which was made just now."""
        if self.shutting_down:
            return []
        for name in plan.removed:
            self._to_all_of(name, ev.Stop(reasons.NO_LONGER_DECLARED))
            self._to_all_of(name, ev.Undeclared(plan.detached[name]))
        for name in plan.changed:
            self._to_all_of(name, ev.Redeclared(plan.specs[name]))
        for name in plan.added:
            if name in self.services:  # it was gone, and something of it is still there
                self._queue.append((name, ev.Redeclared(plan.specs[name])))
            else:
                self.services[name] = Service(plan.specs[name])
        self.lay(plan.graph)
        self._concern_all()
        coming = rivals.compatible(plan.graph, (*plan.restarted, *plan.affected))
        self._make_room(coming)
        for name in plan.restarted:
            if name not in coming:
                continue  # it makes room for another
            if name in plan.handed_over:
                self._handovers.begin(name, plan.specs[name])
            else:
                self._to_all_of(name, ev.Recycle(reasons.of_change(plan.changed[name].keys)))
        for name in plan.affected:
            if name in coming:
                self._to_all_of(name, ev.Recycle())
        self._queue.extend((name, ev.Listen()) for name in plan.listening)
        return self.start(plan.started, now)

    def forget(self, name: str) -> bool:
        """Drop a service that is not declared any more and at rest; tell whether it was one (`events.Forget`).

        Or a life beside the present one, by its key.
        """
        if name in self.lives.beside:
            return self.lives.drop(name)
        service = self.services.get(name)
        if service is None or not service.gone or not service.at_rest or service.stuck or self.lives.beside_of(name):
            return False
        self.gates.forget(name)
        self.lives.failures.pop(name, None)
        self.graph.drop(name)
        del self.services[name]
        return True

    def shut_down(self, now: float, timeout: float) -> list[Effect]:
        """Want everything down within `timeout` seconds (`math.inf`: as long as it takes)."""
        if not self.shutting_down:
            self.shutting_down = True
            self.budget = budget.usable(timeout)
            self.stop_deadline = now + self.budget
            for name, service in self.services.items():
                if not service.off or self.lives.beside_of(name):
                    self._to_all_of(name, ev.Stop())
                    for life in (service, *self.lives.beside_of(name)):
                        self._concern(life)
        return self._run(now)

    def hurry(self, now: float) -> list[Effect]:
        """No more waiting: the budget is spent, or somebody asked twice. What is left is killed, in order."""
        self.overrun = True
        for service in self.lives.all():
            if service.phase in GOING_DOWN:
                self._queue.append((service.key, ev.Hurry(OVERRUN_GRACE)))
            else:
                self._concern(service)
        return self._run(now)

    def look_at_all(self, now: float) -> list[Effect]:
        """Look at every gate, as after a re-exec (`core.carried`)."""
        self._concern_all()
        return self._run(now)

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

    def _step(self, key: str, event: Event, now: float) -> None:
        before = self.lives.find(key)
        if before is None:  # late: it is forgotten
            return
        if self.shutting_down and isinstance(event, ev.ExtendTimeout):
            event = ev.ExtendTimeout(event.seconds, self._shares.latest_end(before.name))
        try:
            after, effects = step(before, event, now, self._draw())
        except TransitionError as error:
            self._report(error)
            return
        if after is before:
            return
        self.lives.put(after)
        beside = after.key in self.lives.beside
        for effect in effects:
            if not isinstance(effect, ev.OF_THE_SERVICE):
                self._effects.append(replace(effect, service=after.key) if after.generation else effect)
            elif not beside:
                self._effects.append(effect)
        if self.shutting_down and after.killed and not before.killed and after.name not in self.killed:
            self.killed.append(after.name)
        if not beside:
            self._note_end(before, after)
        if _seen_by_others(before) != _seen_by_others(after):
            self._concern_around(after.name)
            self._handovers.see_to(after, now)

    def _post(self, key: str, event: Event) -> None:
        self._queue.append((key, event))

    def _do(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _to_all_of(self, name: str, event: Event) -> None:
        """Queue `event` for the present life of a service, and for those beside it that it may still concern."""
        self._queue.append((self.services[name].key, event))
        self._queue.extend((life.key, event) for life in self.lives.concerned(name))

    def _concern(self, life: Service, name: str | None = None) -> None:
        """Have a life looked at, because `name` (None: itself) has changed."""
        key = life.key if life.key in self.lives.beside else life.name
        self._concerned.setdefault(key, {})[name or life.name] = None

    def _concern_all(self) -> None:
        self._concerned.clear()
        for life in self.lives.all():
            self._concern(life)

    def _concern_around(self, name: str) -> None:
        graph = self.graph
        around = dict.fromkeys((name, *graph.outlived_by[name], *graph.outlives[name], *graph.conflicts[name]))
        for other in around:
            self._concerned.setdefault(other, {})[name] = None
        for life in self.lives.beside.values():
            if life.name in around:
                self._concern(life, name)

    def _look(self, key: str, changed: dict[str, None], now: float) -> None:
        """Queue what a life's surroundings, of which `changed` are new, now allow or force."""
        service = self.lives.find(key)
        if service is None:
            return
        if service.phase is Phase.WAITING or service.revivable:
            self._look_at_start(service, changed)
        elif service.phase in STOPPABLE:
            self._look_at_stop(service, changed, now)
        elif service.phase in GOING_DOWN and self.shutting_down:
            self._look_at_stop_under_way(service, changed, now)

    def _look_at_start(self, service: Service, changed: dict[str, None]) -> None:
        name = service.name
        if self.shutting_down or service.stuck:
            return
        if service.key in self.lives.beside:  # few, so that nothing has to be remembered of them
            changed = {name: None}
        self._queue.extend((n, ev.Start()) for n in self.graph.needs[name] if self.services[n].listening)
        held = self.gates.keep_from_starting(name, changed)
        fresh = changed if name not in changed else self.graph.hard[name]
        failed = next((n for n in fresh if self.gates.fails(name, n)), None)
        if failed is not None and service.phase is Phase.WAITING:
            self._queue.append((service.key, ev.DependencyFailed(reasons.of_failure(self.services[failed]))))
        elif not held:
            self._queue.append((service.key, ev.MayStart()))

    def _look_at_stop(self, service: Service, changed: dict[str, None], now: float) -> None:
        name = service.name
        if not service.leaving:
            lost = next((n for n in self.graph.bound_to[name] if not self.gates.has(name, n)), None)
            if lost is not None and service.wanted:
                self._queue.append((service.key, ev.Recycle(reasons.of_loss(self.services[lost]))))
            return
        # While it is prepared there is nothing of it yet that others could need.
        if service.phase is Phase.PREPARING or not self._is_needed(service, changed):
            pace = ev.Hurry(OVERRUN_GRACE) if self.overrun else ev.MayStop(self._shares.pace(name, now))
            self._queue.append((service.key, pace))

    def _look_at_stop_under_way(self, service: Service, changed: dict[str, None], now: float) -> None:
        """Have a stop that began before the shutdown, or by itself, take part in the sharing of the time."""
        if self.overrun:
            if not service.hurried:
                self._queue.append((service.key, ev.Hurry(OVERRUN_GRACE)))
        elif service.pace.most > self.budget and not self._is_needed(service, changed):
            self._queue.append((service.key, ev.MayStop(self._shares.pace(service.name, now))))

    def _is_needed(self, service: Service, changed: dict[str, None]) -> bool:
        """Tell whether others have to be down first; what is beside the present instance is nobody's."""
        if service.key in self.lives.beside:
            return False
        return self.gates.keep_from_stopping(service.name, changed)

    # -----------------------------------------------------------------------------------------------------------------
    # Ends that concern the whole

    @property
    def _shares(self) -> Shares:
        return Shares(self.services, self.graph, self.budget, self.stop_deadline)

    def _note_end(self, before: Service, after: Service) -> None:
        over = after.at_rest or (after.stays_completed and not after.leaving)
        if not over or before.at_rest or before.stays_completed or after.rest is State.INACTIVE or after.gone:
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
