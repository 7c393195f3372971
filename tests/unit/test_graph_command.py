"""The graph for people, for Graphviz and for Mermaid."""

from __future__ import annotations

from typing import Any

from asyncinit.cli.graph import _reached, dot, edges, mermaid, tree

ASCII = ("|-- ", "`-- ", "|   ", "    ")


def node(name: str, state: str | None = "ready", kind: str = "service", **edges: list[str]) -> dict[str, Any]:
    given = {key: [] for key in ("requires", "binds_to", "wants", "after", "before")} | edges
    return {"name": name, "type": kind, "state": state, "enabled": True, **given}


def nodes(*given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in given}


SHOP = nodes(
    node("all", kind="target", requires=["web"], wants=["worker"]),
    node("cache"),
    node("db", "completed", kind="oneshot"),
    node("web", requires=["db"], wants=["cache"]),
    node("worker", "backoff", after=["web"], binds_to=["db"]),
)


def test_the_tree() -> None:
    """What starts after nothing else hangs from nobody; by which key is told, if it is not `requires`."""
    assert tree(SHOP, False, ASCII).splitlines() == [
        "all            ready",
        "|-- web        ready",
        "|   |-- db     completed",
        "|   `-- cache  ready  wants",
        "`-- worker     backoff  wants",
        "    |-- db     completed  binds to",
        "    `-- web    ready  after, see above",
    ]
    assert tree({}, False, ASCII) == "no services\n"


def test_colours() -> None:
    """A state is coloured and the columns stand."""
    assert "web  \x1b[32mready\x1b[0m" in tree(nodes(node("web")), True, ASCII)


def test_of_files() -> None:
    """Without states, what is not enabled says so."""
    off = {**node("off", None), "enabled": False}
    assert tree(nodes(node("web", None), off), False, ASCII) == "web\noff  not enabled\n"


def test_the_other_side_of_before() -> None:
    """An edge is one edge, from whichever end it is declared; unknown names are left out."""
    found = edges(nodes(node("db", before=["web"], requires=["nobody", "db"]), node("web", after=["db"])))
    assert found == {"db": {}, "web": {"db": "after"}}


def test_a_part() -> None:
    """Some services, and all that they lead to."""
    assert list(_reached(SHOP, ["web"])) == ["cache", "db", "web"]


def test_a_chain_longer_than_the_stack() -> None:
    """Depth is no limit."""
    chain = nodes(node("s0"), *(node(f"s{number}", requires=[f"s{number - 1}"]) for number in range(1, 3000)))
    assert len(tree(chain, False, ("", "", "", "")).splitlines()) == 3000
    assert len(_reached(chain, ["s2999"])) == 3000


def test_dot() -> None:
    """One node a service, one arrow an edge, drawn by its key."""
    text = dot(SHOP)
    assert text.startswith("digraph services {\n") and text.endswith("}\n")
    assert '  "web" -> "db" [style=solid, tooltip="requires"];' in text
    assert '  "all" -> "worker" [style=dashed, tooltip="wants"];' in text
    assert '"db" [shape=ellipse, fillcolor="#bfe3cd", tooltip="oneshot, completed"];' in text


def test_mermaid() -> None:
    """Names that are words of the language are no trouble: each has a number."""
    text = mermaid(nodes(node("end", wants=["graph"]), node("graph", None)))
    assert text.splitlines() == ["flowchart LR", '  n0["end<br/>ready"]', '  n1["graph"]', "  n0 -.->|wants| n1"]
