"""Read what the reference pages claim, so that tests can hold it against the code."""

from __future__ import annotations

import re

from asyncinit.reference import markdown
from asyncinit.reference.blocks import Block, Code, Heading, Table
from tests.support import ROOT


def section(page: str, heading: str) -> list[Block]:
    """What stands under a heading of a page of docs/, up to the next one of any level."""
    blocks = markdown.parse((ROOT / "docs" / page).read_text())
    found = [number for number, block in enumerate(blocks) if isinstance(block, Heading) and block.text == heading]
    assert len(found) == 1, f"{page} has {len(found)} headings {heading!r}"
    rest = blocks[found[0] + 1 :]
    end = next((number for number, block in enumerate(rest) if isinstance(block, Heading)), len(rest))
    return rest[:end]


def tables(page: str, heading: str) -> list[Table]:
    """The tables under a heading."""
    return [block for block in section(page, heading) if isinstance(block, Table)]


def codes(page: str, heading: str) -> list[str]:
    """The pieces of code under a heading."""
    return [block.text for block in section(page, heading) if isinstance(block, Code)]


def words(cell: str) -> list[str]:
    """What is marked as code in a cell."""
    return re.findall("`([^`]+)`", cell)


def subjects(table: Table) -> list[str]:
    """What is marked as code in the first column."""
    return [word for row in table.rows for word in words(row[0])]
