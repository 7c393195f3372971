"""The file systems that the kernel and all programs speak through: which, where, how; mounts each at most once."""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from typing import NamedTuple

from asyncinit.linux import file_systems
from asyncinit.linux.file_systems import NODEV, NOEXEC, NOSUID, STRICTATIME
from asyncinit.machine.step import Policy, Step
from asyncinit.machine.system import System

_NOTHING_BUT_FILES = NOSUID | NODEV | NOEXEC


class ApiFileSystem(NamedTuple):
    """One of them: `flags` hold wherever it comes from; `options` are those of a new one.

    `plain`: mount it without options where the kernel knows them not. `optional`: a kernel may lack it. `by_fstab`: an
    entry of /etc/fstab for the place has its way.
    """

    place: str
    kind: str
    flags: int
    options: str
    need: str
    policy: Policy = Policy.NOTE
    plain: bool = False
    optional: bool = False
    by_fstab: bool = False


API_FILE_SYSTEMS = (
    ApiFileSystem(
        "/proc", "proc", _NOTHING_BUT_FILES, "", "Processes, and the kernel's settings.", policy=Policy.EMERGENCY
    ),
    ApiFileSystem("/sys", "sysfs", _NOTHING_BUT_FILES, "", "Devices and drivers.", policy=Policy.EMERGENCY),
    ApiFileSystem(
        "/dev",
        "devtmpfs",
        NOSUID,
        "mode=0755,size=4m,nr_inodes=64k",
        "The nodes of devices; where the kernel makes none, those that every program needs.",
        policy=Policy.EMERGENCY,
        plain=True,
    ),
    ApiFileSystem(
        "/dev/pts",
        "devpts",
        NOSUID | NOEXEC,
        "mode=0620,gid=5,ptmxmode=0666",
        "Pseudo-terminals; group 5 is `tty`.",
        plain=True,
    ),
    ApiFileSystem("/dev/shm", "tmpfs", NOSUID | NODEV, "mode=1777", "Memory that processes share."),
    ApiFileSystem(
        "/run",
        "tmpfs",
        NOSUID | NODEV | STRICTATIME,
        "mode=0755,size=20%,nr_inodes=800k",
        "Sockets and state of this boot, asyncinit's control socket among them.",
        policy=Policy.EMERGENCY,
    ),
    ApiFileSystem(
        "/tmp",
        "tmpfs",
        NOSUID | NODEV | STRICTATIME,
        "mode=1777,size=50%,nr_inodes=1m",
        "Files for a while; not where /etc/fstab says what /tmp is.",
        by_fstab=True,
    ),
    ApiFileSystem(
        "/sys/fs/cgroup",
        "cgroup2",
        _NOTHING_BUT_FILES,
        "nsdelegate,memory_recursiveprot",
        "A cgroup for each service: limits, and an end for all of its processes.",
        plain=True,
        optional=True,
    ),
)
"""In the order in which they are mounted."""

# Where the kernel makes no nodes: name, major and minor number, access mode.
_NODES = (
    *(("console", 5, 1, 0o600), ("null", 1, 3, 0o666), ("zero", 1, 5, 0o666), ("full", 1, 7, 0o666)),
    *(("random", 1, 8, 0o666), ("urandom", 1, 9, 0o666), ("kmsg", 1, 11, 0o600), ("tty", 5, 0, 0o666)),
    ("ptmx", 5, 2, 0o666),
)


def mounting_steps() -> tuple[Step[System], ...]:
    """Return a step for each. They are quick, as no device is behind them, and what follows needs them in PID 1."""
    return tuple(Step(f"mount {one.place}", one.need, partial(provide, one), one.policy) for one in API_FILE_SYSTEMS)


def provide(one: ApiFileSystem, system: System) -> str:
    """Mount one that is not there yet, and restrict one that is; return what was done beyond the usual."""
    place = system.path(one.place)
    if one.by_fstab and _named_in_fstab(one.place, system):
        return "left to /etc/fstab"
    if os.path.islink(place):
        return f"left alone: it is a link to {os.readlink(place)}"
    if not os.path.isdir(place):
        os.makedirs(place, exist_ok=True)
    if file_systems.is_mounted(place):
        return _restrict(one, place)
    try:
        _mount(one, place)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        if one.optional:
            return "the kernel has none"
        if one.kind != "devtmpfs":
            raise
        file_systems.mount("tmpfs", place, one.flags, "mode=0755")
        _make_nodes(place)
        return "the kernel makes no nodes: those that every program needs are made"
    return ""


def _mount(one: ApiFileSystem, place: str) -> None:
    try:
        file_systems.mount(one.kind, place, one.flags, one.options)
    except OSError as error:
        if error.errno != errno.EINVAL or not one.plain:
            raise
        file_systems.mount(one.kind, place, one.flags)


def _restrict(one: ApiFileSystem, place: str) -> str:
    missing = one.flags & _NOTHING_BUT_FILES & ~file_systems.flags_of(place)
    if not missing:
        return ""
    file_systems.restrict(place, missing)
    return f"was mounted without {', '.join(file_systems.names_of(missing))}"


def _named_in_fstab(place: str, system: System) -> bool:
    try:
        lines = system.text("/etc/fstab").splitlines()
    except OSError:
        return False
    entries = (line.split() for line in lines if not line.lstrip().startswith("#"))
    return any(len(entry) > 1 and entry[1].rstrip("/") == place for entry in entries)


def _make_nodes(place: str) -> None:
    for name, major, minor, mode in _NODES:
        path = os.path.join(place, name)
        os.mknod(path, stat.S_IFCHR | mode, os.makedev(major, minor))
        os.chmod(path, mode)  # whatever the umask is
