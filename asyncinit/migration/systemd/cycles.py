"""Circles among services: systemd starts what it wants at the same time, and here who wants waits.

So an order that systemd can keep may be a circle here. The weakest edge of each is taken out, and that is told.
"""

from __future__ import annotations

from collections.abc import Mapping

from asyncinit.migration.report import Ledger, Verdict
from asyncinit.migration.service import Draft

_WEAKEST_FIRST = ("wants", "after", "before", "requires", "binds_to")

Edge = tuple[str, str, str, str]
"""Who waits, for whom, and where that stands: the draft and its key."""


def untie(drafts: Mapping[str, Draft], ledger: Ledger) -> None:
    """Take out what closes a circle, until there is none."""
    while circle := _circle(drafts):
        _, _, owner, key = min(circle, key=lambda edge: _WEAKEST_FIRST.index(edge[3]))
        waits, other = next((one, two) for one, two, *place in circle if tuple(place) == (owner, key))
        named = waits if key == "before" else other
        draft = drafts[owner]
        names = [name for name in draft.get(key, []) if name != named]
        settings = draft.drop(key)
        if names:
            draft.put(None, key, names)
            draft.sources[key,] = settings
        whole = ", ".join(dict.fromkeys(edge[0] for edge in circle))
        text = f"not {key} {named}: that would be a circle here ({whole})"
        draft.remark(text)
        for setting in settings:
            ledger.say(setting, Verdict.APPROXIMATED if names else Verdict.NO_EQUIVALENT, text)


def _edges(drafts: Mapping[str, Draft]) -> dict[str, list[Edge]]:
    edges: dict[str, list[Edge]] = {name: [] for name in drafts}
    for name, draft in drafts.items():
        for key in ("requires", "binds_to", "wants", "after"):
            edges[name] += [(name, other, name, key) for other in draft.get(key, []) if other in drafts]
        for other in draft.get("before", []):
            if other in drafts:
                edges[other].append((other, name, name, "before"))
    return edges


def _circle(drafts: Mapping[str, Draft]) -> list[Edge]:
    """Return the edges of a circle, an empty list if there is none. Walks without recursion: chains may be long."""
    edges = _edges(drafts)
    done: set[str] = set()
    for start in edges:
        trail: list[Edge] = []
        on_trail = {start}
        stack = [iter(edges[start])]
        at = [start]
        while stack and start not in done:
            edge = next(stack[-1], None)
            if edge is None:
                stack.pop()
                done.add(at[-1])
                on_trail.discard(at.pop())
                if trail:
                    trail.pop()
            elif edge[1] in on_trail:
                position = at.index(edge[1])
                return [*trail[position:], edge]
            elif edge[1] not in done:
                trail.append(edge)
                at.append(edge[1])
                on_trail.add(edge[1])
                stack.append(iter(edges[edge[1]]))
    return []
