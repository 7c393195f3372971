"""The part of the hierarchy that is ours: its folder, who may be in it, and the controllers; knows no service.

In the cgroup in which asyncinit was started, a folder `asyncinit` is made once the first service needs it. Its lock
(flock(2)) says that it is in use; folders of that name whose lock is free are what an earlier asyncinit has left, and
are removed, unless processes live in them: these are named, and left alone.

A cgroup that hands controllers on may have no processes of its own ("no internal processes", but for the root of all).
So asyncinit moves out of the way, into `asyncinit/init`, when the first controller is needed, and not before:
somebody's session is not touched without need. As PID 1 it takes along who else is in that cgroup, for it is the
container's; otherwise only what is below asyncinit itself.

Moving a process may have to wait for the other processors' next rest (an RCU grace period, some milliseconds); that
happens once, and nothing else here waits at all.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterable

from msgspec import Struct

from asyncinit.errors import why
from asyncinit.linux import cgroups, proc
from asyncinit.linux.cgroups import Place
from asyncinit.runtime.cgroups.names import LEAF, OURS
from asyncinit.runtime.reexec.keep import Keep

_MOST_FOLDERS = 100  # of asyncinits in one cgroup
_PASSES = 20  # so often it is looked who is to be moved out of the way
_GENERATIONS = 100


class TreeState(Struct):
    """What is carried over a re-exec: our cgroup as it was first, the lock, and what was changed there."""

    folder: str = ""
    name: str = ""
    ours: str = ""
    lock: int = -1
    enabled: list[str] = []


class Tree:
    """Our part of the hierarchy; `place` is the cgroup in which asyncinit was started, None: there is none.

    `warn` is told of what an earlier asyncinit has left. `ours` is the folder of all services, "" until `begin`.
    """

    def __init__(self, place: Place | None, warn: Callable[[str], None]) -> None:
        self.place = place
        self._warn = warn
        self._lock = -1
        self._enabled: list[str] = []
        self.ours = ""

    @property
    def name(self) -> str:
        """The name of the cgroup of all services, as /proc/PID/cgroup has it."""
        assert self.place is not None
        return f"{self.place.name.rstrip('/')}/{os.path.basename(self.ours)}"

    @property
    def refusal(self) -> str:
        """Why no cgroups can be made, and what to do about it; "" where they can."""
        if self.place is None:
            return (
                "cgroup v2 is not mounted here, or does not show our own cgroup; mount it, or give it to the container"
            )
        if not cgroups.is_writable(self.place.folder):
            return (
                f"the cgroup {self.place.folder} is not writable for uid {os.geteuid()}; "
                "start asyncinit where it is (systemd: Delegate=yes; a container: with a writable /sys/fs/cgroup)"
            )
        return ""

    def begin(self) -> None:
        """Make our folder, if that was not done yet. Raises OSError."""
        if self.ours:
            return
        assert self.place is not None
        self._clear_leftovers(self.place.folder)
        for number in range(1, _MOST_FOLDERS):
            folder = f"{self.place.folder}/{OURS}" + (f"-{number}" if number > 1 else "")
            lock = _take(folder)
            if lock is not None:
                self.ours, self._lock = folder, lock
                return
        raise OSError(errno.EUSERS, os.strerror(errno.EUSERS))

    def _clear_leftovers(self, place: str) -> None:
        for entry in os.listdir(place):
            if entry != OURS and not entry.startswith(OURS + "-"):
                continue
            folder = f"{place}/{entry}"
            try:
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._clear(folder)
            except OSError:
                pass  # another asyncinit's
            finally:
                os.close(lock)

    def _clear(self, folder: str) -> None:
        pids = cgroups.all_processes(folder)
        if pids or cgroups.is_populated(folder):
            who = ", ".join(map(str, pids[:10])) or "of another PID namespace"
            self._warn(f"processes that an earlier asyncinit has left live on in {folder}: {who}")
        else:
            cgroups.remove(folder)

    # -----------------------------------------------------------------------------------------------------------------
    # Controllers

    def available(self) -> set[str]:
        """Return the controllers that can be had here."""
        assert self.place is not None
        try:
            return cgroups.words(self.place.folder, cgroups.CONTROLLERS)
        except OSError:
            return set()

    def enable(self, controller: str, below: Iterable[str] = ()) -> str:
        """Have the cgroups of services be under a controller; return why that cannot be, or "".

        `below` are folders between ours and the service's, the outermost first.
        """
        assert self.place is not None and self.ours
        if controller not in self.available():
            return self._unavailable(controller)
        for folder in (self.place.folder, self.ours, *below):
            try:
                if controller in cgroups.words(folder, cgroups.ENABLED):
                    continue
                self._enable(folder, controller)
            except OSError as error:
                return self._not_enabled(folder, controller, error)
            if folder == self.place.folder:
                self._enabled.append(controller)
        return ""

    def _enable(self, folder: str, controller: str) -> None:
        assert self.place is not None
        # The kernel would not refuse all: with pids or cpu it makes a cgroup that has processes a threaded one, and
        # none could be put into those below it any more.
        if folder == self.place.folder and not cgroups.is_root(folder):
            for _ in range(_PASSES):
                if not cgroups.read(folder, cgroups.PROCESSES):
                    break
                if not self._make_way(folder):
                    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        cgroups.write(folder, cgroups.ENABLED, f"+{controller}")

    def _make_way(self, folder: str) -> bool:
        """Move those of a cgroup who may be moved into its leaf; tell whether anybody was."""
        leaf = f"{self.ours}/{LEAF}"
        os.makedirs(leaf, exist_ok=True)
        us = os.getpid()
        moved = False
        for pid in cgroups.processes(folder):
            if us not in (1, pid) and not _is_below(pid, us):
                continue
            try:
                cgroups.write(leaf, cgroups.PROCESSES, str(pid))
            except ProcessLookupError:
                continue
            moved = True
        return moved

    def _unavailable(self, controller: str) -> str:
        assert self.place is not None
        text = f"the {controller} controller is not available in cgroup v2 here ({self.place.folder})"
        if _in_version_1(controller):
            return text + "; version 1 has it: boot with cgroup_no_v1=all"
        if cgroups.is_root(self.place.folder):
            return text + "; this kernel was built or booted without it"
        return text + "; enable it in cgroup.subtree_control of the cgroup above, or have it delegated"

    def _not_enabled(self, folder: str, controller: str, error: OSError) -> str:
        text = f"the {controller} controller cannot be enabled in {folder}: {why(error.errno or 0)}"
        if error.errno != errno.EBUSY:
            return text
        try:
            pids = [pid for pid in cgroups.processes(folder) if pid != os.getpid()]
        except OSError:
            return text
        who = ", ".join(f"{pid} ({stat.name})" for pid in pids[:3] if (stat := proc.stat(pid)) is not None)
        return (
            f"the {controller} controller cannot be enabled in {folder} while others are in it"
            f"{f', such as pid {who}' if who else ''}; start asyncinit in a cgroup of its own "
            "(systemd-run --scope -p Delegate=yes asyncinit run)"
        )

    # -----------------------------------------------------------------------------------------------------------------
    # The end, and a re-exec

    def close(self) -> None:
        """Leave the cgroup as it was found, as far as that can be: at the end, when no service is left."""
        if not self.ours or self.place is None:
            return
        place = self.place.folder
        for folder in _folders_in(self.ours):
            if os.path.basename(folder) != LEAF:
                _try(cgroups.remove, folder)
        for controller in self._enabled:
            _try(cgroups.write, self.ours, cgroups.ENABLED, f"-{controller}")
            _try(cgroups.write, place, cgroups.ENABLED, f"-{controller}")
        for pid in _processes(f"{self.ours}/{LEAF}"):
            _try(cgroups.write, place, cgroups.PROCESSES, str(pid))
        _try(cgroups.remove, self.ours)
        os.close(self._lock)
        self.ours, self._lock = "", -1

    def freeze(self, keep: Keep) -> TreeState:
        """Return what is carried over a re-exec."""
        if self.place is None:
            return TreeState()
        place = self.place
        return TreeState(place.folder, place.name, self.ours, keep(self._lock), self._enabled)

    def thaw(self, state: TreeState) -> None:
        """Go on with the folder of the program before."""
        if state.folder:
            self.place = Place(state.folder, state.name)
        self.ours, self._lock = state.ours, state.lock
        self._enabled = state.enabled


def _take(folder: str) -> int | None:
    """Return the lock of a folder that is made if need be, None if somebody else has it. Raises OSError."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        pass
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # removed by another, who took it for a leftover
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(folder).st_ino == os.fstat(lock).st_ino and not cgroups.is_populated(folder):
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


def _is_below(pid: int, ancestor: int) -> bool:
    for _ in range(_GENERATIONS):
        stat = proc.stat(pid)
        if stat is None or stat.ppid <= 1:
            return False
        if stat.ppid == ancestor:
            return True
        pid = stat.ppid
    return False


def _in_version_1(controller: str) -> bool:
    name = "blkio" if controller == "io" else controller
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="replace") as file:
            return any(name in line.split(":")[1].split(",") for line in file if line.count(":") > 1)
    except OSError:
        return False


def _processes(folder: str) -> list[int]:
    try:
        return cgroups.processes(folder)
    except OSError:
        return []


def _folders_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _try(call: Callable[..., object], *arguments: str) -> None:
    try:
        call(*arguments)
    except OSError:
        pass  # it goes with the cgroup, or stays for the next asyncinit
