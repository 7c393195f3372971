"""Services that cannot be up at the same time (`conflicts`): who makes room for whom. Pure; changes nothing.

A conflict is the same from both sides. Starting one stops the other, with what requires it, and waits until it is
down; so does a restart, by hand or for another declaration. What nobody asked to come back (after a failure, or by its
own policy) never takes another's place: it waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from asyncinit.core import reasons
from asyncinit.core.graph import Graph
from asyncinit.core.service import WITHOUT_RUN, Service
from asyncinit.core.status import Reason


def pair(graph: Graph, names: Iterable[str]) -> tuple[str, str] | None:
    """Return two of `names` that cannot be up together, or None."""
    chosen = dict.fromkeys(names)
    return next(((name, other) for name in chosen for other in graph.conflicts[name] if other in chosen), None)


def compatible(graph: Graph, names: Iterable[str]) -> dict[str, None]:
    """Return `names` in order, without those that conflict with an earlier one."""
    chosen: dict[str, None] = {}
    for name in names:
        if chosen.keys().isdisjoint(graph.conflicts[name]):
            chosen[name] = None
    return chosen


def displaced(graph: Graph, services: Mapping[str, Service], names: Iterable[str]) -> dict[str, Reason]:
    """Return what has to go down for `names` to be up, and why: their rivals, and what requires these."""
    chosen = dict.fromkeys(names)
    rivals = {
        other: reasons.of_conflict(name)
        for name in chosen
        for other in graph.conflicts[name]
        if _takes_a_place(services[other])
    }
    down = graph.brought_down(rivals) if rivals else []
    found = dict(rivals)
    for name in down:
        if name not in rivals and name not in chosen and not services[name].at_rest:
            found[name] = reasons.of_stop(graph.needs[name], down)
    return found


def _takes_a_place(service: Service) -> bool:
    """Tell whether a service is up, or may come up without anybody's asking."""
    return service.wanted or not service.at_rest or service.listening


def in_the_way(service: Service) -> bool:
    """Tell whether something of a rival is there, so that it holds up who conflicts with it."""
    return service.phase not in WITHOUT_RUN or service.stuck
