"""Where configuration files are: which file, which folders; opens none and knows no key.

Imports nothing heavy: `asyncinit -- CMD` asks here whether there is anything to supervise beside CMD.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from asyncinit.config.listing import list_folders

FILE = "asyncinit.toml"
FOLDER = "services.d"
PROCFILE = "Procfile"
POD_FOLDER = "pods.d"
SYSTEM_FILE = "etc/asyncinit/asyncinit.toml"
SYSTEM_FOLDERS = ("usr/lib/asyncinit/services.d", "etc/asyncinit/services.d", "run/asyncinit/services.d")
"""Below the root folder; of two files with the same name the later folder's wins."""
SHIPPED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "machine", FOLDER)
"""The services of a machine that come with asyncinit: below all other folders, and read on a machine only."""


def configuration_file(config: str | None, root: str = "/", machine: bool = False) -> str | None:
    """Return the file that `--config` names, else ./asyncinit.toml or the system's, whichever exists.

    A machine has the system's alone: where its PID 1 happens to stand is nobody's project.
    """
    if config is not None:
        return config
    candidates = (*(() if machine else (FILE,)), os.path.join(root, SYSTEM_FILE))
    return next((path for path in candidates if os.path.lexists(path)), None)


def service_folders(
    file: str | None,
    declared: Sequence[str] | None,
    has_services: bool,
    services: Sequence[str],
    root: str = "/",
    machine: bool = False,
) -> tuple[str, ...]:
    """Return the folders to read, in order.

    `services` (`--services`) replaces all. Then `declared` ([init] services) counts, seen from the folder of `file`.
    Else a project's own file has the services.d beside it if there is one, and no other folder if it declares services
    itself (`has_services`). Else it is the system's folders that exist, or, without such a file, ./services.d where
    none does. A machine has what is `SHIPPED` below all but `--services`, and never ./services.d.
    """
    if services:
        return tuple(services)
    found = _folders(file, declared, has_services, root)
    if machine:
        return (SHIPPED, *found)
    project = file is not None and file != os.path.join(root, SYSTEM_FILE)
    return (FOLDER,) if not found and declared is None and not project and os.path.isdir(FOLDER) else found


def _folders(file: str | None, declared: Sequence[str] | None, has_services: bool, root: str) -> tuple[str, ...]:
    """Return the folders that are declared, or a project's own, or the system's as far as they exist."""
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
    return tuple(folder for folder in system if os.path.isdir(folder))


def pod_folders(
    file: str | None, declared: Sequence[str] | None, folders: Sequence[str], services: Sequence[str], root: str = "/"
) -> tuple[str, ...]:
    """Return the folders of pods to read, in order: those that are `declared` ([init] pods), else those that exist.

    These are the pods.d beside each of `folders` (of services) that is called services.d, and beside the project's
    file or in the system's folders. A folder with another name has none beside it: what is there may be anybody's.
    """
    above = os.path.dirname(file) if file is not None else ""
    if declared is not None:
        return tuple(os.path.normpath(os.path.join(above, folder)) for folder in declared)
    places = [os.path.split(os.path.normpath(folder)) for folder in folders]
    beside = [os.path.join(parent, POD_FOLDER) for parent, name in places if name == FOLDER]
    if services:
        candidates = beside
    elif file is not None and file != os.path.join(root, SYSTEM_FILE):
        candidates = [*beside, os.path.join(above, POD_FOLDER)]
    else:
        system = [os.path.join(root, os.path.dirname(folder), POD_FOLDER) for folder in SYSTEM_FOLDERS]
        candidates = [*system, *beside]
    return tuple(folder for folder in dict.fromkeys(candidates) if os.path.isdir(folder))


def declared(config: str | None, services: Sequence[str], root: str = "/") -> bool:
    """Tell whether anything is declared, without reading it: a configuration file, a named folder, a service file."""
    if config is not None or services or configuration_file(None, root) is not None:
        return True
    listing = list_folders(service_folders(None, None, False, (), root))
    return bool(listing.files or listing.odd or listing.failed)
