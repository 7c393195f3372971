"""Readiness by a line of output: match complete lines against a text with `*` wildcards; knows nothing of services."""

from __future__ import annotations

from asyncinit.runtime.ready.plain_text import strip_escapes


class LogPattern:
    """A part of an output line, in which each `*` stands for any text, also none.

    There is no escape for the asterisk itself (it matches itself too), and no regular expression: the time to match
    is bounded by the line's length, whatever a service writes.
    """

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self._pieces = [piece for piece in pattern.encode("utf-8", "surrogateescape").split(b"*") if piece]

    def matches(self, line: bytes) -> bool:
        """Tell whether the complete `line` (its newline may be there) has the pattern in it, colours ignored."""
        plain = strip_escapes(line)
        position = 0
        for piece in self._pieces:
            position = plain.find(piece, position)
            if position < 0:
                return False
            position += len(piece)
        return True

    def found_in(self, lines: bytes) -> bool:
        """Tell whether one of many complete lines matches; what has the first piece nowhere costs one search."""
        if self._pieces and self._pieces[0] not in lines and b"\x1b" not in lines:
            return False
        return any(self.matches(line) for line in lines.split(b"\n"))
