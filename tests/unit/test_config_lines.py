"""Where keys stand: lines of documents, made at random and by hand."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from asyncinit.config.lines import Lines
from asyncinit.config.problems import bare_or_quoted
from asyncinit.config.problems import dotted as dotted_path

_KEYS = st.sampled_from(["a", "b", "c d", "é", '"', "x.y", ""])
_VALUES = st.sampled_from(
    [
        "1",
        '"[x]"',
        "'#'",
        "[1, [2, 3], ]",
        "[\n  1, # ]\n\n  2,\n]",
        '"""\na = 1\n[a]\n"""',
        "'''\n]\n'''",
        "{ p = 1, q = { r = [ 1 ] } }",
        "[ { p = 1 },\n { p = 2 } ]",
        "1979-05-27 # date",
    ]
)
_FILLING = st.sampled_from(["", "# [a]\n", "\n", "\t# x = '''\n", "   \n"])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str, ...], int]]:
    """A valid document, and the lines of what its statements set."""
    text, lines, table, seen = "", {}, (), set()
    for _ in range(draw(st.integers(0, 12))):
        text += draw(_FILLING)
        line = text.count("\n") + 1
        path = tuple(draw(st.lists(_KEYS, min_size=1, max_size=3)))
        if draw(st.integers(0, 3)) == 0:
            statement, where = "[" + dotted(path) + "]\n", path
            where_next = path
        else:
            statement, where = f"{dotted(path)} = {draw(_VALUES)}\n", (*table, *path)
            where_next = table
        try:
            tomllib.loads(text + statement)
        except tomllib.TOMLDecodeError:
            continue
        text, table = text + statement, where_next
        if where not in seen:
            seen.add(where)
            lines[where] = line
        for length in range(1, len(where)):
            seen.add(where[:length])
    return text, lines


def dotted(path: tuple[str, ...]) -> str:
    return " . ".join(map(bare_or_quoted, path))


@given(documents(), st.booleans())
def test_each_statement_of_a_document_has_its_line(made: tuple[str, dict[tuple[str, ...], int]], dos: bool) -> None:
    """Whatever stands around it, a key's line is that of the statement that first says something of it."""
    text, expected = made
    lines = Lines(text.replace("\n", "\r\n") if dos else text)
    assert {path: lines.find(path) for path in expected} == expected


def test_lists_of_tables_are_told_apart() -> None:
    """Each element of a list of tables has its own line, also below it."""
    lines = Lines("[[a]]\nx = 1\n[[a]]\nx = 2\n[a.b]\ny = 1\n[[a.c]]\nz = 1\n[[a.c]]\nz = 2\n")
    assert lines.find(("a", 0, "x")) == 2
    assert lines.find(("a", 1, "x")) == 4
    assert lines.find(("a", 1, "b", "y")) == 6
    assert lines.find(("a", 1, "c", 1, "z")) == 10
    assert lines.find(("a",)) == 1


def test_what_is_not_there_has_the_line_of_what_is_around_it() -> None:
    """A missing key is told at its table, a list's element at the list; what is nowhere has no line."""
    lines = Lines("x = [\n1,\n2]\n[a]\nb = 1\n")
    assert lines.find(("a", "c")) == 4
    assert lines.find(("x", 1)) == 1
    assert lines.find(("nothing",)) is None
    assert Lines("").find(("x",)) is None


def test_the_work_is_limited() -> None:
    """What lies beyond the work allowed has no line, and what comes before has."""
    lines = Lines("a = 1\n" * 1 + "b = [\n" + '"]",\n' * 5000 + "]\nc = 1\n", work=20_000)
    assert (lines.find(("a",)), lines.find(("c",))) == (1, None)


def test_paths_are_written_as_keys() -> None:
    """Parts that need it are quoted, indices are in brackets, and no control character comes out."""
    assert dotted_path(("a", "b c", 0, "\x1b[2J", "x")) == 'a."b c"[0]."\\u001b[2J".x'
