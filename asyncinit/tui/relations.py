"""What a service needs and what needs it, as a tree; whom an action takes along; pure, of the answer of Graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from asyncinit.cli.graph import grow

Nodes = Mapping[str, dict[str, Any]]
"""GraphNodes of the protocol by name."""

KEYS = ("requires", "binds_to", "wants")
_LINES = ("|-- ", "`-- ", "|   ", "    ")
_DOWN = frozenset({"inactive", "failed", "completed"})


def _needs(nodes: Nodes, keys: Collection[str] = KEYS) -> dict[str, dict[str, str]]:
    """Return for each service what it needs, and by which key."""
    found: dict[str, dict[str, str]] = {name: {} for name in nodes}
    for name, node in nodes.items():
        for key in keys:
            for other in node[key]:
                if other in nodes and other != name:
                    found[name].setdefault(other, key)
    return found


def _turned(edges: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return the same edges from the other end."""
    found: dict[str, dict[str, str]] = {name: {} for name in edges}
    for name, others in edges.items():
        for other, key in others.items():
            found[other][name] = key
    return found


def trees(nodes: Nodes, name: str, states: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return lines, each with the state that colours it: what `name` needs, and what needs it.

    `states`: those of now, by service.
    """
    if name not in nodes:
        return [(f"nothing is known of {name} yet", "")]
    needs = _needs(nodes)
    out: list[tuple[str, str]] = []
    for title, nothing, edges in (
        (f"{name} needs", f"{name} needs no other service", needs),
        (f"{name} is needed by", f"no other service needs {name}", _turned(needs)),
    ):
        if out:
            out.append(("", ""))
        if not edges[name]:
            out.append((nothing, ""))
            continue
        rows: list[tuple[str, str, str]] = []
        grow(name, "", "", edges, set(), rows, _LINES)
        out.append((title, ""))
        width = max(len(prefix) + len(one) for prefix, one, _ in rows)
        for prefix, one, how in rows[1:]:
            state = states.get(one, "")
            out.append((f"{(prefix + one).ljust(width)}  {state:<9}  {how or 'requires'}".rstrip(), state))
    return out


def taken_along(nodes: Nodes, name: str, states: Mapping[str, str]) -> list[str]:
    """Return what goes down with `name`: what requires it or is bound to it, directly or not, and is not down."""
    needed_by = _turned(_needs(nodes, ("requires", "binds_to")))
    found: set[str] = set()
    stack = [name]
    while stack:
        for other in needed_by.get(stack.pop(), ()):
            if other not in found and other != name:
                found.add(other)
                stack.append(other)
    return sorted(other for other in found if states.get(other, "inactive") not in _DOWN)
