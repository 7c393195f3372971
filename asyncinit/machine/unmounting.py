"""Take all file systems of a machine out of use, in reverse order of their mounting; knows no device.

Each attempt is a child's with a deadline, since a server or a user-space daemon may never answer. What will not go is
made read-only, so that what is on it is whole, and detached, so that what it lies upon can go; who uses it is named.
What can be written even then is for the emergency remount (`machine.last`).
The kernel's own file systems stay, and so does the root, which is made read-only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from asyncinit.linux import proc, unmount
from asyncinit.linux.mounts import Mount, is_slow, table
from asyncinit.linux.unmount import How
from asyncinit.machine.child import Outcome, within

_KERNELS = frozenset(
    (
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"),
        *("fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "resctrl", "rootfs", "rpc_pipefs", "securityfs"),
        *("selinuxfs", "sysfs", "tracefs"),
    )
)
"""Types that have nothing to lose, and that are needed until the end."""
_IN_MEMORY = frozenset(("ramfs", "rootfs", "tmpfs"))
"""Types that lose all in any case: they go where something else lies below them, and nobody minds where they don't."""
_STAY = ("/dev", "/proc", "/run", "/sys")

_ATTEMPT = 8.0
"""Seconds for one attempt: writing what is buffered for a slow disk takes its time; it was synced before."""
_LOOK = 3.0  # for finding out who uses it
_NAMED = 5  # of those
_OURSELVES = "asyncinit"


class System(Protocol):
    """What can be done with mounts; nothing here blocks for longer than it says."""

    def table(self) -> list[Mount]:
        """Return what is mounted, the oldest first."""

    def unmount(self, place: str, how: How) -> Outcome:
        """Take it away."""

    def remount_read_only(self, place: str) -> Outcome:
        """Have it written no more."""

    def users(self, place: str) -> list[str]:
        """Return who uses what is mounted there, in words; ourselves as `_OURSELVES`."""


class Machine:
    """The mounts of this machine. `meanwhile` is called every now and then while something is waited for."""

    def __init__(self, meanwhile: Callable[[], None], left: Callable[[], float]) -> None:
        self._meanwhile = meanwhile
        self._left = left

    def table(self) -> list[Mount]:
        """Return what is mounted."""
        return table()

    def unmount(self, place: str, how: How) -> Outcome:
        """Take it away, in a child."""
        return within(min(_ATTEMPT, self._left()), unmount.unmount, place, how, meanwhile=self._meanwhile)

    def remount_read_only(self, place: str) -> Outcome:
        """Have it written no more, in a child."""
        return within(min(_ATTEMPT, self._left()), unmount.remount_read_only, place, meanwhile=self._meanwhile)

    def users(self, place: str) -> list[str]:
        """Look through all processes and loop devices, in a child."""
        found = within(min(_LOOK, self._left()), find_users, place, meanwhile=self._meanwhile)
        return found.text.splitlines()


def unmount_all(system: System) -> str:
    """Unmount all that can be; return what has not gone, with its users, and what became of it, or nothing."""
    silent = _in_passes(system)
    told = []
    for mount in _to_go(system.table()):
        # Once more: what lay upon it may be detached meanwhile.
        outcome = silent.get(mount.place) or system.unmount(mount.place, How.PLAINLY)
        if not outcome.well:
            told.append(_take_away(system, mount, outcome))
    return "; ".join(filter(None, told))


def root_read_only(system: System) -> str:
    """Have the root written no more; return why that cannot be, or nothing."""
    root = next((mount for mount in reversed(system.table()) if mount.place == "/"), None)
    if root is None or root.read_only or root.kind in _IN_MEMORY:
        return ""
    outcome = system.remount_read_only("/")
    return "" if outcome.well else f"{outcome.failure}{_used_by(system, '/')}"


def writable(system: System) -> list[str]:
    """Return the places of file systems on which something may not be written yet."""
    disks = (mount for mount in system.table() if mount.kind not in _KERNELS and mount.kind not in _IN_MEMORY)
    return [mount.place for mount in disks if not mount.read_only and not is_slow(mount.kind)]


