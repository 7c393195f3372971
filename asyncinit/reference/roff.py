"""Blocks to a manual page: roff with the macros of man(7) alone; knows no page.

The text is ASCII, so that every formatter reads it alike; a table is a list of tagged paragraphs, which fits any width.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from asyncinit.reference.blocks import Block, Code, Heading, Items, Paragraph, Table

_MARK = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*(\S[^*]*)\*|\[([^]]+)\]\(([^)]+)\)")
_SPECIAL = {"\\": "\\e", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}
_OPTION_DASH = re.compile(r"(?<![\w)\]])-+")
_WIDTH = 100


def manual(name: str, section: int, source: str, blocks: Sequence[Block]) -> str:
    """Return the page `name`(`section`); `source` is what it belongs to. Raises ValueError for text beyond ASCII."""
    lines = [
        '.\\" Made by "python -m asyncinit.reference": edit what it is made from.',
        f".TH {name} {section} {_argument('')} {_argument(source)}",
        ".ss 12 0",
        ".nh",
        ".ad l",
    ]
    after_heading = False
    for block in blocks:
        lines += _render(block, after_heading)
        after_heading = isinstance(block, Heading)
    text = "\n".join(lines) + "\n"
    if not text.isascii():
        strange = sorted({character for character in text if not character.isascii()})
        raise ValueError(f"{name}({section}): cannot write {' '.join(strange)} in ASCII")
    return text


def _render(block: Block, after_heading: bool) -> list[str]:
    apart = [] if after_heading else [".PP"]
    match block:
        case Heading(level, text):
            shown = _argument(text.upper() if level == 2 else text)
            return [f".{'SH' if level == 2 else 'SS'} {shown}"]
        case Paragraph(text):
            return [*apart, *_lines(text)]
        case Code(text):
            return [*apart, ".RS 4", ".nf", *map(_guarded, _literal(text).splitlines()), ".fi", ".RE"]
        case Items(texts, numbered):
            marks = [f"{number}. 4" if numbered else "\\(bu 2" for number in range(1, len(texts) + 1)]
            return [line for mark, text in zip(marks, texts, strict=True) for line in (f".IP {mark}", *_lines(text))]
        case Table(header, rows):
            return [line for row in rows for line in (".TP", _tag(header, row), *_lines(row[-1] or "\\&"))]


def _tag(header: Sequence[str], row: Sequence[str]) -> str:
    """Return a row's tag: what it is about, in bold, and what the columns between the first and the last say."""
    subject = row[0] if "`" in row[0] else f"**{row[0]}**"
    more = [_named(name, cell) for name, cell in zip(header[1:-1], row[1:-1], strict=True) if cell]
    return _inline(f"{subject} ({', '.join(more)})" if more else subject)


def _named(name: str, cell: str) -> str:
    return cell if name == "type" or cell.startswith("required") else f"{name}: {cell}"


def _lines(text: str) -> list[str]:
    wrapped = textwrap.wrap(_inline(text), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return list(map(_guarded, wrapped))


def _guarded(line: str) -> str:
    """Keep a line of text from being taken for a request."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _inline(text: str) -> str:
    """Return a text with its marks as fonts."""
    result, position = "", 0
    for mark in _MARK.finditer(text):
        code, strong, emphasis, link, target = mark.groups()
        result += _prose(text[position : mark.start()])
        position = mark.end()
        if code or strong:
            result += f"\\fB{_literal(code or strong)}\\fR"
        elif emphasis:
            result += f"\\fI{_prose(emphasis)}\\fR"
        else:
            result += _inline(link) + (f" (\\fI{_literal(target)}\\fR)" if "://" in target else "")
    return result + _prose(text[position:])


def _prose(text: str) -> str:
    """Escape text for people: a dash within a word is a hyphen, one that begins an option is to be typed."""
    if text == "\\&":
        return text
    shown = _OPTION_DASH.sub(lambda found: "\\-" * len(found[0]), _escaped(text))
    return shown.replace("\N{EN DASH}", "\\-")


def _literal(text: str) -> str:
    """Escape text that may be typed: its quotes and dashes stay what they are."""
    return _escaped(text).replace("-", "\\-").replace("'", "\\(aq")


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)


def _argument(text: str) -> str:
    return '"' + _inline(text).replace('"', "\\(dq") + '"'
