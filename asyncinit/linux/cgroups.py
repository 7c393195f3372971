"""Control groups, version 2: where the hierarchy is, which folder of it is ours, and its files; knows no services.

The hierarchy is a file system: a folder is a cgroup, its files are what the kernel tells of it and takes for it. It is
found wherever it is mounted, also beside version 1 (then mostly without controllers), and also where the mount shows
another part of the hierarchy than our own cgroup namespace begins with. See cgroups(7) and the kernel's
Documentation/admin-guide/cgroup-v2.rst.

All functions raise OSError as the kernel gives it. None waits for anybody: the kernel answers out of its memory.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from asyncinit.linux.mounts import Mount, table

KIND = "cgroup2"
"""The type of the file system."""

CONTROLLERS = "cgroup.controllers"
ENABLED = "cgroup.subtree_control"
PROCESSES = "cgroup.procs"
THREADS = "cgroup.threads"
EVENTS = "cgroup.events"
KILL = "cgroup.kill"  # Linux 5.14
FREEZE = "cgroup.freeze"  # Linux 5.2

ASIDE = "aside"
"""What `join` calls the cgroup for those who come when the processes of a delegated one have moved on below it."""

_MOST = 1 << 20  # of a file: some hundred thousand pids
_MOST_FOLDERS = 2000  # below one folder: whoever may make folders there could make any number


class Place(NamedTuple):
    """Our own cgroup: its folder, and its name as /proc/PID/cgroup has it."""

    folder: str
    name: str


def mounted(mounts: Iterable[Mount] | None = None) -> list[Mount]:
    """Return where the hierarchy is mounted; from the mount table of this process, if none is given."""
    return [mount for mount in (table() if mounts is None else mounts) if mount.kind == KIND]


def own_name() -> str | None:
    """Return the name of our cgroup, as seen from our cgroup namespace; None where the kernel has no version 2."""
    return name_of("self")


def name_of(pid: int | str) -> str | None:
    """Return the name of the cgroup of a process, None where that cannot be told; a zombie has its last one."""
    try:
        with open(f"/proc/{pid}/cgroup", "rb") as file:
            text = file.read(_MOST)
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith(b"0::"):
            return os.fsdecode(line[3:]).removesuffix(" (deleted)")
    return None


def below(mount: Mount, name: str) -> str | None:
    """Return the folder under which `mount` shows the cgroup `name`; None where it does not show it."""
    # Seen from a cgroup namespace, what is outside of it begins with "/..": nobody can tell how that goes on.
    if mount.root.startswith("/..") or name.startswith("/.."):
        return None
    root = mount.root.rstrip("/")
    if name != root and not name.startswith(root + "/"):
        return None
    return (mount.place.rstrip("/") + name[len(root) :]).rstrip("/") or "/"


def own(mounts: Iterable[Mount] | None = None, name: str | None = None) -> Place | None:
    """Return our own cgroup, by a mount where it can be written if there is one; None where none shows it."""
    name = own_name() if name is None else name
    if name is None:
        return None
    shown = [folder for mount in mounted(mounts) if (folder := below(mount, name)) is not None]
    found = [folder for folder in shown if os.path.exists(f"{folder}/{PROCESSES}")]
    for folder in found:
        if is_writable(folder):
            return Place(folder, name)
    return Place(found[0], name) if found else None


def is_writable(folder: str) -> bool:
    """Tell whether folders can be made, and processes put into them, by us."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True) and os.access(
        f"{folder}/{PROCESSES}", os.W_OK, effective_ids=True
    )


def is_root(folder: str) -> bool:
    """Tell whether a folder is the root of the whole hierarchy, which may have processes beside controllers."""
    return not os.path.exists(f"{folder}/{EVENTS}")


def read(folder: str, file: str) -> str:
    """Return the text of one of a cgroup's files."""
    fd = os.open(f"{folder}/{file}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_open(fd)
    finally:
        os.close(fd)


def read_open(fd: int) -> str:
    """Return the text of a file from its beginning."""
    parts = []
    offset = 0
    while offset < _MOST and (part := os.pread(fd, 1 << 16, offset)):
        parts.append(part)
        offset += len(part)
    return b"".join(parts).decode(errors="replace")


def write(folder: str, file: str, text: str) -> None:
    """Give the kernel a text for one of a cgroup's files."""
    fd = os.open(f"{folder}/{file}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def join(folder: str) -> None:
    """Move this process into a cgroup; where others below it have got its controllers, into one beside these."""
    try:
        write(folder, PROCESSES, "0")
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EOPNOTSUPP):
            raise
        os.makedirs(f"{folder}/{ASIDE}", exist_ok=True)
        write(f"{folder}/{ASIDE}", PROCESSES, "0")


def words(folder: str, file: str) -> set[str]:
    """Return the words of a file such as cgroup.controllers."""
    return set(read(folder, file).split())


def numbers(text: str) -> dict[str, int]:
    """Return the values of a file with one "NAME NUMBER" a line; what is no number is left out."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdecimal():
            found[name] = int(value)
    return found


def processes(folder: str) -> list[int]:
    """Return the processes of a cgroup alone, but for those that our PID namespace does not see."""
    return [int(pid) for pid in read(folder, PROCESSES).split() if pid != "0"]


def all_processes(folder: str) -> list[int]:
    """Return the processes of a cgroup and of all below it; a folder that goes meanwhile has none."""
    found: dict[int, None] = {}
    for one in folders(folder):
        try:
            found.update(dict.fromkeys(processes(one)))
        except OSError:
            continue  # removed, or threaded: its processes are listed further up then
    return list(found)


def folders(folder: str) -> Iterator[str]:
    """Yield a folder and those below it, each before its own; so many at most that it takes no time."""
    left = [folder]
    for _ in range(_MOST_FOLDERS):
        if not left:
            return
        current = left.pop()
        yield current
        try:
            with os.scandir(current) as entries:
                left += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue


def is_populated(folder: str) -> bool:
    """Tell whether a process lives in a cgroup or below it; zombies don't count. Not for the root."""
    return numbers(read(folder, EVENTS)).get("populated") == 1


def remove(folder: str) -> None:
    """Remove a cgroup with all below it; fails while a process lives in one of them."""
    for one in reversed(list(folders(folder))):
        try:
            os.rmdir(one)
        except FileNotFoundError:
            continue  # somebody else was quicker


def freeze(folder: str, frozen: bool) -> None:
    """Stop all processes of a cgroup and below, or let them go on; they need a moment to get there."""
    write(folder, FREEZE, "1" if frozen else "0")


def kill(folder: str) -> None:
    """Send SIGKILL to all processes of a cgroup and below at once: none forks past it."""
    write(folder, KILL, "1")
