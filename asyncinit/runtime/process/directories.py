"""Make and remove the directories of a service; blocks, so it runs in a child; knows nothing of processes.

It is done as root below folders that others may write to, so no symbolic link of theirs is followed: each step goes
from the descriptor of the folder before, and a link counts only where nobody but root can put one.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping

from asyncinit.config.spec import Directories
from asyncinit.errors import SpawnError, why
from asyncinit.linux.folders import StrangeLinkError, enter

KINDS = ("runtime", "state", "cache", "logs")

_ROOTS = {"runtime": "/run", "state": "/var/lib", "cache": "/var/cache", "logs": "/var/log"}
_PARENT_MODE = 0o755
_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

Step = Callable[[str], None]


def variable(kind: str) -> str:
    """Return the environment variable that tells a service its directories of `kind`."""
    return f"{kind.upper()}_DIRECTORY"


def of_the_system() -> bool:
    """Tell whether we are root and the system's folders are ours to write to.

    Who is root only in a user namespace of its own (`run --unshare` by an ordinary user) sees a root directory that
    belongs to somebody else; root of a rootless container sees one of its own.
    """
    return os.geteuid() == 0 and os.stat("/").st_uid == 0


def base(kind: str, system: bool, environment: Mapping[str, str]) -> str:
    """Return the folder below which the directories of `kind` are.

    With `system` those for root, else those of the user: see file-hierarchy(7) and the XDG base directories. Raises
    SpawnError where the user has none.
    """
    if system:
        return _ROOTS[kind]
    name = {"runtime": "XDG_RUNTIME_DIR", "cache": "XDG_CACHE_HOME"}.get(kind, "XDG_STATE_HOME")
    tail = "/log" if kind == "logs" else ""
    folder = environment.get(name, "")
    if folder.startswith("/"):  # the specification: a relative one is to be ignored
        return folder.rstrip("/") + tail
    home = environment.get("HOME", "")
    if kind == "runtime" or not home.startswith("/"):
        needed = name if kind == "runtime" else f"neither {name} nor HOME"
        verb = "is not set" if kind == "runtime" else "is set"
        raise SpawnError(
            f"make {kind} directories", errno.ENOENT, f"{needed} {verb}, and asyncinit is not the system's root"
        )
    return home.rstrip("/") + ("/.cache" if kind == "cache" else "/.local/state") + tail


def paths(kind: str, directories: Directories, system: bool, environment: Mapping[str, str]) -> list[str]:
    """Return the full paths of the directories of `kind`. Raises SpawnError for a name that leads elsewhere."""
    names: tuple[str, ...] = getattr(directories, kind)
    for name in names:
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise SpawnError(f"make {kind} directory {name!r}", errno.EINVAL, "expected a name without leading / or ..")
    return [f"{base(kind, system, environment)}/{name}" for name in names] if names else []


def make(folder: str, name: str, mode: int, owner: tuple[int, int] | None, step: Step) -> None:
    """Make the directory `name` below `folder`, with `mode`, for `owner` (uid, gid); None: whoever has it keeps it.

    What is above it is made for ourselves. An existing directory gets the mode and the owner, its contents stay as
    they are. Raises OSError for the step that was told last.
    """
    path = f"{folder}/{name}"
    step(f"make directory {path}")
    os.umask(0o777 & ~_PARENT_MODE)
    os.makedirs(folder, exist_ok=True)
    fd = os.open(folder, _READ)
    try:
        parts = name.split("/")
        for index, part in enumerate(parts):
            try:
                # The last one is nobody else's until it has its owner and its mode.
                os.mkdir(part, 0o700 if index == len(parts) - 1 else _PARENT_MODE, dir_fd=fd)
            except FileExistsError:
                pass
            inner = _enter(fd, part, path)
            os.close(fd)
            fd = inner
        info = os.fstat(fd)
        step(f"set the owner of directory {path}")
        if owner is not None and owner != (info.st_uid, info.st_gid):
            os.fchown(fd, *owner)
        step(f"set the mode of directory {path}")
        ours = os.geteuid() in (0, info.st_uid)
        if stat.S_IMODE(info.st_mode) & 0o777 != mode and (ours or owner is not None):
            os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _enter(fd: int, part: str, path: str) -> int:
    try:
        return enter(fd, part)
    except StrangeLinkError as error:
        raise SpawnError(f"make directory {path}", errno.ELOOP, error.strerror or "") from error


def remove(path: str, step: Step) -> None:
    """Remove the directory `path` with all that is in it; well if it is gone. Raises SpawnError for what stays."""
    import shutil

    step(f"remove directory {path}")
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise SpawnError(f"remove directory {path}", error.errno or 0, why(error.errno or 0) + where) from error
