"""[directories]: folders that a service is given."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from asyncinit.config import kinds, spec, values
from asyncinit.config.sections.given import Keys, filled, names


class DirectoriesTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Folders that are made before the start and belong to the service's user."""

    runtime: Annotated[
        list[kinds.DirectoryName],
        Meta(description="Below /run, removed after the end; told as `RUNTIME_DIRECTORY`.", examples=[["web"]]),
    ] = []
    state: Annotated[list[kinds.DirectoryName], Meta(description="Below /var/lib; `STATE_DIRECTORY`.")] = []
    cache: Annotated[list[kinds.DirectoryName], Meta(description="Below /var/cache; `CACHE_DIRECTORY`.")] = []
    logs: Annotated[list[kinds.DirectoryName], Meta(description="Below /var/log; `LOGS_DIRECTORY`.")] = []
    mode: Annotated[kinds.Mode, Meta(description="Their access mode.")] = "0755"


def resolve(declared: DirectoriesTable) -> spec.Directories:
    """Return what the table declares."""
    return spec.Directories(
        runtime=names(declared.runtime),
        state=names(declared.state),
        cache=names(declared.cache),
        logs=names(declared.logs),
        mode=values.octal(declared.mode),
    )


def declare(directories: spec.Directories) -> Keys:
    """Return the keys that resolve to `directories`."""
    if not directories:
        return {}
    named = {
        "runtime": list(directories.runtime),
        "state": list(directories.state),
        "cache": list(directories.cache),
        "logs": list(directories.logs),
    }
    return filled({**named, "mode": f"{directories.mode:04o}"})
