"""The documentation that is made from the code is current, and made as it should be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asyncinit.cli.commands import COMMANDS
from asyncinit.cli.options import SOCKET
from asyncinit.control import types
from asyncinit.reference import commands, interface, keys, markdown, roff
from asyncinit.reference.__main__ import made
from asyncinit.reference.blocks import Block, Code, Heading, Items, Paragraph, Table
from asyncinit.reference.pages import PARTS, current
from tests.support import ROOT

MADE = dict(made(ROOT))
BLOCKS: list[Block] = [
    Heading(1, "Title"),
    Paragraph("Text with `code`, a [link](x.md) and 1 - 2."),
    Code("a | b\n\n# no heading\n", "sh"),
    Code("plain\n"),
    Items(("one", "two")),
    Items(("first", "second"), numbered=True),
    Table(("key", "meaning"), (("`a|b`", "either"), ("c", ""))),
    Heading(3, "End"),
]


@pytest.mark.parametrize("path", MADE, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_made_is_current(path: Path) -> None:
    """Made anew, nothing of a page changes; `python -m asyncinit.reference` makes it."""
    assert path.read_text() == MADE[path]


def test_every_part_is_on_a_page() -> None:
    """What the code says of itself can be read somewhere."""
    marks = {name for path in MADE for name in re.findall("<!-- made: (.*) -->", path.read_text())}
    assert marks == set(PARTS)


def test_an_unknown_part_is_an_error() -> None:
    """A mark whose part does not exist is not passed over."""
    with pytest.raises(KeyError):
        current("<!-- made: nothing -->\n<!-- end -->\n")


def test_markdown_reads_back_as_it_was_written() -> None:
    """Blocks survive being written and read, one by one and together."""
    assert markdown.parse(markdown.render(BLOCKS)) == BLOCKS
    for block in BLOCKS:
        assert markdown.parse(markdown.render([block])) == [block]


def test_lines_of_a_paragraph_and_of_an_item_are_joined() -> None:
    """How the source is broken into lines does not matter; comments are not read."""
    text = "One.\nTwo.\n<!-- end -->\n- a\n  b\n- c\nThree.\n"
    assert markdown.parse(text) == [Paragraph("One. Two."), Items(("a b", "c")), Paragraph("Three.")]


def test_code_without_an_end_is_an_error() -> None:
    """A fence that is never closed is not taken for code up to the end."""
    with pytest.raises(ValueError, match="not in list"):
        markdown.parse("```\ncode\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a `--no-wait` b", "a \\fB\\-\\-no\\-wait\\fR b"),
        ("re-read, -v and (--all)", "re-read, \\-v and (\\-\\-all)"),
        ("C:\\x and `^\\`", "C:\\ex and \\fB\\(ha\\e\\fR"),
        ("`it's` its", "\\fBit\\(aqs\\fR its"),
        ("see [commands](commands.md)", "see commands"),
        ("[Varlink](https://varlink.org)", "Varlink (\\fIhttps://varlink.org\\fR)"),
        (".hidden", "\\&.hidden"),
        ("'quoted'", "\\&'quoted'"),
    ],
)
def test_text_of_a_manual_page_is_escaped(text: str, shown: str) -> None:
    """What roff would take for a request, an escape or a hyphen stays what it was."""
    assert roff.manual("x", 1, "", [Paragraph(text)]).splitlines()[-1] == shown


def test_a_manual_page_is_ascii() -> None:
    """What not every formatter can show is refused, not mangled."""
    with pytest.raises(ValueError, match="…"):
        roff.manual("x", 1, "", [Paragraph("and so on …")])


def test_rows_of_a_table_become_tagged_paragraphs() -> None:
    """The first column is the tag, with what the middle ones say; the last is the text."""
    table = Table(("key", "type", "default", "meaning"), (("`a`", "text", "`1`", "The a."), ("b", "", "", "")))
    lines = roff.manual("x", 5, "", [table]).splitlines()
    assert lines[-6:] == [".TP", "\\fBa\\fR (text, default: \\fB1\\fR)", "The a.", ".TP", "\\fBb\\fR", "\\&"]


def test_the_page_has_every_command_and_option() -> None:
    """What the table of commands declares is described."""
    text = markdown.render(commands.describe())
    for command in COMMANDS:
        assert f"### asyncinit {command.name}\n" in text
        assert all(name in text for option in command.options for name in option.names)
    assert SOCKET.names[0] in text


def test_each_key_has_a_meaning() -> None:
    """No row of a table of keys ends empty."""
    for struct in keys.TABLES.values():
        rows = [row for block in keys.describe(struct) if isinstance(block, Table) for row in block.rows]
        assert [row[0] for row in rows] == [f"`{name}`" for name in struct.__struct_encode_fields__]  # type: ignore[attr-defined]
        assert all(row[1] and row[3] for row in rows)


def test_the_page_has_all_of_the_interface() -> None:
    """Every method, type and error has its heading, and words for people."""
    blocks = interface.describe()
    headings = [block.text for block in blocks if isinstance(block, Heading) and block.level == 4]
    assert sorted(headings) == sorted([*types.METHODS, *types.TYPES, *types.ERRORS])
    for name in headings:
        about = blocks[blocks.index(Heading(4, name)) + 1]
        assert isinstance(about, Paragraph) and len(about.text) > 10
