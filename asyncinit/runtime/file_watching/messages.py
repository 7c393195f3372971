"""What is watched, and what is told of it: plain data between PID 1 and the child that looks."""

from __future__ import annotations

from msgspec import Struct

PROTOCOL = 1
"""Counted up whenever a child of the program before could not be understood after a re-exec."""


class Watched(Struct, frozen=True):
    """What a child watches: `paths` (see `config.spec.Watch`), relative ones from the folder `base`.

    `quiet`: a change is told when so many seconds have passed without another.
    """

    base: str
    paths: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    gitignore: bool = True
    quiet: float = 0.2


class Standing(Struct, frozen=True, tag="standing"):
    """From now on nothing is missed: `folders` are watched; `text`: what could not be."""

    folders: int
    text: str = ""


class Changed(Struct, frozen=True, tag="changed"):
    """Files have changed: `count` of them, the first few in `paths`, as they are seen from `base`."""

    paths: tuple[str, ...]
    count: int

    def __str__(self) -> str:
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        return f"{self.paths[0]} changed{more}"

    def joined(self, other: Changed) -> Changed:
        """Return both together."""
        paths = tuple(dict.fromkeys((*self.paths, *other.paths)))
        same = len(self.paths) + len(other.paths) - len(paths)
        return Changed(paths[:MOST_PATHS], self.count + other.count - same)


class Failed(Struct, frozen=True, tag="failed"):
    """Nothing is watched: why."""

    text: str


Message = Standing | Changed | Failed

MOST_PATHS = 5
"""So many paths of a change are told."""
