"""Names that services give of each other: unknown ones, themselves, and cycles; pure, knows no file.

A service waits for what it `requires`, `wants`, is `after` or `binds_to`, and for what names it in `before`. Each of
these edges orders the start, so a cycle of any of them would wait for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from asyncinit.config.names import meant, template_of
from asyncinit.config.problems import Finding, Severity, printable, shown

Edges = Mapping[str, Sequence[str]]
"""The names that one service gives, by key: {"requires": ["db"], ...}."""

_NEEDED = frozenset(("requires", "binds_to"))
_FOLLOWS = frozenset(("on_failure", "on_success"))
_LONGEST = 12  # names of a cycle that are shown
_MOST = 20  # unknown names of one service that are told


class Names(Struct, frozen=True):
    """The names that there are: those that are `known`, and the instances `of` each template."""

    known: Collection[str]
    of: Mapping[str, Sequence[str]] = {}


def check_names(name: str, edges: Edges, names: Names) -> Iterator[Finding]:
    """Check the names that service `name` gives: an error where it cannot start without, else a warning."""
    unknown = 0
    known = names.known
    for key, others in edges.items():
        for index, other in enumerate(others):
            if other == name and key in _FOLLOWS:
                problem = f"names {printable(name)} itself: to have it started again is what [restart] is for"
                yield Finding((key, index), problem, severity=Severity.WARNING)
            elif other == name:
                yield Finding((key, index), f"names {printable(name)} itself")
            elif other in names.of and not names.of[other]:
                problem = f"names {shown(other)}, a template that has no instance"
                yield Finding((key, index), problem, severity=Severity.WARNING)
            elif other not in known and template_of(other) not in known and unknown < _MOST:
                unknown += 1
                guess = meant(other, known)
                severity = Severity.ERROR if key in _NEEDED else Severity.WARNING
                problem = f"names {shown(other)}, and there is no such service"
                yield Finding((key, index), problem, suggestion=shown(guess) if guess else "", severity=severity)


def waits(services: Mapping[str, Edges]) -> dict[str, dict[str, tuple[str, str]]]:
    """Return what each service waits for, with who says so and by which key: {"web": {"db": ("web", "requires")}}."""
    result: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in services}
    for name, edges in services.items():
        for key, others in edges.items():
            for other in others:
                if other in services and other != name:
                    waiting, awaited = (other, name) if key == "before" else (name, other)
                    result[waiting].setdefault(awaited, (name, key))
    return result


def closure(services: Mapping[str, Edges], names: Iterable[str], follow: Callable[[str, str], bool]) -> dict[str, str]:
    """Return `names` and what is started with them, each with the one that names it (itself: nobody).

    `follow(key, name)` tells whether what a service names by this key is started with it.
    """
    found: dict[str, str] = {}
    stack = [(name, name) for name in names]
    while stack:
        name, by = stack.pop()
        if name in services and name not in found:
            found[name] = by
            for key, others in services[name].items():
                stack += [(other, name) for other in others if other not in found and follow(key, other)]
    return found


def cycles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return one shortest cycle for each group of services that wait for each other, each from its first name on."""
    found = []
    for group in _components(graph):
        start = min(group)
        found.append(_shortest(graph, start, group))
    return sorted(found)


def _components(graph: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Return the strongly connected components of more than one node: Tarjan's, without recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found = []
    for root in graph:
        if root in index:
            continue
        work: list[tuple[str, Iterator[str]]] = [_enter(root, graph, index, low, stack, on_stack)]
        while work:
            node, successors = work[-1]
            for other in successors:
                if other not in index:
                    work.append(_enter(other, graph, index, low, stack, on_stack))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = {stack.pop()}
                    while node not in group:
                        group.add(stack.pop())
                    on_stack -= group
                    if len(group) > 1:
                        found.append(group)
    return found


def _enter(
    node: str,
    graph: Mapping[str, Iterable[str]],
    index: dict[str, int],
    low: dict[str, int],
    stack: list[str],
    on_stack: set[str],
) -> tuple[str, Iterator[str]]:
    index[node] = low[node] = len(index)
    stack.append(node)
    on_stack.add(node)
    return node, iter(graph[node])


def _shortest(graph: Mapping[str, Iterable[str]], start: str, group: Collection[str]) -> list[str]:
    """Return the shortest way within `group` from `start` back to it, `start` at its begin only."""
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for other in graph[node]:
            if other == start:
                way = [node]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if other in group and other not in came_from:
                came_from[other] = node
                queue.append(other)
    return [start]


def drawn(cycle: Sequence[str]) -> str:
    """Return a cycle as a -> b -> c -> a, its middle left out if it is long."""
    names = [*cycle, cycle[0]]
    if len(names) > _LONGEST:
        names = [*names[: _LONGEST - 2], f"... {len(names) - _LONGEST} more ...", *names[-2:]]
    return " -> ".join(names)
