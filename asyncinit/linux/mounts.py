"""The mount table: whether it has a file system that can hang; must not know who asks.

A program on a network or user-space file system can take for ever to be opened. posix_spawn(3) suspends its caller
until the program is executed, so it must not be used then. The table is read again only when it has changed, which
the kernel tells by poll(2) on /proc/self/mountinfo (proc_pid_mountinfo(5), Linux 2.6.30).
"""

from __future__ import annotations

import os
import re
import select
from collections.abc import Mapping
from typing import NamedTuple

_SLOW = frozenset(
    (
        *("9p", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse", "fuseblk", "gfs2", "glusterfs"),
        *("gpfs", "kafs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "smb3", "smbfs"),
        *("vboxsf", "virtiofs", "vmhgfs"),
    )
)

# Every desktop and every LXC container has one of these, and no program lives there.
_HARMLESS = frozenset(("fuse.lxcfs", "fuse.portal", "fuse.gvfsd-fuse", "fuse.snapfuse"))

# Shares of a virtual machine's own host: as slow as that is, but they do not come and go with a network.
_OF_THE_HOST = frozenset(("9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "fuse.grpcfuse", "fuseblk"))

_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
_MANY = 1 << 20
_MOST_LINKS = 40


def is_slow(kind: str) -> bool:
    """Tell whether files of a file system of type `kind` ("nfs4", "fuse.sshfs") may take for ever to be read."""
    return kind not in _HARMLESS and kind.split(".", 1)[0] in _SLOW


def types(table: bytes) -> set[str]:
    """Return the types of all file systems in the text of a mountinfo file."""
    found = set()
    for line in table.splitlines():
        _mount, dash, rest = line.partition(b" - ")
        if dash:
            found.add(rest.split(b" ", 1)[0].decode(errors="replace"))
    return found


class Mount(NamedTuple):
    """One line of the mount table: where, what kind of file system, and which folder of that is seen there.

    `device` is the number of the file system (as "8:1"), `read_only` whether it is read-only as a whole.
    """

    place: str
    kind: str
    root: str = "/"
    device: str = ""
    read_only: bool = False


def table() -> list[Mount]:
    """Return the mount table of our mount namespace, the oldest first; empty where it cannot be read."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        mount, dash, rest = line.partition(b" - ")
        fields = mount.split(b" ")
        if dash and len(fields) > 4:
            kind = rest.split(b" ", 1)[0].decode(errors="replace")
            read_only = rest.split(b" ")[-1].split(b",")[0] == b"ro"
            found.append(Mount(unescaped(fields[4]), kind, unescaped(fields[3]), fields[2].decode(), read_only))
    return found


def unescaped(field: bytes) -> str:
    """Return a field of a mount table, or of fstab(5), in which blanks and the like are written in octal."""
    return os.fsdecode(_OCTAL.sub(lambda octal: bytes((int(octal[1], 8),)), field))


def remote(path: str, mounted: Mapping[str, str]) -> str:
    """Return the type of the file system of an absolute path if that is a network's, else nothing.

    Symbolic links are followed, and nothing on such a file system is touched.
    """
    parts = list(reversed(path.split("/")))
    place = "/"
    links = 0
    while parts:
        part = parts.pop()
        if part == "..":
            place = os.path.dirname(place)
        elif part not in ("", "."):
            place = os.path.join(place, part)
        kind = mounted.get(place, "")
        if is_slow(kind) and kind not in _OF_THE_HOST:
            return kind
        try:
            target = os.readlink(place)
        except OSError:
            continue
        links += 1
        if links > _MOST_LINKS:
            break
        place = os.path.dirname(place) if not target.startswith("/") else "/"
        parts += reversed(target.split("/"))
    return ""


def remote_file_system(path: str) -> str:
    """Return the type of the file system of an absolute path if that is a network's, which can hang; else nothing."""
    if not slow_file_systems():
        return ""
    return remote(path, {mount.place: mount.kind for mount in table()})


class MountTable:
    """The mount table of our mount namespace, kept open so that its changes are seen.

    Descriptors carried: one, for reading, close-on-exec; opened anew after a re-exec.
    """

    def __init__(self, path: str = "/proc/self/mountinfo") -> None:
        self._path = path
        self._fd = -1
        self._pid = -1
        self._slow = True
        self._poll: select.poll | None = None

    def has_slow(self) -> bool:
        """Tell whether a file system that can hang is mounted; True also where nobody can tell (no /proc)."""
        if self._pid != os.getpid():
            # A forked child shares our place in the file, and with it the news of changes.
            self.close()
        if self._poll is None:
            return self._open()
        if self._poll.poll(0):
            self._read()
        return self._slow

    def close(self) -> None:
        """Give back the descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._poll = -1, None

    def _open(self) -> bool:
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return True
        self._pid = os.getpid()
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLERR | select.POLLPRI)
        self._read()
        return self._slow

    def _read(self) -> None:
        parts = []
        try:
            os.lseek(self._fd, 0, os.SEEK_SET)
            while part := os.read(self._fd, _MANY):
                parts.append(part)
        except OSError:
            self._slow = True
            return
        self._slow = any(map(is_slow, types(b"".join(parts))))


_table = MountTable()


def slow_file_systems() -> bool:
    """Tell whether our mount namespace has a file system that can hang; quick, reads only what has changed."""
    return _table.has_slow()
