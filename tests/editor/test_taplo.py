"""What a person sees in an editor that has taplo inside: marks only where something is wrong, keys as one types."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect

from asyncinit.config.convert import examine
from asyncinit.config.hints import struct_of
from asyncinit.config.keys import ServiceFileKeys, ServiceKeys
from asyncinit.config.schema import text
from asyncinit.config.sections.pods import PodFileKeys, PodKeys
from asyncinit.config.settings import FileKeys
from asyncinit.config.write import value as written
from tests.editor.taplo import language_server, lint
from tests.support import ROOT
from tests.unit.test_config_schema import FILES
from tests.unit.test_documentation import code

SERVICE = f"#:schema {ROOT}/docs/schema/service.json\n"


def test_the_files_of_the_repository_are_accepted() -> None:
    """taplo finds each file's schema by its first line, and nothing wrong with it."""
    assert lint(FILES) == {}


def test_the_files_of_the_documentation_are_accepted(tmp_path: Path) -> None:
    """What the guides show, an editor does not mark."""
    files = []
    for number, piece in enumerate(code("toml").values()):
        table = tomllib.loads(piece)
        is_global = not table.keys().isdisjoint({"init", "defaults", "services", "pods"})
        kind = "global" if is_global else "pod" if re.search(r"^# (?:\S*/)?pods\.d/", piece, re.M) else "service"
        files.append(tmp_path / f"{number}.toml")
        files[-1].write_text(f"#:schema {ROOT}/docs/schema/{kind}.json\n{piece}")
    assert lint(files) == {}


WRONG = {
    "comand = 'x'": "'comand' was unexpected",
    "command = []": "less than 1 item",
    "command = 7": "not of type",
    "type = 'servce'": "not one of",
    "restart = 'alway'": "not valid",
    "restart = { polcy = 'always' }": "'polcy' was unexpected",
    "restart = { delay = '5x' }": "does not match",
    "stop = { signal = 'SIGTREM' }": "not valid",
    "stop = { timeout = -1 }": "less than the minimum",
    "umask = 22": "not of type",
    "requires = 'db'": "not of type",
    "requires = ['data base']": "does not match",
    "environment = { 'A=B' = 'x' }": "does not match",
    "environment = { PORT = 8080 }": "not of type",
    "limits = { memory_max = '10MB' }": "does not match",
    "log = { to = 'consol' }": "not valid",
    "hooks = { pre_start = [{ comand = 'x' }] }": "'comand' was unexpected",
    "sockets = [{ tcp = '80' }]": "does not match",
}
"""A slip, and words of what is told of it."""


def test_what_is_wrong_is_marked(tmp_path: Path) -> None:
    """A slip is told at its line, in words that say which."""
    files = {tmp_path / f"{number}.toml": line for number, line in enumerate(WRONG)}
    for path, line in files.items():
        path.write_text(f"{SERVICE}{line}\n")
    found = lint(list(files))
    for path, line in files.items():
        assert any(WRONG[line] in each for each in found[path][2]), (line, found[path])


VALUES: list[Any] = [
    *("", "x", "5s", "none", "64K", "SIGTERM", "always", "strict", "/x", "127.0.0.1:80", "http://127.0.0.1/", "0022"),
    *(True, False, -1, 0, 1, 7, 70_000, 1.5),
    *([], ["x"], [7], [["x", "y"]], ["5s", "7"], [{}], [{"command": "x"}], {}, {"x": "y"}, {"x": 7}),
]


def places(struct: inspect.StructType, table: str = "") -> list[tuple[str, str]]:
    """Every key of a service, and of its tables, with the table that it is in."""
    found = [(table, field.encode_name) for field in struct.fields]
    for field in struct.fields if not table else ():
        inner = struct_of(field.type)
        if inner is not None and inner.cls not in (ServiceKeys, PodKeys):
            found += places(inner, field.encode_name)
    return found


@pytest.mark.parametrize("root", [ServiceFileKeys, PodFileKeys], ids=["services", "pods"])
def test_an_editor_and_asyncinit_agree(tmp_path: Path, root: type) -> None:
    """Of each key with each of many values: what the one refuses the other does, but for what no pattern can say."""
    info = inspect.type_info(root)
    assert isinstance(info, inspect.StructType)
    kind = "services" if root is ServiceFileKeys else "pods"
    lines, wrong = [f"#:schema {ROOT}/docs/schema/global.json"], {}
    for table, key in places(info):
        for value in VALUES:
            inner: Any = [{key: value}] if table == "sockets" else {key: value}
            data = {table: inner} if table else inner
            lines.append(f"{kind}.s{len(lines)} = {written(data)}")
            wrong[len(lines)] = [str(finding) for finding in examine({kind: {"s": data}}, FileKeys)]
    path = tmp_path / "asyncinit.toml"
    path.write_text("\n".join(lines) + "\n")
    marked = lint([path]).get(path, {})
    refused = [lines[line - 1] for line, findings in wrong.items() if not findings and line in marked]
    assert refused == []
    unsayable = ("time_zone = ", 'max_size = "0022"')  # whether there is such a zone; how much a text says
    missed = [
        (lines[line - 1], findings)
        for line, findings in wrong.items()
        if findings and line not in marked and not any(each in lines[line - 1] for each in unsayable)
    ]
    assert missed == []


def test_keys_are_offered_with_what_they_mean(tmp_path: Path) -> None:
    """At the top level and in a table: each key and its description; at a value: the words that it can be."""
    (tmp_path / "service.json").write_text(text("service"))
    with language_server(tmp_path) as server:
        server.open('#:schema ./service.json\ncommand = "x"\nrest\n\n[stop]\nsignal = ""\n\n[ready]\n\n')
        offered = server.completions(2, 4)
        assert offered["restart"] == "When it is started again."
        assert "command" not in offered and {"requires", "environment", "log"} <= offered.keys()
        assert '"SIGTERM"' in server.completions(5, 10)
        assert "When this address takes a connection." in server.completions(8, 0)["tcp"]
        assert "no shell runs" in server.hover(1, 3).lower()


def test_words_of_a_short_form_are_offered(tmp_path: Path) -> None:
    """A key that takes a word or a table offers its words after the equals sign, and its keys under the header."""
    (tmp_path / "service.json").write_text(text("service"))
    with language_server(tmp_path) as server:
        server.open('#:schema ./service.json\nrestart = ""\n')
        assert '"on-failure"' in server.completions(1, 11)
        server.open("#:schema ./service.json\n[restart]\n\n")
        assert "backoff" in server.completions(2, 0)