def _to_go(mounts: list[Mount]) -> list[Mount]:
    """Return what is to be unmounted, the newest first."""
    return [mount for mount in reversed(mounts) if not _stays(mount)]


def _stays(mount: Mount) -> bool:
    if mount.place == "/" or mount.kind in _KERNELS:
        return True
    return mount.kind in _IN_MEMORY and any(mount.place == one or mount.place.startswith(f"{one}/") for one in _STAY)


def _in_passes(system: System) -> dict[str, Outcome]:
    """Unmount as long as something goes; return what has not answered, which is asked only once."""
    silent: dict[str, Outcome] = {}
    gone = True
    while gone:
        gone = False
        for mount in _to_go(system.table()):
            if mount.place in silent:
                continue
            outcome = system.unmount(mount.place, How.PLAINLY)
            if outcome.late:
                silent[mount.place] = outcome
            gone = gone or outcome.well
    return silent


def _take_away(system: System, mount: Mount, before: Outcome) -> str:
    """Do what can be done about a mount that does not go; return what is worth telling."""
    place = mount.place
    users = system.users(place)
    if is_slow(mount.kind) and _OURSELVES in users:
        return ""  # without its server our own program could not go on
    if is_slow(mount.kind):
        # Who waits for its server gets an error, and lets go of it; that may take a moment.
        forced = system.unmount(place, How.FORCE).well or system.unmount(place, How.PLAINLY).well
        if not forced:
            system.unmount(place, How.DETACH)
        return (
            f"{place} ({mount.kind}): {before.failure}{_named(users)}; {'unmounted by force' if forced else 'detached'}"
        )
    read_only = mount.read_only or system.remount_read_only(place).well
    if _OURSELVES not in users and (read_only or mount.kind in _IN_MEMORY):
        # Else our own program lies there, which has to go on; or it can be written yet, and somebody has to see that.
        system.unmount(place, How.DETACH)
    if mount.kind in _IN_MEMORY or (read_only and users == [_OURSELVES]):
        return ""
    state = "; it is read-only now" if read_only else ""
    return f"{place}: {before.failure}{_named(users)}{state}"


def _used_by(system: System, place: str) -> str:
    return _named([user for user in system.users(place) if user != _OURSELVES])


def _named(users: list[str]) -> str:
    if not users:
        return ""
    more = f" and {len(users) - _NAMED} others" if len(users) > _NAMED else ""
    return f" (used by {', '.join(users[:_NAMED])}{more})"


def find_users(place: str) -> str:
    """Return a line for each process, or loop device, that has a file open below `place`, or runs from there.

    By names alone: nothing there is touched. To be called in a child: a process that hangs may hold this up.
    """
    lines = []
    for pid in proc.pids():
        if pid != os.getpid() and any(_is_below(path, place) for path in _files_of(pid)):
            stat = proc.stat(pid)
            lines.append(_OURSELVES if pid == os.getppid() else f"{stat.name if stat else '?'} ({pid})")
    for name in sorted(os.listdir("/sys/block")) if os.path.isdir("/sys/block") else ():
        try:
            with open(f"/sys/block/{name}/loop/backing_file", encoding="utf-8", errors="surrogateescape") as file:
                if _is_below(file.read().rstrip("\n"), place):
                    lines.append(name)
        except OSError:
            continue
    return "\n".join(lines)


def _files_of(pid: int) -> list[str]:
    folder = f"/proc/{pid}"
    paths = [f"{folder}/cwd", f"{folder}/root", f"{folder}/exe"]
    for kind in ("fd", "map_files"):
        try:
            paths += [f"{folder}/{kind}/{name}" for name in os.listdir(f"{folder}/{kind}")]
        except OSError:
            pass  # it is gone
    found = []
    for path in paths:
        try:
            found.append(os.readlink(path))
        except OSError:
            pass
    return found


def _is_below(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")
