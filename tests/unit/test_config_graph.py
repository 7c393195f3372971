"""Names that services give of each other: unknown ones and cycles."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from asyncinit.config.graph import cycles, drawn, waits
from tests.unit.config_world import NOWHERE, read_service, told, write

COMMAND = 'command = "x"\n'

_GRAPHS = st.dictionaries(st.integers(0, 7).map(str), st.frozensets(st.integers(0, 7).map(str), max_size=3), max_size=8)


@given(_GRAPHS)
def test_cycles_are_found_just_where_there_are_some(edges: dict[str, frozenset[str]]) -> None:
    """Each cycle that is found is one; without those services nothing waits in a circle only if none was found."""
    graph = {
        name: [other for other in sorted(others) if other in edges and other != name] for name, others in edges.items()
    }
    found = cycles(graph)
    for cycle in found:
        assert len(cycle) == len(set(cycle)) > 1
        assert cycle[0] == min(cycle)
        for waiting, awaited in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert awaited in graph[waiting]
    assert bool(found) == (not can_start(graph))


def can_start(graph: dict[str, list[str]]) -> bool:
    """Tell whether all can start one after the other."""
    left = dict(graph)
    while free := [name for name, others in left.items() if not any(other in left for other in others)]:
        for name in free:
            del left[name]
    return not left


def test_a_long_chain_needs_no_recursion() -> None:
    """Ten thousand services in a row, and in a circle."""
    chain = {str(number): [str(number + 1)] for number in range(10_000)} | {"10000": []}
    assert cycles(chain) == []
    chain["10000"] = ["0"]
    assert [len(cycle) for cycle in cycles(chain)] == [10_001]
    assert drawn(cycles(chain)[0]).startswith("0 -> 1 -> 2")
    assert len(drawn(cycles(chain)[0])) < 200


def test_the_shortest_cycle_of_a_group_is_shown() -> None:
    """The way that is easiest to understand."""
    graph = {"a": ["b", "d"], "b": ["c"], "c": ["d"], "d": ["a"]}
    assert cycles(graph) == [["a", "d"]]


def test_every_kind_of_edge_makes_a_service_wait() -> None:
    """What is before another is waited for by it."""
    edges = {"a": {"requires": ["b"], "wants": ["c"], "after": ["d"], "binds_to": ["e"], "before": ["f"]}}
    services = edges | {name: {} for name in "bcdef"}
    graph = waits(services)
    assert {name: sorted(others) for name, others in graph.items() if others} == {"a": ["b", "c", "d", "e"], "f": ["a"]}
    assert graph["f"]["a"] == ("a", "before")


def test_a_cycle_is_shown_with_its_files(tmp_path: Path) -> None:
    """Each edge says who wrote it, by which key and where."""
    loaded = read_service(
        tmp_path,
        COMMAND + 'requires = ["app"]',
        app=COMMAND + 'wants = ["db"]',
        db='type = "target"\n' + 'after = ["x"]',
        x=COMMAND + '\nbefore = ["db"]\nbinds_to = ["web"]',
    )
    folder = tmp_path / "services.d"
    assert [told(problem) for problem in loaded.problems] == [
        "2: wants: waits for itself: app -> db -> x -> web -> app ("
        f"app wants db, {folder}/app.toml:2; db after x, {folder}/db.toml:2; x binds to web, {folder}/x.toml:4; "
        f"web requires app, {folder}/web.toml:2)"
    ]


def test_a_cycle_by_before_names_who_wrote_it(tmp_path: Path) -> None:
    """The service that says before is not the one that waits."""
    loaded = read_service(tmp_path, COMMAND + 'before = ["db"]', db=COMMAND + 'before = ["web"]')
    folder = tmp_path / "services.d"
    assert [problem.text for problem in loaded.problems] == [
        f"waits for itself: db -> web -> db (web before db, {folder}/web.toml:2; db before web, {folder}/db.toml:2)"
    ]


def test_a_service_whose_file_is_broken_is_not_unknown(tmp_path: Path) -> None:
    """One mistake makes no second one elsewhere."""
    loaded = read_service(tmp_path, COMMAND + 'requires = ["db"]\nafter = ["app"]', db="= 1", app="x = 1\n" + COMMAND)
    assert [Path(problem.file).name for problem in loaded.problems] == ["app.toml", "db.toml"]


def test_services_that_are_not_enabled_are_known(tmp_path: Path) -> None:
    """They can be required and named in start."""
    write(
        tmp_path,
        {
            "asyncinit.toml": f'[init]\nstart = ["a"]\n[services.a]\nenabled = false\n{COMMAND}'
            f'[services.b]\nrequires = ["a"]\n{COMMAND}'
        },
    )
    from asyncinit.config.load import load

    services = load(str(tmp_path / "asyncinit.toml"), root=NOWHERE).services
    assert [(name, service.enabled) for name, service in services.items()] == [("a", False), ("b", True)]
