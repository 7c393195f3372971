"""Blocks to Markdown and back: the little of Markdown that the reference pages use; knows no page.

What is read: headings by "#", fenced code, "-" and "1." lists whose items may go on in indented lines, tables,
paragraphs, and comments, which are passed over. What is written reads back as the same blocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from asyncinit.reference.blocks import Block, Code, Heading, Items, Paragraph, Table

_HEADING = re.compile(r"(#{1,6}) (.*)")
_ITEM = re.compile(r"(?:-|(\d+)\.) (.*)")
_CELL_END = re.compile(r"(?<!\\)\|")


def render(blocks: Sequence[Block]) -> str:
    """Return the blocks as Markdown, one empty line between them and a newline at the end."""
    return "\n".join(map(_render, blocks))


def _render(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {block.text}\n"
        case Paragraph():
            return f"{block.text}\n"
        case Code():
            return f"```{block.language}\n{block.text}```\n"
        case Items():
            marks = [f"{number}." if block.numbered else "-" for number in range(1, len(block.texts) + 1)]
            return "".join(f"{mark} {text}\n" for mark, text in zip(marks, block.texts, strict=True))
        case Table():
            return "".join(map(_row, (block.header, ("---",) * len(block.header), *block.rows)))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def parse(text: str) -> list[Block]:
    """Return the blocks of a page; raises ValueError for code that has no end."""
    blocks: list[Block] = []
    lines = text.split("\n")
    while lines:
        line = lines.pop(0)
        if heading := _HEADING.fullmatch(line):
            blocks.append(Heading(len(heading[1]), heading[2]))
        elif line.startswith("```"):
            blocks.append(Code("".join(f"{one}\n" for one in _until_fence(lines)), line[3:]))
        elif line.startswith("|"):
            header, _, *rows = map(_cells, [line, *_taken(lines, "|")])
            blocks.append(Table(header, tuple(rows)))
        elif _ITEM.fullmatch(line):
            blocks.append(_items(line, lines))
        elif line and not line.startswith("<!--"):
            blocks.append(Paragraph(" ".join([line, *_rest_of_paragraph(lines)])))
    return blocks


def _until_fence(lines: list[str]) -> list[str]:
    end = lines.index("```")
    code = lines[:end]
    del lines[: end + 1]
    return code


def _taken(lines: list[str], start: str) -> list[str]:
    taken = []
    while lines and lines[0].startswith(start):
        taken.append(lines.pop(0))
    return taken


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().replace("\\|", "|") for cell in _CELL_END.split(line.strip())[1:-1])


def _items(line: str, lines: list[str]) -> Items:
    texts: list[str] = []
    numbered = line[0] != "-"
    while item := _ITEM.fullmatch(line):
        texts.append(" ".join([item[2], *(more.strip() for more in _taken(lines, "  "))]))
        line = lines.pop(0) if lines else ""
    lines.insert(0, line)
    return Items(tuple(texts), numbered)


def _rest_of_paragraph(lines: list[str]) -> list[str]:
    rest = []
    while lines and lines[0] and not lines[0].startswith(("#", "```", "|", "<!--", "- ")):
        rest.append(lines.pop(0))
    return rest
