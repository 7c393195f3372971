"""What services say of each other: names that nobody has, cycles; each problem with the place that says it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from asyncinit.config.declared import Declarations
from asyncinit.config.graph import Edges, Names, check_names, cycles, drawn, waits
from asyncinit.config.merge import EDGES, RELATIONS, has
from asyncinit.config.problems import Finding, Problem, printable, shown
from asyncinit.config.templates import Services, expanded
from asyncinit.config.values import close_to

Whole = dict[str, dict[str, Any]]
"""The keys of each service, defaults and drop-ins merged in."""


def check_relations(found: Declarations, services: Services, whole: Whole) -> list[Problem]:
    """Check what services say of each other; `whole` has the keys of each, as they name others."""
    problems = []
    names = Names(found.known | services.all.keys(), services.of)
    for name, keys in whole.items():
        for finding in check_names(name, _given(keys, RELATIONS), names):
            problems.append(_placed(found, services, name, finding))
    edges = {name: _given(expanded(name, keys, services.of), EDGES) for name, keys in whole.items()}
    graph = waits(edges)
    for cycle in cycles(graph):
        problems.append(_cycle(found, services, graph, cycle))
    return problems


def _given(keys: dict[str, Any], which: Collection[str]) -> Edges:
    return {key: keys[key] for key in which if keys.get(key)}


def _placed(found: Declarations, services: Services, name: str, finding: Finding) -> Problem:
    """Return a finding about an edge of service `name`, which may stand in the defaults."""
    own = services.all[name]
    if found.defaults is not None and not has(own.table, finding.key[:1]):
        return found.defaults.problem(finding)
    return own.problem(finding)


def _cycle(
    found: Declarations, services: Services, graph: dict[str, dict[str, tuple[str, str]]], cycle: list[str]
) -> Problem:
    links = []
    first: Problem | None = None
    for waiting, awaited in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        name, key = graph[waiting][awaited]
        place = _placed(found, services, name, Finding((key,), "is"))
        first = first or place
        line = f":{place.line}" if place.line is not None else ""
        links.append(
            f"{name} {key.replace('_', ' ')} {awaited if name == waiting else waiting}, {printable(place.file)}{line}"
        )
    assert first is not None
    shortened = links if len(links) <= 12 else [*links[:10], "..."]
    text = f"waits for itself: {drawn(cycle)} ({'; '.join(shortened)})"
    return Problem(first.file, first.line, cycle[0], first.key, text)


def check_start(found: Declarations, services: Services) -> list[Problem]:
    """Check the names that [init] start has."""
    document = found.document
    known = found.known | services.all.keys()
    problems = []
    for index, name in enumerate(found.settings.get("start", ())):
        if name not in known and document is not None:
            guess = close_to(name, known)
            text = f"names {shown(name)}, and there is no such service"
            finding = Finding(("init", "start", index), text, suggestion=shown(guess) if guess else "")
            problems.append(document.problem(finding, None))
    return problems
