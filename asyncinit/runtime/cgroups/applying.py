"""Have limits hold in a cgroup, and say of each key that the kernel refuses why; knows no service."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator

from asyncinit.config.spec import CgroupLimits
from asyncinit.errors import why
from asyncinit.linux import cgroups
from asyncinit.runtime.cgroups import settings
from asyncinit.runtime.cgroups.settings import Setting
from asyncinit.runtime.process.plan import Credentials

_DELEGATED = (cgroups.PROCESSES, cgroups.THREADS, cgroups.ENABLED)
"""What of a cgroup belongs to whom it is delegated to: not its limits."""


def apply(folder: str, limits: CgroupLimits, credentials: Credentials | None) -> Iterator[tuple[str, str]]:
    """Set limits in a cgroup that has no process yet; yield the keys that were refused, with why.

    The kernel answers at once, as there is nothing yet that would have to be freed.
    """
    for key in limits.cgroup_keys:
        try:
            for setting in settings.settings(settings.only(limits, key)):
                cgroups.write(folder, setting.file, setting.text)
        except OSError as error:
            yield key, refused(error)
    if limits.delegate and credentials is not None:
        try:
            for path in (folder, *(f"{folder}/{file}" for file in _DELEGATED)):
                os.chown(path, credentials.uid, credentials.gid)
        except OSError as error:
            yield "delegate", why(error.errno or 0)


def write_all(folder: str, todo: Iterable[Setting], step: Callable[[str], None]) -> list[tuple[str, str]]:
    """Change limits of a cgroup in use, which may take long; return the keys that were refused, with why."""
    found = []
    for setting in todo:
        step(f"set limits.{setting.key}")
        try:
            cgroups.write(folder, setting.file, setting.text)
        except OSError as error:
            found.append((setting.key, refused(error)))
    return found


def refused(error: OSError) -> str:
    """Return why the kernel has not taken a limit."""
    text = why(error.errno or 0)
    if error.errno == errno.ENOENT:
        return f"{text}; this kernel has no such limit, or there is no such device"
    if error.errno in (errno.ENODEV, errno.ENOTBLK):
        return f"{text}; it has to be a whole disk"
    return text
