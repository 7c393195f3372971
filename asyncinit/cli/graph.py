"""`asyncinit graph`: what starts after what, as a tree, for Graphviz or for Mermaid."""

from __future__ import annotations

import sys

from asyncinit.cli import screen
from asyncinit.cli.names import choose
from asyncinit.cli.outcome import UsageError
from asyncinit.cli.reading import profiles_of, whole
from asyncinit.cli.server import connect
from asyncinit.cli.status import write_json
from asyncinit.client.errors import NotRunningError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation

KEYS = ("requires", "binds_to", "wants", "after")
"""Keys that name what a service starts after; `before` is the same edge from the other end."""


def graph(invocation: Invocation) -> int:
    """Draw the graph of the services that run, or of files."""
    values = invocation.values
    if values["dot"] + values["mermaid"] + values["json"] > 1:
        raise UsageError("graph: give one of --dot, --mermaid and --json")
    nodes = _nodes(invocation)
    if values["names"]:
        nodes = _reached(nodes, choose(values["names"], nodes))
    screen.accept_any_text()
    if values["json"]:
        write_json({"services": list(nodes.values())})
    elif values["dot"]:
        sys.stdout.write(dot(nodes))
    elif values["mermaid"]:
        sys.stdout.write(mermaid(nodes))
    else:
        sys.stdout.write(tree(nodes, screen.wants_colour(), _lines()))
    return 0


def _nodes(invocation: Invocation) -> dict[str, dict[str, Any]]:
    values = invocation.values
    if values["config"] is None and not values["services"] and not values["profile"]:
        try:
            with connect(invocation.socket) as server:
                return {one["name"]: one for one in server.call("Graph")["services"]}
        except NotRunningError:
            if invocation.socket is not None or not _declared():
                raise
    return _of_files(values["config"], values["services"], profiles_of(invocation))


def _declared() -> bool:
    from asyncinit.config.places import declared

    return declared(None, ())


