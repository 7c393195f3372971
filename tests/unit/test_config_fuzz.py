"""Random files: whatever is in them, reading them gives a configuration and problems, never an exception."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from asyncinit.config import write as writing
from asyncinit.config.convert import examine, pruned
from asyncinit.config.hints import struct_of
from asyncinit.config.keys import ServiceKeys
from asyncinit.config.load import load, read
from asyncinit.config.origins import origins_of
from asyncinit.config.settings import InitKeys
from asyncinit.config.show import show
from tests.support import ROOT
from tests.unit.config_world import NOWHERE, write

_WORDS = st.one_of(
    st.sampled_from(
        [
            "a",
            "b",
            "web",
            "db",
            "none",
            "always",
            "never",
            "target",
            "oneshot",
            "on-failure",
            "SIGTERM",
            "RTMIN+3",
            "oom",
            "5s",
            "1m30s",
            "0027",
            "-/x",
            "/dev/tty1",
            "group",
            "127.0.0.1:80",
            "http://h/",
            "@x",
            "${X}",
            "web@",
            "web@1",
            "a@",
            "a@b",
            "b@${INSTANCE}",
            "process",
            "json",
            "file",
            "null",
            "service:web",
            "64K",
            "owner",
            "'x",
            "30 3 * * *",
            "@daily",
            "Europe/Berlin",
        ]
    ),
    st.sampled_from(["", "a b", "\0", "\x1b", "a\nb"]),
    st.text(max_size=4),
)
_LEAVES = st.one_of(_WORDS, st.booleans(), st.integers(-3, 300), st.integers(), st.floats(), st.dates())
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(_WORDS, inner, max_size=2)),
    max_leaves=6,
)


def _likely(type_: inspect.Type) -> st.SearchStrategy[Any]:
    """Return values that are about right for a key of this type."""
    while isinstance(type_, inspect.Metadata):
        type_ = type_.type
    match type_:
        case inspect.UnionType():
            return st.one_of(*map(_likely, type_.types))
        case inspect.StructType():
            return _table(type_.cls)
        case inspect.ListType():
            return st.lists(_likely(type_.item_type), max_size=3)
        case inspect.DictType():
            return st.dictionaries(_WORDS, _likely(type_.value_type), max_size=2)
        case inspect.LiteralType():
            return st.sampled_from(list(type_.values))
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(-3, 300)
        case inspect.FloatType():
            return st.floats()
        case _:
            return _WORDS


def _table(struct: type) -> st.SearchStrategy[dict[str, Any]]:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    keys = {field.encode_name: st.one_of(_likely(field.type), _likely(field.type), _ANYTHING) for field in info.fields}
    odd = st.dictionaries(_WORDS, _ANYTHING, max_size=1)
    return st.builds(lambda known, unknown: {**unknown, **known}, st.fixed_dictionaries({}, optional=keys), odd)


_SERVICES = _table(ServiceKeys)
_FILES = st.fixed_dictionaries(
    {},
    optional={
        "init": st.one_of(_table(InitKeys), _ANYTHING),
        "defaults": st.one_of(_SERVICES, _ANYTHING),
        "services": st.dictionaries(
            st.sampled_from(["a", "b", "web", "x y", "a@", "b@", "web@1"]), st.one_of(_SERVICES, _ANYTHING), max_size=3
        ),
        "zzz": _ANYTHING,
    },
)

_MORE = st.dictionaries(
    st.sampled_from(["web@", "web.d/x", "web@.d/x", "web@1.d/x", "a.d/x", "a@b.d/x", "c.d/x", "web@1"]),
    st.one_of(_SERVICES, st.just({"command": "x"})),
    max_size=3,
)
"""Templates, instances and drop-ins, by the names of their files."""


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(_FILES, st.one_of(_SERVICES, st.just({"command": "x"})), _MORE)
def test_any_document_gives_problems_and_a_sound_rest(
    file: dict[str, Any], web: dict[str, Any], more: dict[str, dict[str, Any]]
) -> None:
    """Every problem is one visible line, and what is given as sound can be shown, read again, and stands by itself."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, {"asyncinit.toml": writing.dumps(file), "services.d/web.toml": writing.dumps(web)})
        write(folder, {f"services.d/{name}.toml": writing.dumps(table) for name, table in more.items()})
        loaded = read(str(folder / "asyncinit.toml"), root=NOWHERE)
        assert all(str(problem).isprintable() for problem in loaded.problems)
        services = loaded.configuration.services
        for spec in services.values():
            assert set(spec.requires + spec.binds_to + spec.log.loggers) <= set(services)
            assert set(origins_of(loaded.configuration.sources, spec.name)) is not None
        shown = {f"again/{name}.toml": show(loaded.configuration, name) for name in services}
        if shown:
            write(folder, shown)
            (folder / "empty.toml").touch()
            again = load(str(folder / "empty.toml"), [str(folder / "again")], root=NOWHERE)
            assert list(again.services) == list(services)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(_SERVICES)
def test_what_is_let_pass_is_right(table: dict[str, Any]) -> None:
    """Without what was found wrong, nothing is found wrong, but for what is missing then."""
    bad = [finding.key for finding in examine(table, ServiceKeys)]
    assert examine(pruned(table, bad), ServiceKeys) == []


@settings(max_examples=60)
@given(st.binary(max_size=60))
def test_any_bytes_give_a_problem_or_a_service(content: bytes) -> None:
    """What is no text or no TOML is told, on one visible line."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), {"s/web.toml": content})
        for problem in read(None, [f"{name}/s"], root=NOWHERE).problems:
            assert str(problem).isprintable()


def test_the_tables_that_are_drawn_from_are_the_declared_ones() -> None:
    """The strategies above look at every table of a service."""
    info = inspect.type_info(ServiceKeys)
    assert isinstance(info, inspect.StructType)
    drawn = {field.encode_name for field in info.fields if struct_of(field.type) is not None}
    modules = {path.stem for path in (ROOT / "asyncinit/config/sections").glob("[a-z]*.py")}
    assert drawn == modules - {"given", "signs", "mounts", "pods", "cgroup_limits"}
