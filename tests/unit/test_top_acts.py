"""What `top` can do to services, in words; what it takes along; its keys."""

from __future__ import annotations

from typing import Any

from asyncinit.tui import acts, keys, relations


def node(**needs: list[str]) -> dict[str, Any]:
    return {"requires": [], "wants": [], "binds_to": [], "after": [], "before": []} | needs


NODES = {
    "db": node(),
    "web": node(requires=["db"]),
    "app": node(binds_to=["web"]),
    "worker": node(wants=["web"]),
    "report": node(requires=["db"]),
}
STATES = dict.fromkeys(NODES, "ready") | {"report": "inactive"}


def test_what_is_taken_along() -> None:
    """What requires a service, or is bound to it, goes down with it; not what only wants it, nor what is down."""
    assert relations.taken_along(NODES, "db", STATES) == ["app", "web"]
    assert relations.taken_along(NODES, "app", STATES) == []
    assert relations.taken_along(NODES, "unknown", STATES) == []


def test_a_circle_of_needs_ends() -> None:
    """Services that want each other are told once."""
    nodes = {"a": node(requires=["b"]), "b": node(requires=["a"])}
    assert relations.taken_along(nodes, "a", {"a": "ready", "b": "ready"}) == ["b"]
    assert len(relations.trees(nodes, "a", {})) < 10


def test_the_tree_both_ways() -> None:
    """The graph shows what a service needs and what needs it, with states and how."""
    lines = [line for line, _ in relations.trees(NODES, "web", STATES)]
    assert lines == [
        "web needs",
        "`-- db  ready      requires",
        "",
        "web is needed by",
        "|-- app     ready      binds to",
        "`-- worker  ready      wants",
    ]


def test_the_tree_of_one_alone() -> None:
    """A service without relations is told to be so; one that is not known yet, too."""
    assert [line for line, _ in relations.trees({"db": node()}, "db", {})] == [
        "db needs no other service",
        "",
        "no other service needs db",
    ]
    assert relations.trees({}, "db", {}) == [("nothing is known of db yet", "")]


def test_questions_name_the_others() -> None:
    """The question names what is taken along, and of very many the first."""
    assert acts.question("Stop", "db", ["web"]) == "Stop db? That takes 1 other service down first: web."
    many = acts.question("Stop", "db", [f"s{number}" for number in range(100)])
    assert "100 other services" in many
    assert "and 80 more" in many
    assert len(many) < 300


def test_results_in_words() -> None:
    """What went well and what did not are told apart, with the reason."""
    answers = [
        {"name": "web", "ok": True, "state": "ready", "text": ""},
        {"name": "db", "ok": False, "state": "failed", "text": "failed: exited with 1"},
    ]
    assert acts.results(answers) == (["web: ready"], ["db: failed: exited with 1"])


def test_templates() -> None:
    """An instance has a template; its numbered instances are counted."""
    assert acts.template_of("web@3") == "web@"
    assert acts.template_of("web") is None
    assert acts.instances("web@", ["web@1", "web@2", "web@blue", "web", "webs@1"]) == 2


def test_no_key_does_two_things() -> None:
    """Each key is in the table once."""
    names = [name for key in keys.all_keys() for name in key.keys.split(",")]
    assert len(names) == len(set(names))


def test_hints_have_room() -> None:
    """What is told of the keys at the bottom is never cut, and tells of help first."""
    for width in (10, 40, 80, 200):
        assert len(keys.hints(width)) <= width
        assert keys.hints(width).startswith("? help")


def test_the_help_fits_80_columns() -> None:
    """No line of the help is cut on a screen of 80 columns."""
    assert max(map(len, keys.help_lines())) <= 68
