"""Which project `asyncinit dev` is meant for: the folder that we stand in, or one around it; reads no file.

In a folder asyncinit.toml comes before services.d, and that before a Procfile. A folder around ours counts as long as
it has the same owner: what a stranger has put into /tmp is not run by whoever works below it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from asyncinit.config.places import FILE, FOLDER, PROCFILE
from asyncinit.errors import AsyncinitError, why


class NothingThereError(AsyncinitError):
    """There is nothing to start, and the text says what was looked for and what to do."""

    def __init__(self, folder: str, obstacle: str = "") -> None:
        super().__init__(folder, obstacle)
        self.folder = folder
        self.obstacle = obstacle

    def __str__(self) -> str:
        if self.obstacle:
            return f"cannot look for a project in {self.folder}: {self.obstacle}"
        return (
            f"nothing to start in {self.folder}, nor in a folder around it that belongs to the same user: there is no "
            f"{FILE}, {FOLDER} or {PROCFILE}; `asyncinit new` writes a first {FOLDER} for a project"
        )


@dataclass(frozen=True)
class Found:
    """A project: its folder (absolute), and the one of the three that it has, seen from there."""

    folder: str
    config: str | None = None
    services: tuple[str, ...] = ()
    procfile: str | None = None


def find(folder: str) -> Found:
    """Return the project of `folder` (absolute), or of the nearest folder around it. Raises NothingThereError."""
    here, owner = folder, _owner(folder)
    while True:
        if found := _project(here):
            return found
        above = os.path.dirname(here)
        if above == here or _owner(above) != owner:
            raise NothingThereError(folder)
        here = above


def _project(folder: str) -> Found | None:
    try:
        os.stat(os.path.join(folder, FILE))
    except PermissionError as error:  # or whatever is there would be told as missing
        raise NothingThereError(folder, why(error.errno or 0)) from None
    except OSError:
        pass
    if os.path.lexists(os.path.join(folder, FILE)):
        return Found(folder, config=FILE)
    if os.path.isdir(os.path.join(folder, FOLDER)):
        return Found(folder, services=(FOLDER,))
    if os.path.isfile(os.path.join(folder, PROCFILE)):
        return Found(folder, procfile=PROCFILE)
    return None


def _owner(folder: str) -> int:
    try:
        return os.stat(folder).st_uid
    except OSError:
        return -1
