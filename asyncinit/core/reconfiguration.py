"""What another set of declarations means for the services that are there: worked out before anything is done. Pure.

The rules, in one place. What is new and shall run is started, with what it needs. What is gone is stopped and, once it
is at rest, forgotten. What has changed takes over what it can (`difference`); a restart is for those that somebody
wants up: what runs, what is in backoff, and what has failed (another declaration is another chance). It takes along
what requires them, as `restart` does. What nobody wants up stays down, and nothing else comes up or goes down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.spec import Handover, Log, ServiceSpec
from asyncinit.core.difference import Change, Impact, between
from asyncinit.core.graph import Graph
from asyncinit.core.service import Phase, Service
from asyncinit.core.status import State


class Reconfiguration(Struct):
    """What `specs` would do to what is there: names in the order of their declaration.

    `restarted` are those that have to be (of these, `handed_over` without going down), `affected` what goes down and
    comes back with them. `started` are new ones, those that waited for a connection and shall be there without one, and
    what something newly needs; `listening` are those of these that wait for a connection. `detached` are the services
    that are gone and not forgotten yet, as they are declared from now on; `graph` is of all.
    """

    specs: Mapping[str, ServiceSpec]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, Change]
    restarted: tuple[str, ...]
    handed_over: tuple[str, ...]
    affected: tuple[str, ...]
    started: tuple[str, ...]
    listening: tuple[str, ...]
    detached: dict[str, ServiceSpec]
    graph: Graph

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or any(change.keys for change in self.changed.values()))


def work_out(
    services: Mapping[str, Service], graph: Graph, specs: Mapping[str, ServiceSpec], shall_run: Iterable[str]
) -> Reconfiguration:
    """Return what `specs` mean for `services` with their `graph`; `shall_run` is what a start would start."""
    there = {name: service for name, service in services.items() if not service.gone}
    added = tuple(name for name in specs if name not in there)
    removed = tuple(name for name in there if name not in specs)
    changed = {}
    for name, service in there.items():
        change = between(service.declared, specs[name]) if name in specs else None
        if change is not None:
            changed[name] = change
    detached = {name: s.spec for name, s in services.items() if s.gone and name not in specs}
    detached |= {name: _detached(services[name].spec, graph) for name in removed}
    new_graph = Graph(specs, detached)
    for name in sorted(new_graph.written_to - graph.written_to):
        if name in there:  # it was given no pipe to read from
            change = changed.get(name, Change((), Impact.RESTART))
            changed[name] = Change((*change.keys, "stdin"), Impact.RESTART)
    restarted = [n for n, change in changed.items() if change.impact is Impact.RESTART and _comes_back(services[n])]
    # Where nothing of it runs, those that need it have lost it long ago, and a start takes nobody down.
    overlaps = {n for n in restarted if services[n].replaceable and specs[n].handover is Handover.OVERLAP}
    down = new_graph.brought_down(n for n in restarted if _runs(services[n]) and n not in overlaps)
    affected = [n for n in down if n in there and n not in restarted and _runs(there[n])]
    started = _started(there, graph, new_graph, specs, added, changed, [*restarted, *affected], shall_run)
    # What is on its way down, and back, has no sockets to listen on before it is down: it is started.
    listening = [n for n in started if specs[n].on_demand and (n not in services or services[n].at_rest)]
    return Reconfiguration(
        specs=specs,
        added=added,
        removed=removed,
        changed=changed,
        restarted=tuple(restarted),
        handed_over=tuple(n for n in restarted if n in overlaps and n not in down),
        affected=tuple(affected),
        started=tuple(name for name in started if name not in listening),
        listening=tuple(listening),
        detached=detached,
        graph=new_graph,
    )


def _detached(spec: ServiceSpec, graph: Graph) -> ServiceSpec:
    """Return the declaration of a service that is gone: it only still stops before what it was started after.

    So the order of this stop is as it was, nobody brings it back with others, and no edge leads from a service that is
    declared now to one that is gone: between declarations of different times there is no cycle.
    """
    after = tuple(graph.after[spec.name])
    return replace(spec, requires=(), wants=(), binds_to=(), awaits=(), before=(), after=after, log=Log())


def _comes_back(service: Service) -> bool:
    """Tell whether a service is to be restarted for its new declaration, rather than just having it next time."""
    if not service.wanted or service.stuck:
        return False
    if service.at_rest:  # what failed may do better with it, unless its next run comes by the clock anyway
        return service.rest is State.FAILED and service.spec.timer is None
    return _runs(service) or service.phase is Phase.BACKOFF


def _runs(service: Service) -> bool:
    """Tell whether something of a service is there that nobody has asked to go yet."""
    return service.wanted and not service.leaving and service.phase not in {Phase.DOWN, Phase.WAITING, Phase.BACKOFF}


def _started(
    there: Mapping[str, Service],
    graph: Graph,
    new_graph: Graph,
    specs: Mapping[str, ServiceSpec],
    added: Iterable[str],
    changed: Iterable[str],
    restarted: Iterable[str],
    shall_run: Iterable[str],
) -> tuple[str, ...]:
    enabled = {name: spec.enabled for name, spec in specs.items()}
    chosen = dict.fromkeys(name for name in new_graph.pulled_in(shall_run, enabled) if name not in there)
    awake = [name for name in changed if there[name].listening and not specs[name].on_demand]
    chosen |= dict.fromkeys(awake)
    needing = [*restarted, *awake, *(name for name in changed if there[name].wanted and not there[name].at_rest)]
    for name in dict.fromkeys(needing):
        known = set() if name in restarted or name in awake else set(graph.needs[name])
        chosen |= dict.fromkeys(need for need in new_graph.needs[name] if need not in known)
    # What is there, and comes by itself, does not have to be asked.
    return tuple(name for name in chosen if name not in there or there[name].hopeless or not there[name].wanted)
