"""What the folders of services are called, and whose a folder is; pure.

A folder has files of the kernel beside the folders in it, and these are named CONTROLLER.NAME: a service may be named
"memory.max". So the folder of a service ends in ".service", that of a pod in ".pod", which no file does.
"""

from __future__ import annotations

import zlib

from asyncinit.config.spec import POD_PREFIX

OURS = "asyncinit"
"""What the folder of all our services is called; where there is another one, a number follows: asyncinit-2."""

LEAF = "init"
"""The folder of asyncinit itself, or of a pod's init: a cgroup that gives controllers to others has no processes."""

_SERVICE, _POD = ".service", ".pod"
_LONGEST = 255  # NAME_MAX


def folder_of(key: str) -> str:
    """Return the name of the folder of a service's life ("web", "web~2") or of a pod ("pod:shop")."""
    name, ending = (key.removeprefix(POD_PREFIX), _POD) if key.startswith(POD_PREFIX) else (key, _SERVICE)
    if len(name.encode()) + len(ending) > _LONGEST:
        mark = f"~{zlib.crc32(name.encode()):08x}"
        name = name.encode()[: _LONGEST - len(ending) - len(mark)].decode(errors="ignore") + mark
    return name + ending


def path_in(name: str, base: str) -> str | None:
    """Return the path below ours of the service's folder that the cgroup `name` is, or is in; None: it is in none.

    `base` is the name of the cgroup of all our services.
    """
    if not name.startswith(base + "/"):
        return None
    first, *rest = name[len(base) + 1 :].split("/")
    if first.endswith(_POD) and rest and rest[0].endswith(_SERVICE):
        return f"{first}/{rest[0]}"
    return first if first.endswith((_POD, _SERVICE)) else None
