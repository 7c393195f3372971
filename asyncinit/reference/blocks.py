"""What a page is made of, however it is written down; plain data, knows no syntax.

Texts have Markdown's marks inside a line: `code`, **strong**, *emphasis* and [text](target).
"""

from __future__ import annotations

from typing import NamedTuple


class Heading(NamedTuple):
    """A heading; level 1 is the page's title."""

    level: int
    text: str


class Paragraph(NamedTuple):
    """A paragraph: one line of text, however long."""

    text: str


class Code(NamedTuple):
    """Lines that are shown as they are, each with its newline."""

    text: str
    language: str = ""


class Items(NamedTuple):
    """A list."""

    texts: tuple[str, ...]
    numbered: bool = False


class Table(NamedTuple):
    """A table: its first column names what the row is about."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Code | Items | Table
