"""The dependency graph: who starts after whom, who goes down with whom."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncinit.config.spec import ServiceType
from asyncinit.core.graph import Graph
from tests.unit.world import service


def graph(*specs: dict[str, object]) -> Graph:
    made = [service(**keys) for keys in specs]  # type: ignore[arg-type]
    return Graph({spec.name: spec for spec in made})


def test_what_must_be_there_and_what_only_comes_first() -> None:
    """requires, binds_to and awaits are hard; wants, after and the other side of before are order alone."""
    edges = graph(
        {
            "name": "web",
            "requires": ("db",),
            "binds_to": ("net",),
            "awaits": ("job",),
            "wants": ("log",),
            "after": ("x",),
        },
        {"name": "early", "before": ("web",)},
        *({"name": name} for name in ("db", "net", "job", "log", "x")),
    )
    assert set(edges.hard["web"]) == {"db", "net", "job"}
    assert set(edges.soft["web"]) == {"log", "x", "early"}
    assert set(edges.after["web"]) == {"db", "net", "job", "log", "x", "early"}
    assert all(set(edges.before[name]) == {"web"} for name in edges.after["web"])
    assert edges.needs["web"] == ("db", "net")
    assert edges.wants["web"] == ("log",)


def test_a_oneshot_hides_no_order() -> None:
    """Behind a oneshot, which is over early, what it orders is still ordered; a service that stays orders by itself."""
    edges = graph(
        {"name": "web", "requires": ("migrate",)},
        {"name": "migrate", "requires": ("fetch",), "type": ServiceType.ONESHOT},
        {"name": "fetch", "requires": ("db",), "type": ServiceType.ONESHOT},
        {"name": "db", "requires": ("disk",)},
        {"name": "disk"},
    )
    assert set(edges.outlives["db"]) == {"fetch", "migrate", "web"}
    assert set(edges.outlived_by["web"]) == {"migrate", "fetch", "db"}
    assert set(edges.outlives["disk"]) == {"db"}
    edges.drop("web")
    assert set(edges.outlives["db"]) == {"fetch", "migrate"}


def test_names_that_nobody_has() -> None:
    """They are left out, as a service's own name is; a name given twice counts once."""
    edges = graph(
        {"name": "a", "requires": ("ghost", "b", "b"), "after": ("a", "b"), "before": ("ghost",), "binds_to": ("b",)},
        {"name": "b"},
    )
    assert list(edges.hard["a"]) == ["b"]
    assert list(edges.after["a"]) == ["b"]
    assert edges.needs["a"] == ("b",)
    assert edges.needed_by["b"] == ["a"]
    assert edges.after["b"] == {}


def test_what_is_pulled_in() -> None:
    """A start takes along what is needed, directly or not, and what is wanted if it is enabled; order pulls nothing."""
    edges = graph(
        {"name": "web", "requires": ("app",), "wants": ("on", "off"), "after": ("other",), "awaits": ("job",)},
        {"name": "app", "binds_to": ("db",)},
        *({"name": name} for name in ("db", "on", "off", "other", "job")),
    )
    enabled = {name: name not in {"off", "db"} for name in edges.after}
    assert set(edges.pulled_in(["web"], enabled)) == {"web", "app", "db", "on"}
    assert edges.pulled_in(["web"], enabled)[0] == "web"


def test_what_is_brought_down() -> None:
    """A stop takes along what needs it, directly or not; who only wants it or comes after it stays."""
    edges = graph(
        {"name": "db"},
        {"name": "app", "requires": ("db",)},
        {"name": "web", "binds_to": ("app",)},
        {"name": "cron", "wants": ("db",), "after": ("app",), "awaits": ("web",)},
    )
    assert edges.brought_down(["db"]) == ["db", "app", "web"]
    assert edges.brought_down(["web"]) == ["web"]


def test_what_is_torn_down() -> None:
    """What is bound goes along even where what requires does not."""
    edges = graph(
        {"name": "db"},
        {"name": "app", "requires": ("db",)},
        {"name": "tail", "binds_to": ("db",)},
        {"name": "tails", "binds_to": ("tail",)},
    )
    assert edges.torn_down(["db"]) == ["db", "tail", "tails"]


def test_a_cycle_of_needs_ends() -> None:
    """The configuration refuses cycles; a closure over one ends all the same."""
    edges = graph({"name": "a", "requires": ("b",)}, {"name": "b", "requires": ("a",)})
    assert edges.brought_down(["a"]) == ["a", "b"]
    assert edges.pulled_in(["a"], {"a": True, "b": True}) == ["a", "b"]


NAMES = "abcdef"
ANY = st.lists(st.sampled_from([*NAMES, "ghost"]), max_size=3).map(tuple)
KEYS = ("requires", "wants", "after", "before", "binds_to", "awaits")


@settings(max_examples=40)
@given(st.fixed_dictionaries({name: st.fixed_dictionaries(dict.fromkeys(KEYS, ANY)) for name in NAMES}))
def test_both_directions_agree(declared: dict[str, dict[str, tuple[str, ...]]]) -> None:
    """Each edge is known at both of its ends, only between services that exist, and never to oneself."""
    edges = graph(*({"name": name, **keys} for name, keys in declared.items()))
    for one in NAMES:
        assert one not in edges.after[one]
        assert set(edges.hard[one]) | set(edges.soft[one]) == set(edges.after[one])
        assert set(edges.needs[one]) <= set(edges.hard[one])
        for other in NAMES:
            assert (other in edges.after[one]) == (one in edges.before[other])
            assert (other in edges.needs[one]) == (one in edges.needed_by[other])
            assert (one in edges.bound_by[other]) <= (one in edges.needed_by[other])
    assert set(edges.brought_down(NAMES)) == set(NAMES)
