"""Where keys stand: from a key's path to its line, with tomllib as the only parser; knows no key's meaning.

tomllib tells no positions. But a document is a row of statements, each of whole lines; a statement parsed on its own
tells its key; and no beginning of a statement is a document by itself, for it has a bracket or a string open. So the
text is cut, line by line, at the first place where what has come together parses. That is one pass over the text for
all its keys. Only statements of many lines make it slow: the work is capped, and what lies beyond has no line.
"""

from __future__ import annotations

import tomllib
from typing import Any

from asyncinit.config.problems import Path

WORK = 4_000_000
"""Characters that are given to tomllib at most for one text: some seconds of an old machine."""

_CALL = 60  # what one call of tomllib costs, in characters

_CLOSING = ("]", "}", '"""', "'''")  # the last line of a statement of many lines has one of these


class Lines:
    """The lines of a document's keys; `text` must be valid TOML, else what is found is a guess."""

    def __init__(self, text: str, work: int = WORK) -> None:
        self._lines: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}
        self._table: Path = ()
        self._left = work
        self._scan(text.replace("\r\n", "\n").split("\n"))

    def find(self, path: Path) -> int | None:
        """Return the line (from 1) of the statement that first says something of `path` or of what it is part of."""
        while path:
            line = self._lines.get(path)
            if line is not None:
                return line
            path = path[:-1]
        return None

    def _scan(self, lines: list[str]) -> None:
        start = 0
        while start < len(lines) and self._left > 0:
            if not lines[start].strip() or lines[start].lstrip().startswith("#"):
                start += 1
                continue
            end, statement = self._statement(lines, start)
            if statement is None:
                return
            self._record(statement, lines[start].lstrip().startswith("["), start + 1)
            start = end

    def _statement(self, lines: list[str], start: int) -> tuple[int, dict[str, Any] | None]:
        """Return where the statement from line `start` ends, and what it says; None: not within the work allowed."""
        size = 0
        for end in range(start + 1, len(lines) + 1):
            line = lines[end - 1]
            size += len(line) + 1
            if end > start + 1 and not any(sign in line for sign in _CLOSING):
                continue
            self._left -= size + _CALL
            if self._left < 0:
                break
            try:
                return end, tomllib.loads("\n".join(lines[start:end]) + "\n")
            except (ValueError, RecursionError):
                continue
        return len(lines), None

    def _record(self, statement: dict[str, Any], header: bool, line: int) -> None:
        if not header:
            self._add(self._table, statement, line)
            return
        path: Path = ()
        node: Any = statement
        while isinstance(node, dict) and node:
            (key, node) = next(iter(node.items()))
            path += (key,)
            if isinstance(node, list):
                self._arrays[path] = self._arrays.get(path, -1) + 1
                self._lines.setdefault(path, line)
                node = None
            if path in self._arrays:
                path += (self._arrays[path],)
        self._table = path
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _add(self, path: Path, node: object, line: int) -> None:
        """Note `line` for all that a key/value statement sets: an explicit stack, for values may nest deeply."""
        stack: list[tuple[Path, object]] = [(path, node)]
        while stack:
            path, node = stack.pop()
            if path:
                self._lines.setdefault(path, line)
            if isinstance(node, dict):
                stack += [((*path, key), value) for key, value in node.items()]
