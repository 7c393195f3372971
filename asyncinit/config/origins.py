"""Where each value of a service came from: "services.d/web.toml:12"; found out when it is asked for, not before.

Keeps the text of the files as they were read: a file may have changed since.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

from msgspec import Struct

from asyncinit.config.lines import Lines
from asyncinit.config.merge import has, laid_over, leaves, merged
from asyncinit.config.problems import Path, dotted

Source = tuple[str, str, Path]
"""A file's path and text, and the way to a service's keys in it."""


class Origin(Struct, frozen=True):
    """Where one service is declared: its own table and the drop-ins over it, the lowest first, and the defaults.

    `fixed` has the origin, in words, of keys that no file says.
    """

    name: str
    layers: tuple[Source, ...]
    defaults: Source | None
    fixed: dict[str, str] = {}

    def keys(self) -> dict[str, str]:
        """Return the origin of each key that is set, by its dotted name."""
        opened = [(source, *_opened(source)) for source in self.layers]
        own = reduce(laid_over, (table for _, table, _ in opened))
        if self.defaults is not None:
            opened.insert(0, (self.defaults, *_opened(self.defaults)))
        origins = {}
        for path in leaves(merged(self.name, opened[0][1] if self.defaults is not None else {}, own)):
            for source, table, lines in reversed(opened):
                written = _as_written(table, path)
                if has(table, written):
                    origins[dotted(path)] = _place(source, lines, written)
                    break
        return origins | self.fixed


def _as_written(table: Mapping[str, Any], path: Path) -> Path:
    """Return the path of [restart] policy as it was written, perhaps in the short form."""
    return ("restart",) if path == ("restart", "policy") and isinstance(table.get("restart"), str) else path


def _opened(source: Source) -> tuple[dict[str, Any], Lines]:
    _, text, prefix = source
    table: Any = tomllib.loads(text)
    for key in prefix:
        table = table[key]
    return table, Lines(text)


def _place(source: Source, lines: Lines, path: Path) -> str:
    line = lines.find((*source[2], *path))
    return source[0] if line is None else f"{source[0]}:{line}"


class Origins(Mapping[str, Mapping[str, str]]):
    """The origins of each service's keys, each found out when it is first asked for."""

    def __init__(self, services: dict[str, Origin]) -> None:
        self._services = services
        self._found: dict[str, Mapping[str, str]] = {}

    def __getitem__(self, name: str) -> Mapping[str, str]:
        if name not in self._found:
            self._found[name] = self._services[name].keys()
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)
