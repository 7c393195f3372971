"""The JSON Schemas say of files what the keys say; what an editor makes of them is tests/editor's."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.cli.arguments import parse
from asyncinit.config import ends, values
from asyncinit.config.keys import ServiceFileKeys
from asyncinit.config.schema import KINDS, json_schema, text
from asyncinit.config.shapes import SHAPES
from tests.support import ROOT

_WORDS = """
    5s 500ms 1m30s 1.5h none 0 7 08 0.5 -1 5x infinity 64K 1.5G 10MB SIGTERM term Sigterm RTMIN+3 SIGRTMAX-1 SIGNO oom
    health console file service:db service:db@ service: group:adm all owner web web@ web@1 @1 .x x/y ../x a//b /x -/x -
    !x !! ${X} ${X}:80 127.0.0.1:80 [::1]:80 ::1:80 host:99999 :80 80 http://x/y HTTP://x:1 https://x x@y CAP_KILL KILL
    ~CAP_KILL ~all docker-default @system-service @nothing read EPERM kill 0-3,6 150% 8:0 /dev/vda 0:1:2 30 @daily
    0027 777 7777 99999 true a=b host.name -x-
"""
WORDS = [*_WORDS.split(), "", " ", "a b", "* * * * *", "0 3 * * MON", "a\nb", "tab\t", "$"]


def tables(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that is one itself."""
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from tables(part)


def takes(shape: dict[str, Any], value: object) -> bool:
    """Tell whether a shape takes a text or a number, by the few keywords that shapes have."""
    if "anyOf" in shape:
        return any(takes(each, value) for each in shape["anyOf"])
    if "enum" in shape and value not in shape["enum"]:
        return False
    if isinstance(value, str):
        long_enough = len(value) >= shape.get("minLength", 0)
        return shape.get("type") != "integer" and long_enough and re.search(shape.get("pattern", ""), value) is not None
    assert isinstance(value, int | float)
    low, high = shape.get("minimum", value), shape.get("maximum", value)
    return shape.get("type") != "string" and low <= value <= high and value > shape.get("exclusiveMinimum", value - 1)


def parses(parse_value: Any, value: object) -> bool:
    """Tell whether the function of a kind takes a value."""
    try:
        parse_value(value)
    except (ValueError, TypeError, AttributeError):
        return False
    return True


@given(st.sampled_from(list(SHAPES)), st.one_of(st.sampled_from(WORDS), st.text("aZ09@.:/-_$!~%= smhKM", max_size=9)))
def test_a_shape_refuses_no_text_that_is_right(kind: Any, value: str) -> None:
    """What the function of a kind takes, an editor does not mark."""
    if parses(kind, value):
        assert takes(SHAPES[kind], value), (kind, value)


NUMBERS = (values.duration, values.positive, values.watchdog, values.size, values.account, ends.signal_number, ends.end)


@given(st.sampled_from(NUMBERS), st.one_of(st.integers(-3, 300), st.integers()))
def test_a_shape_has_the_bounds_of_its_numbers(kind: Any, value: int) -> None:
    """Numbers are taken and refused by both alike (but the two signals that the C library keeps for itself)."""
    if kind is not ends.signal_number or value not in (32, 33):
        assert takes(SHAPES[kind], value) == parses(kind, value), (kind, value)


@pytest.mark.parametrize(
    "kind, wrong",
    [
        (values.duration, "5x"),
        (values.duration, ""),
        (values.positive, "none"),
        (values.size, "10MB"),
        (values.umask, "7777"),
        (values.service_name, "@1"),
        (values.variable, "a=b"),
        (ends.signal_number, "SIGTREM"),
        (ends.end_or_cause, "ooom"),
    ],
)
def test_a_shape_refuses_what_is_wrong(kind: Any, wrong: str) -> None:
    """A slip of the finger is marked as it is typed."""
    assert not takes(SHAPES[kind], wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_has_every_key(kind: str) -> None:
    """Each key of each table is described, and no table takes others."""
    schema = json_schema(kind)
    assert set(schema["properties"]) == set(KINDS[kind].__struct_encode_fields__)  # type: ignore[attr-defined]
    for table in tables(schema):
        if "properties" in table and isinstance(table["properties"], dict) and "type" in table:
            assert table["additionalProperties"] is False
            assert all(key["description"] and "](" not in key["description"] for key in table["properties"].values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_of_draft_7(kind: str) -> None:
    """Nothing stands beside a $ref, where an editor would not see it, and each leads to a definition."""
    schema = json_schema(kind)
    for table in tables(schema):
        if "$ref" in table:
            assert len(table) == 1
            name = table["$ref"].removeprefix("#/definitions/")
            assert table["$ref"] == "#" or schema["definitions"][name]["type"] == "object"
        assert "$defs" not in table


def test_a_short_form_stands_beside_the_long_one() -> None:
    """`restart` takes a word, which is offered, or a table, whose keys are."""
    restart = json_schema()["properties"]["restart"]
    assert restart["type"] == ["string", "object"]
    assert "on-failure" in restart["anyOf"][0]["enum"]
    assert "backoff" in restart["properties"]


def test_the_command_prints_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """`asyncinit schema`: a service's, or the kind that is named."""
    for words, kind in [(["schema"], "service"), (["schema", "pod"], "pod")]:
        invocation = parse(words)
        assert invocation is not None and invocation.execute() == 0
        assert capsys.readouterr().out == text(kind)
    assert json.loads(text("global"))["properties"]["services"]["additionalProperties"] == {
        "$ref": f"#/definitions/{ServiceFileKeys.__name__}"
    }


FILES = [
    path
    for folder in ("services.d", "examples", "asyncinit")
    for path in sorted((ROOT / folder).rglob("*.toml"))
    if "node_modules" not in path.parts
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_files_of_the_repository_name_their_schema(path: Path) -> None:
    """An editor finds it from the first line, in any clone."""
    if path.name == "pyproject.toml":
        return
    kind = "pod" if path.parent.name == "pods.d" else "global" if path.name == "asyncinit.toml" else "service"
    wanted = os.path.relpath(ROOT / "docs" / "schema" / f"{kind}.json", path.parent)
    assert path.read_text().splitlines()[0] == f"#:schema {wanted}"
