"""What programs expect in /dev and /run beside devices: links and folders; mounts nothing."""

from __future__ import annotations

import os

from asyncinit.machine.system import System

LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/core", "/proc/kcore"),
)
"""Each link and where it leads."""

_LOCKS = "/run/lock"


def make_links(system: System) -> None:
    """Make the links that are missing; what is there in their place stays."""
    for name, target in LINKS:
        try:
            os.symlink(target, system.path(name))
        except FileExistsError:
            pass


def make_folders(system: System) -> None:
    """Make /run/lock, which everybody may write to."""
    path = system.path(_LOCKS)
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    os.chmod(path, 0o1777)  # whatever the umask is
