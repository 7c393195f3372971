"""Where each value of a service came from: "services.d/web.toml:12"; found out when it is asked for, not before.

Works on the text of the files as they were read: a file may have changed since.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import reduce
from typing import Any

from asyncinit.config.lines import Lines
from asyncinit.config.merge import has, laid_over, leaves, merged
from asyncinit.config.problems import Path, dotted
from asyncinit.config.profiles import split
from asyncinit.config.spec import Source, Sources


def origins_of(sources: Sources, name: str) -> dict[str, str]:
    """Return the origin of each key of service `name` that is set, by its dotted name; nothing where it has none."""
    origin = sources.origins.get(name)
    if origin is None:
        return {}
    opened = [(source, *_opened(sources, source)) for source in origin.layers]
    below = [(source, *_opened(sources, source)) for source in (*origin.environment, *origin.defaults)]
    own = reduce(laid_over, (table for _, table, _ in opened))
    defaults: dict[str, Any] = reduce(laid_over, (table for _, table, _ in below), {})
    origins = {}
    for path in leaves(merged(name, defaults, own)):
        for source, table, lines in reversed([*below, *opened]):
            written = _as_written(table, path)
            if has(table, written):
                origins[dotted(path)] = _place(source, lines, written)
                break
    return origins


def _as_written(table: Mapping[str, Any], path: Path) -> Path:
    """Return the path of [restart] policy and [security] profile as it was written, perhaps in the short form."""
    short = path in (("restart", "policy"), ("security", "profile")) and isinstance(table.get(path[0]), str)
    return path[:1] if short else path


def _opened(sources: Sources, source: Source) -> tuple[dict[str, Any], Lines]:
    text = sources.texts[source.path]
    table: Any = tomllib.loads(text)
    for key in source.prefix:
        table = table[key]
    return split(table)[0], Lines(text)


def _place(source: Source, lines: Lines, path: Path) -> str:
    line = lines.find((*source.prefix, *path))
    of = f"profile {source.profile} of " if source.profile else ""
    return of + (source.path if line is None else f"{source.path}:{line}")
