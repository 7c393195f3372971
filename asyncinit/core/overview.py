"""What can be read off all services together; changes nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from asyncinit.config.spec import ServiceSpec
from asyncinit.core.gates import Gates
from asyncinit.core.graph import Graph
from asyncinit.core.handover import Lives
from asyncinit.core.reconfiguration import Reconfiguration, work_out
from asyncinit.core.service import Phase, Service
from asyncinit.core.status import State


class Overview:
    """The services, each by its present life (`lives` has the others), and their edges.

    `armed` are the services that a timer will start, `watched` those at rest that a change of their files will: set by
    whoever has the timers, and the files, it is something to stay for.
    """

    def __init__(self, specs: Mapping[str, ServiceSpec]) -> None:
        self.lives = Lives({name: Service(spec) for name, spec in specs.items()})
        self.graph = Graph(specs)
        self.gates = Gates(self.lives, self.graph)
        self.armed: frozenset[str] = frozenset()
        self.watched: frozenset[str] = frozenset()

    @property
    def services(self) -> dict[str, Service]:
        """The present life of each service, by its name."""
        return self.lives.present

    def lay(self, graph: Graph) -> None:
        """Have the services stand in other edges, and each gate looked at anew."""
        self.graph = graph
        self.gates = Gates(self.lives, graph)

    def restarted(self, names: Iterable[str], *, only: bool = False) -> tuple[list[str], list[str]]:
        """Return what a restart of `names` does now: whose next instance is started first, and what goes down.

        Who is handed over does not go down, so nobody who needs it has to; unless it needs itself what goes down.
        """
        named = dict.fromkeys(names)
        alone = [name for name in named if not self.services[name].replaceable]
        down = self.graph.torn_down(alone) if only else self.graph.brought_down(alone)
        going = [name for name in down if name in named or not self.services[name].at_rest]
        return [name for name in named if name not in going], going

    def plan(self, specs: Mapping[str, ServiceSpec], shall_run: Iterable[str]) -> Reconfiguration:
        """Return what other declarations would mean now; changes nothing. `shall_run` is what a start would start."""
        return work_out(self.services, self.graph, specs, shall_run)

    @property
    def idle(self) -> bool:
        """Tell whether nothing runs, waits, listens, backs off or is armed; a ready target or pod holds nothing up.

        Nor does what has completed and is to be undone: its end is a part of the end of all.
        """
        if self.armed or self.watched:
            return False
        return all(_holds_nothing_up(service) for service in self.lives.all())

    @property
    def all_down(self) -> bool:
        """Tell whether every service is at rest."""
        return all(service.at_rest for service in self.lives.all())

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
        return self.gates.waiting_on(name)

    def must_be_asked(self, name: str) -> bool:
        """Tell whether a service that is needed does not come by itself: it is down, or on its way there."""
        service = self.services[name]
        return service.hopeless or not service.wanted

    def needs_of(self, names: Iterable[str]) -> list[str]:
        """Return what any of `names` needs."""
        return list(dict.fromkeys(other for name in names for other in self.graph.needs[name]))


def _holds_nothing_up(service: Service) -> bool:
    if service.stays_completed:
        return not service.leaving
    return service.off or (service.phase is Phase.UP and service.spec.only_for_others)
