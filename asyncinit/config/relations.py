"""What services say of each other: names that nobody has, cycles; each problem with the place that says it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from asyncinit.config.declared import Declarations
from asyncinit.config.graph import Edges, Names, check_names, closure, cycles, drawn, waits
from asyncinit.config.merge import EDGES, NEEDS, RELATIONS, has
from asyncinit.config.names import meant
from asyncinit.config.problems import Finding, Problem, printable, shown
from asyncinit.config.sections import log
from asyncinit.config.spec import pod_of_key
from asyncinit.config.templates import Services, expanded

Whole = dict[str, dict[str, Any]]
"""The keys of each service, defaults and drop-ins merged in."""


def check_relations(found: Declarations, services: Services, whole: Whole, pods: Mapping[str, Edges]) -> list[Problem]:
    """Check what services say of each other; `whole` has the keys of each, as they name others.

    `pods` has the edges between pods and their members.
    """
    problems = []
    names = Names(found.known | services.all.keys(), services.of)
    for name, keys in whole.items():
        for finding in check_names(name, _given(keys, RELATIONS), names):
            problems.append(_placed(found, services, name, finding))
        for finding in log.check_loggers(name, keys.get("log"), found.known | services.all.keys(), whole):
            problems.append(_placed(found, services, name, finding))
    edges = {
        name: {**_given(expanded(name, keys, services.of), EDGES), ".".join(log.TO): log.loggers(keys.get("log"))}
        for name, keys in whole.items()
    }
    graph = waits({name: {**edges.get(name, {}), **pods.get(name, {})} for name in (*edges, *pods)})
    for cycle in cycles(graph):
        problems.append(_cycle(found, services, graph, cycle))
    return problems


def check_conflicts(found: Declarations, services: Services, whole: Whole) -> Iterator[Problem]:
    """Check that no service conflicts with what it needs, nor any two that are started together at first.

    `whole` has the keys of each service, with instances in the place of templates.
    """
    said = [(name, other) for name, keys in whole.items() for other in keys.get("conflicts", ())]
    pairs = [(name, other) for name, other in said if other in whole and other != name]
    if not pairs:
        return
    edges = {name: _given(keys, EDGES) for name, keys in whole.items()}
    needs = {name: closure(edges, [name], lambda key, _other: key in NEEDS) for name in whole}
    start = _at_first(found, services, whole)
    together = closure(edges, start, lambda key, other: key in NEEDS or (key == "wants" and _is_enabled(whole[other])))
    for name, other in pairs:
        needing = next((one for one, needed in needs.items() if name in needed and other in needed), None)
        if needing is not None:
            who = f"{needing} requires both" if needing not in (name, other) else f"{needing} requires the other"
            text = f"names {printable(other)}, and {who}"
        elif name in together and other in together:
            text = f"names {printable(other)}, and both are started at first: set enabled = false in one of them"
        else:
            continue
        yield _placed(found, services, name, Finding(("conflicts",), text))


def _at_first(found: Declarations, services: Services, whole: Whole) -> list[str]:
    """Return the services that are started with asyncinit; those with a timer each have their own time."""
    start = found.settings.get("start")
    if start:
        return [name for named in start for name in services.of.get(named, (named,))]
    enabled = [name for name, keys in whole.items() if _is_enabled(keys) and "timer" not in keys]
    return [name for name in enabled if name not in services.summoned]


def _is_enabled(keys: dict[str, Any]) -> bool:
    return keys.get("enabled") is not False


def _given(keys: dict[str, Any], which: Collection[str]) -> Edges:
    return {key: keys[key] for key in which if keys.get(key)}


def _placed(found: Declarations, services: Services, name: str, finding: Finding) -> Problem:
    """Return a finding about an edge of service `name`, which may stand in the defaults."""
    pod = pod_of_key(name)
    if pod is not None:
        return found.pods.found[pod].problem(finding)
    own = services.all[name]
    if found.defaults is not None and not has(own.table, log.TO if finding.key[:2] == log.TO else finding.key[:1]):
        return found.defaults.problem(finding)
    return own.problem(finding)


def _cycle(
    found: Declarations, services: Services, graph: dict[str, dict[str, tuple[str, str]]], cycle: list[str]
) -> Problem:
    links = []
    first: Problem | None = None
    for waiting, awaited in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        name, key = graph[waiting][awaited]
        place = _placed(found, services, name, Finding(tuple(key.split(".")), "is"))
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
            guess = meant(name, known)
            text = f"names {shown(name)}, and there is no such service"
            finding = Finding(("init", "start", index), text, suggestion=shown(guess) if guess else "")
            problems.append(document.problem(finding, None))
    return problems