def _of_files(config: str | None, services: tuple[str, ...], profiles: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    from asyncinit.config.load import read

    configuration = whole(read(config, services, profiles=profiles))
    return {
        name: {
            "name": name,
            "type": str(spec.type),
            "state": None,
            "enabled": spec.enabled,
            **{key: list(getattr(spec, key)) for key in (*KEYS, "before")},
        }
        for name, spec in sorted(configuration.services.items())
    }


def edges(nodes: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return for each service what it starts after, and by which key: {"web": {"db": "requires"}}."""
    found: dict[str, dict[str, str]] = {name: {} for name in nodes}
    for name, node in nodes.items():
        for key in KEYS:
            for other in node[key]:
                if other in nodes and other != name:
                    found[name].setdefault(other, key)
        for other in node["before"]:
            if other in nodes and other != name:
                found[other].setdefault(name, "after")
    return found


def _reached(nodes: dict[str, dict[str, Any]], names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the services of `names` and all that they start after, directly or not."""
    below = edges(nodes)
    reached: dict[str, None] = {}
    stack = list(names)
    while stack:
        name = stack.pop()
        if name not in reached:
            reached[name] = None
            stack += below[name]
    return {name: node for name, node in nodes.items() if name in reached}


# ---------------------------------------------------------------------------------------------------------------------
# For people


def _lines() -> tuple[str, str, str, str]:
    try:
        "├│└".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "|-- ", "`-- ", "|   ", "    "
    return "├── ", "└── ", "│   ", "    "


def tree(nodes: dict[str, dict[str, Any]], colour: bool, lines: tuple[str, str, str, str]) -> str:
    """Return each service that no other one starts after, and below it what it starts after.

    What was shown with all that is below it before is only named again.
    """
    below = edges(nodes)
    named = {other for others in below.values() for other in others}
    rows: list[tuple[str, str, str]] = []
    shown: set[str] = set()
    for root in (name for name in nodes if name not in named):
        grow(root, "", "", below, shown, rows, lines)
    if not rows:
        return "no services\n"
    width = max(len(prefix) + len(name) for prefix, name, _ in rows)
    out = []
    for prefix, name, remark in rows:
        state = nodes[name]["state"] or ("" if nodes[name]["enabled"] else "not enabled")
        shade = screen.STATE_COLOURS.get(state, screen.DIM) if colour else None
        words = "  ".join(filter(None, (screen.paint(state, shade), remark)))
        out.append(f"{prefix}{name}{' ' * (width - len(prefix) - len(name))}  {words}".rstrip())
    return "\n".join(out) + "\n"


def grow(
    root: str,
    prefix: str,
    key: str,
    below: dict[str, dict[str, str]],
    shown: set[str],
    rows: list[tuple[str, str, str]],
    lines: tuple[str, str, str, str],
) -> None:
    """Add a service and what is below it; without recursion, because a chain may be longer than Python's stack."""
    fork, last, bar, blank = lines
    stack = [(root, prefix, prefix, key)]
    while stack:
        name, own, inner, how = stack.pop()
        again = name in shown and bool(below[name])
        remark = "" if how in {"", "requires"} else how.replace("_", " ")
        rows.append((own, name, ", ".join(filter(None, (remark, "see above" if again else "")))))
        if again:
            continue
        shown.add(name)
        others = list(below[name].items())
        for number, (other, other_key) in reversed(list(enumerate(others))):
            end = number == len(others) - 1
            stack.append((other, inner + (last if end else fork), inner + (blank if end else bar), other_key))


# ---------------------------------------------------------------------------------------------------------------------
# For programs

_DOT_STYLES = {"requires": "solid", "binds_to": "bold", "wants": "dashed", "after": "dotted"}
_DOT_SHAPES = {"service": "box", "oneshot": "ellipse", "target": "octagon"}
_MERMAID_ARROWS = {"requires": "-->", "binds_to": "==>", "wants": "-.->", "after": "-.->"}
_MERMAID_SHAPES = {"service": ('["', '"]'), "oneshot": ('(["', '"])'), "target": ('{{"', '"}}')}
_FILLS = {
    "ready": "#bfe3cd",
    "completed": "#bfe3cd",
    "failed": "#efb0ac",
    "unhealthy": "#f3dcae",
    "backoff": "#f3dcae",
    "starting": "#b9d5f2",
    "waiting": "#e1e6eb",
}


def dot(nodes: dict[str, dict[str, Any]]) -> str:
    """Return the graph in the language of Graphviz; an arrow leads from a service to what it starts after."""
    out = ["digraph services {", "  rankdir=LR;", '  node [fontname="sans-serif", style="rounded,filled"];']
    for name, node in nodes.items():
        fill = _FILLS.get(node["state"] or "", "#ffffff")
        tip = f"{node['type']}, {node['state']}" if node["state"] else node["type"]
        shape = _DOT_SHAPES.get(node["type"], "box")
        out.append(f'  "{name}" [shape={shape}, fillcolor="{fill}", tooltip="{tip}"];')
    for name, others in edges(nodes).items():
        out += [
            f'  "{name}" -> "{other}" [style={_DOT_STYLES[key]}, tooltip="{key}"];' for other, key in others.items()
        ]
    return "\n".join([*out, "}"]) + "\n"


def mermaid(nodes: dict[str, dict[str, Any]]) -> str:
    """Return the graph in the language of Mermaid; names stand in quotes, because some are words of that language."""
    ids = {name: f"n{number}" for number, name in enumerate(nodes)}
    out = ["flowchart LR"]
    for name, node in nodes.items():
        begin, end = _MERMAID_SHAPES.get(node["type"], ('["', '"]'))
        state = f"<br/>{node['state']}" if node["state"] else ""
        out.append(f"  {ids[name]}{begin}{name}{state}{end}")
    for name, others in edges(nodes).items():
        for other, key in others.items():
            label = "" if key == "requires" else f"|{key.replace('_', ' ')}|"
            out.append(f"  {ids[name]} {_MERMAID_ARROWS[key]}{label} {ids[other]}")
    return "\n".join(out) + "\n"
