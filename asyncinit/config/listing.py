"""What is in the folders of services: which file, and which drop-ins, each name has; opens no file and knows no key.

Imports nothing heavy, as `places`, which asks here whether anything is declared.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from asyncinit.config.names import is_service_name, is_template

_SUFFIX = ".toml"
DROP_INS = ".d"
"""What the folder of a service's drop-ins has after the service's name."""


class Listing:
    """What is in the folders: the `files` by service name, the `drop_ins` by service and file name, and what is none.

    Templates and their instances are services here. `odd` are files that have a name of no service; `failed` has
    (folder, error); `passed_over` are files that do not end in .toml.
    """

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.drop_ins: dict[str, dict[str, str]] = {}
        self.odd: list[str] = []
        self.failed: list[tuple[str, OSError]] = []
        self.passed_over: list[str] = []

    def drop_ins_of(self, name: str) -> list[str]:
        """Return the paths of a service's drop-ins, by file name: the order in which they are laid over it."""
        return [path for _, path in sorted(self.drop_ins.get(name, {}).items())]


def list_folders(folders: Sequence[str]) -> Listing:
    """List the files in `folders`; of two with the same name the later wins, be they services or drop-ins of one."""
    listing = Listing()
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            listing.failed.append((folder, error))
            continue
        for name in names:
            if not _is_hidden(name):
                _sort_in(listing, folder, name)
    return listing


def _is_hidden(name: str) -> bool:
    """Tell whether a file is none of ours: hidden, or an editor's."""
    return name.startswith((".", "#")) or name.endswith("~")


def _sort_in(listing: Listing, folder: str, name: str) -> None:
    path = os.path.join(folder, name)
    stem = name.removesuffix(_SUFFIX)
    if stem == name:
        if name.endswith(DROP_INS) and os.path.isdir(path):
            _take_drop_ins(listing, name.removesuffix(DROP_INS), path)
        else:
            listing.passed_over.append(path)
    elif is_service_name(stem) or is_template(stem):
        listing.files[stem] = path
    else:
        listing.odd.append(path)


def _take_drop_ins(listing: Listing, service: str, folder: str) -> None:
    try:
        names = os.listdir(folder)
    except OSError as error:
        listing.failed.append((folder, error))
        return
    found = {n: os.path.join(folder, n) for n in names if n.endswith(_SUFFIX) and not _is_hidden(n)}
    if found:
        listing.drop_ins[service] = listing.drop_ins.get(service, {}) | found
