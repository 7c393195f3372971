"""Which part of a log is on the screen: scrolled, followed, wrapped or cut; pure, knows no screen.

A place is a line's number and, where lines are wrapped, the row of it: new lines at the end, and old ones that are
forgotten, move nothing that somebody reads. What a step costs depends on the height, not on how many lines there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rich.cells import cell_len, split_text

from asyncinit.tui.lines import Line, Lines

STEP = 16
"""Columns that one step sideways goes."""


class Row(NamedTuple):
    """A row of the screen: a line, the part of its text that stands there, and where in the text that begins."""

    line: Line
    text: str
    start: int


class Viewport:
    """The part of `lines` that has room on `height` rows of `width` cells."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.width = 80
        self.height = 10
        self.wrap = True
        self.following = True
        self.left = 0
        self._top = (0, 0)

    def rows(self) -> list[Row]:
        """Return what is on the screen, from its top on; fewer rows than it has where there are no more."""
        if self.following:
            return self._last(len(self.lines.shown), self.height)
        number, skipped = self._top
        found: list[Row] = []
        for place in range(self.lines.index(number), len(self.lines.shown)):
            line = self.lines.shown[place]
            found += self._split(line)[skipped if line.number == number else 0 :]
            if len(found) >= self.height:
                break
        return found[: self.height]

    def _last(self, end: int, wanted: int) -> list[Row]:
        """Return the last rows, `wanted` at most, of the lines before place `end`."""
        found: list[Row] = []
        for place in range(end - 1, -1, -1):
            found[:0] = self._split(self.lines.shown[place])
            if len(found) >= wanted:
                break
        return found[-wanted:] if wanted else []

    def _split(self, line: Line) -> list[Row]:
        if not self.wrap:
            text, start = line.text, 0
            if self.left:
                text, start = _from(line.text, self.left)
            return [Row(line, _parts(text, self.width)[0], start)]
        found, start = [], 0
        for part in _parts(line.text, self.width):
            found.append(Row(line, part, start))
            start += len(part)
        return found

    # -----------------------------------------------------------------------------------------------------------------
    # Going elsewhere

    def resize(self, width: int, height: int) -> None:
        """Have another size; the line at the top stays there."""
        if width != self.width:
            self._top = (self._top[0], 0)
        self.width, self.height = max(1, width), max(0, height)

    def follow(self) -> None:
        """Show the newest lines from now on."""
        self.following = True

    def hold(self) -> None:
        """Stay where it is."""
        if self.following:
            rows = self.rows()
            self.following = False
            self._top = self._place(rows[0]) if rows else (0, 0)

    def _place(self, row: Row) -> tuple[int, int]:
        return (row.line.number, [one.start for one in self._split(row.line)].index(row.start))

    def scroll(self, rows: int) -> None:
        """Go down by so many rows, or up; at the end it follows again."""
        self.hold()
        if rows < 0:
            number, skipped = self._top
            place = self.lines.index(number)
            above = self._last(place, -rows)
            if skipped and place < len(self.lines.shown) and self.lines.shown[place].number == number:
                above = (above + self._split(self.lines.shown[place])[:skipped])[rows:]
            if above:
                self._top = self._place(above[0])
            return
        below = self._below(rows)
        if below is None:
            self.follow()
        else:
            self._top = self._place(below)

    def _below(self, rows: int) -> Row | None:
        """Return the row that comes to the top `rows` further down; None where the last page begins above it."""
        number, skipped = self._top
        seen: list[Row] = []
        for place in range(self.lines.index(number), len(self.lines.shown)):
            line = self.lines.shown[place]
            seen += self._split(line)[skipped if line.number == number else 0 :]
            if len(seen) > rows + self.height:
                return seen[rows]
        return None

    def to_start(self) -> None:
        """Show the oldest lines."""
        self.following = False
        self._top = (0, 0)

    def show(self, number: int) -> None:
        """Show a line: where it is if it is on the screen, else a third from the top."""
        rows = self.rows()
        if any(row.line.number == number for row in rows):
            self.hold()
            return
        self.following = False
        above = self._last(self.lines.index(number), self.height // 3)
        self._top = self._place(above[0]) if above else (number, 0)

    def toggle_wrap(self) -> None:
        """Wrap long lines, or cut them."""
        rows = self.rows()
        self.wrap = not self.wrap
        self.left = 0
        if rows:
            self._top = (rows[0].line.number, 0)

    def sideways(self, steps: int) -> None:
        """Show a part of long lines further right, or left."""
        if not self.wrap:
            self.left = max(0, self.left + steps * STEP)

    @property
    def share(self) -> str:
        """How far down this is, in words."""
        if self.following:
            return "follow"
        shown = len(self.lines.shown)
        rows = self.rows()
        if not rows or not shown:
            return "held"
        return f"held at {100 * (self.lines.index(rows[-1].line.number) + 1) // shown}%"


def _parts(text: str, width: int) -> list[str]:
    """Return a text in parts of at most `width` cells, at least one; a wide character is never cut in two."""
    if text.isascii():
        return [text[start : start + width] for start in range(0, len(text), width)] or [""]
    return list(_wide_parts(text, width)) or [""]


def _wide_parts(text: str, width: int) -> Iterator[str]:
    while cell_len(text) > width:
        part = split_text(text, width)[0]
        # Padded with a blank where the cut would go through a character; one wider than the screen goes whole.
        taken = len(part) if text.startswith(part) else max(1, len(part) - 1)
        yield text[:taken]
        text = text[taken:]
    if text:
        yield text


def _from(text: str, left: int) -> tuple[str, int]:
    """Return what is right of the first `left` cells, and where in the text that begins."""
    if text.isascii():
        return text[left:], min(left, len(text))
    skipped, start = 0, 0
    while start < len(text) and skipped < left:
        skipped += cell_len(text[start])
        start += 1
    return text[start:], start
