"""What the tests of the configuration share: a folder with files in it, and what comes of reading them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from asyncinit.config.load import Loaded, Mode, read
from asyncinit.config.problems import Problem
from asyncinit.config.spec import ServiceSpec

NOWHERE = "/nonexistent"
"""A root folder without asyncinit's own folders, so that the machine's don't count."""


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Make files, and the folders that they are in."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def read_service(folder: Path, text: str | bytes, **others: str) -> Loaded:
    """Read a services.d that has `text` as web.toml, and `others` by name."""
    files = {"web": text} | others
    write(folder, {f"services.d/{name}.toml": content for name, content in files.items()})
    return read(None, [str(folder / "services.d")], root=NOWHERE)


def service(folder: Path, text: str, mode: Mode = Mode.CONTAINER, **others: str) -> ServiceSpec:
    """Return the specification that `text` as web.toml gives, which has no problem."""
    write(folder, {f"services.d/{name}.toml": content for name, content in ({"web": text} | others).items()})
    loaded = read(None, [str(folder / "services.d")], mode, root=NOWHERE)
    assert [str(problem) for problem in loaded.problems] == []
    return loaded.configuration.services["web"]


def told(problem: Problem) -> str:
    """Return a problem as LINE: KEY: TEXT."""
    return f"{problem.line}: {problem.key}: {problem.text}"


def problems_of(folder: Path, text: str | bytes, **others: str) -> list[str]:
    """Return what is told of `text` as web.toml."""
    return [told(problem) for problem in read_service(folder, text, **others).problems]
