"""Where configuration files are: folders, names, which one wins; opens no file and knows no key.

Imports nothing heavy: `asyncinit -- CMD` asks here whether there is anything to supervise beside CMD.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

FILE = "asyncinit.toml"
FOLDER = "services.d"
SYSTEM_FILE = "etc/asyncinit/asyncinit.toml"
SYSTEM_FOLDERS = ("usr/lib/asyncinit/services.d", "etc/asyncinit/services.d", "run/asyncinit/services.d")
"""Below the root folder; of two files with the same name the later folder's wins."""

_SUFFIX = ".toml"


def configuration_file(config: str | None, root: str = "/") -> str | None:
    """Return the file that `--config` names, else ./asyncinit.toml or the system's, whichever exists."""
    if config is not None:
        return config
    return next((path for path in (FILE, os.path.join(root, SYSTEM_FILE)) if os.path.lexists(path)), None)


def service_folders(
    file: str | None, declared: Sequence[str] | None, has_services: bool, services: Sequence[str], root: str = "/"
) -> tuple[str, ...]:
    """Return the folders to read, in order.

    `services` (`--services`) replaces all. Then `declared` ([init] services) counts, seen from the folder of `file`.
    Else a project's own file has the services.d beside it if there is one, and no other folder if it declares services
    itself (`has_services`). Else it is the system's folders that exist, or, without such a file, ./services.d where
    none does.
    """
    if services:
        return tuple(services)
    beside = os.path.dirname(file) if file is not None else ""
    if declared is not None:
        return tuple(os.path.normpath(os.path.join(beside, folder)) for folder in declared)
    own = os.path.join(beside, FOLDER)
    project = file is not None and file != os.path.join(root, SYSTEM_FILE)
    if project and os.path.isdir(own):
        return (own,)
    if project and has_services:
        return ()
    system = tuple(os.path.join(root, folder) for folder in SYSTEM_FOLDERS)
    found = tuple(folder for folder in system if os.path.isdir(folder))
    return (FOLDER,) if not found and not project and os.path.isdir(FOLDER) else found


class Listing:
    """What is in the folders: the `files` by service name, and what is none.

    `odd` has (path, what it is): "template", "drop-in" or "name"; `failed` has (folder, error); `passed_over` are files
    that do not end in .toml.
    """

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.odd: list[tuple[str, str]] = []
        self.failed: list[tuple[str, OSError]] = []
        self.passed_over: list[str] = []


def list_folders(folders: Sequence[str]) -> Listing:
    """List the service files in `folders`; of two with the same name the later wins."""
    listing = Listing()
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            listing.failed.append((folder, error))
            continue
        for name in names:
            _sort_in(listing, folder, name)
    return listing


def _sort_in(listing: Listing, folder: str, name: str) -> None:
    path = os.path.join(folder, name)
    stem = name.removesuffix(_SUFFIX)
    if name.startswith((".", "#")) or name.endswith("~"):
        return  # hidden, or an editor's
    if stem == name:
        if name.endswith(".d") and os.path.isdir(path):
            listing.odd += [(path, "drop-in")] if any(n.endswith(_SUFFIX) for n in _names(path)) else []
        else:
            listing.passed_over.append(path)
    elif "@" in stem:
        listing.odd.append((path, "template"))
    elif not is_service_name(stem):
        listing.odd.append((path, "name"))
    else:
        listing.files[stem] = path


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def is_service_name(text: str) -> bool:
    """Tell whether `text` can be the name of a service: [A-Za-z0-9][A-Za-z0-9_.-]*, at most 200 characters."""
    inner = text.replace("_", "").replace(".", "").replace("-", "")
    return 0 < len(text) <= 200 and text[0].isalnum() and text.isascii() and inner.isalnum()


def declared(config: str | None, services: Sequence[str], root: str = "/") -> bool:
    """Tell whether anything is declared, without reading it: a configuration file, a named folder, a service file."""
    if config is not None or services or configuration_file(None, root) is not None:
        return True
    listing = list_folders(service_folders(None, None, False, (), root))
    return bool(listing.files or listing.odd or listing.failed)
