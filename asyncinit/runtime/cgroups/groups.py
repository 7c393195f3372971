"""The cgroups of services, each by the key of its life: made, limited, watched, frozen, killed, removed.

Who gets one (`[init] cgroups = "auto"`): whose [limits] need it; and, where asyncinit is PID 1 in the root of what it
sees and may make folders, every service: then what it leaves behind is known for certain, whatever that has done to its
session and environment, and goes with one write. A member of a pod is below the pod's folder. docs/design/cgroups.md
has the reasons.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable

from msgspec import Struct, field
from msgspec.structs import replace

from asyncinit.config.spec import POD_PREFIX, CgroupLimits, CgroupMode, ServiceSpec
from asyncinit.control.types import CgroupStatus
from asyncinit.core.status import ExitStatus, Reason
from asyncinit.errors import SpawnError, why
from asyncinit.linux import cgroups
from asyncinit.linux.cgroups import Place
from asyncinit.runtime.cgroups import applying, names, settings
from asyncinit.runtime.cgroups.events import Events
from asyncinit.runtime.cgroups.group import Group, GroupState
from asyncinit.runtime.cgroups.settings import MEMORY, PIDS
from asyncinit.runtime.cgroups.tree import Tree, TreeState
from asyncinit.runtime.cgroups.trouble import Trouble
from asyncinit.runtime.process.offload import Offloader
from asyncinit.runtime.process.plan import Credentials
from asyncinit.runtime.process.prepared import NotApplied, Prepared
from asyncinit.runtime.reexec.keep import Keep

_TIMEOUT = 30.0  # the kernel may have to write much to a disk before a limit below what is used can hold
_REMOVAL_TIMEOUT = 10.0
_SAME_NAME = 50  # so many folders that can't be removed yet are gone round


class CgroupsState(Struct):
    """What is carried over a re-exec."""

    tree: TreeState = field(default_factory=TreeState)
    groups: dict[str, GroupState] = {}


class Cgroups:
    """All of them; `report` is told, of a service (None: of none), what goes wrong."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        offloader: Offloader,
        mode: CgroupMode,
        report: Callable[[str | None, str], None],
        place: Place | None = None,
    ) -> None:
        self._offloader = offloader
        self._mode = mode
        self._report = report
        self._events = Events(loop)
        self.trouble = Trouble(self._events, offloader.timers, report, self._above)
        self._groups: dict[str, Group] = {}
        self._lives: dict[str, str] = {}  # by the path below our folder
        place = place or (cgroups.own() if mode is CgroupMode.AUTO else None)
        self._tree = Tree(place, lambda text: report(None, text))
        self.changed: Callable[[], None] = lambda: None
        """Called when the last process of a cgroup has ended."""

    # -----------------------------------------------------------------------------------------------------------------
    # Made and removed

    def prepare(self, life: str, spec: ServiceSpec, prepared: Prepared) -> Prepared | SpawnError:
        """Make the cgroup for a life, and return what its processes start with then, or the key that cannot be had."""
        try:
            folder, left_out = self.open(life, spec, prepared.credentials)
        except SpawnError as error:
            self.close(life)
            return error
        return replace(prepared, cgroup=folder, not_applied=(*prepared.not_applied, *left_out))

    def open(
        self, life: str, spec: ServiceSpec, credentials: Credentials | None
    ) -> tuple[str | None, list[NotApplied]]:
        """Make the cgroup for a life; return the folder to join, None: none, and what `prefer` had to leave out.

        Raises SpawnError for a key that cannot be had and is not preferred.
        """
        self.close(life)
        left_out: list[NotApplied] = []
        needed = spec.limits.cgroup_keys

        def fail(key: str, text: str) -> None:
            error = SpawnError(f"set limits.{key}", 0, text)
            if not spec.prefer & {"limits", f"limits.{key}"}:
                raise error
            left_out.append(NotApplied(f"limits.{key}", str(error)))

        if not needed and not self._for_all:
            return None, []
        refusal = self._begin()
        if refusal:
            for key in needed:
                fail(key, refusal)
            return None, left_out
        pod = spec.pod
        limits = self._enable(spec.limits, pod, fail)
        if needed and not limits.cgroup_keys and not self._for_all:
            return None, left_out
        try:
            group = self._make(life, pod)
        except OSError as error:
            text = f"its cgroup cannot be made: {why(error.errno or 0)}"
            for key in needed:
                fail(key, text)
            if not needed:
                self._report(life, text)
            return None, left_out
        group.state.limits = settings.together(limits)
        for key, text in applying.apply(group.folder, limits, credentials):
            fail(key, text)
            group.state.limits = settings.without(group.state.limits, key)
        return group.joined, left_out

    @property
    def _for_all(self) -> bool:
        """Whether every service gets one: all that is in our cgroup is ours, the root of all or of a container's."""
        place = self._tree.place
        return os.getpid() == 1 and place is not None and place.name == "/" and not self._tree.refusal

    def _begin(self) -> str:
        if self._mode is CgroupMode.NONE:
            return '[init] cgroups is "none"'
        refusal = self._tree.refusal
        if not refusal:
            try:
                self._tree.begin()
            except OSError as error:
                refusal = f"no cgroup can be made: {why(error.errno or 0)}"
        return refusal

    def _enable(self, limits: CgroupLimits, pod: str | None, fail: Callable[[str, str], None]) -> CgroupLimits:
        """Enable the controllers that are needed; return what is left of the limits."""
        below = [self._pod_folder(pod)] if pod is not None else []
        refusals = {name: self._tree.enable(name, below) for name in settings.needed(limits)}
        wished = {MEMORY, PIDS} if self._for_all else set()
        wished |= set(settings.ALL) if limits.delegate else set()
        for name in sorted(wished & self._tree.available()):
            self._tree.enable(name, below)
        for key in limits.cgroup_keys:
            refusal = refusals.get(settings.controller_of(key) or "", "")
            if refusal:
                fail(key, refusal)
                limits = settings.without(limits, key)
        return limits

    def _pod_folder(self, pod: str) -> str:
        """Return the folder of a pod, which may not be there yet."""
        group = self._groups.get(POD_PREFIX + pod)
        folder = group.folder if group is not None else f"{self._tree.ours}/{names.folder_of(POD_PREFIX + pod)}"
        os.makedirs(folder, exist_ok=True)
        return folder

    def _make(self, life: str, pod: str | None) -> Group:
        above = self._tree.ours if pod is None else self._pod_folder(pod)
        name = names.folder_of(life)
        stem, dot, ending = name.rpartition(".")
        leaf = life.startswith(POD_PREFIX)
        for number in range(1, _SAME_NAME):
            folder = f"{above}/{name}" if number == 1 else f"{above}/{stem}~~{number}{dot}{ending}"
            try:
                os.mkdir(folder)
            except FileExistsError:
                # What is left of an earlier life and could not be removed, or a pod's that a member came before.
                if not (leaf and number == 1) and not _remade(folder):
                    continue
            group = Group(life, self._tree.ours, GroupState(folder[len(self._tree.ours) + 1 :]))
            if leaf:
                os.makedirs(group.joined, exist_ok=True)
            self._register(life, group)
            return group
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _register(self, life: str, group: Group) -> None:
        self._groups[life] = group
        self._lives[group.state.path] = life

        def told(text: str) -> None:
            group.populated = cgroups.numbers(text).get("populated") == 1
            if not group.populated:
                self.changed()

        try:
            group.watches.append(self._events.watch(group.joined, cgroups.EVENTS, told))
            group.populated = cgroups.is_populated(group.joined)
        except OSError:
            pass  # without it an end is seen by SIGCHLD, as the last one to end is our child
        self.trouble.begin(group)

    def close(self, life: str) -> None:
        """Remove the cgroup of a life of which nothing is left; harmless if there is none."""
        group = self._groups.pop(life, None)
        if group is None:
            return
        self._lives.pop(group.state.path, None)
        self.trouble.end(group)
        for watch in group.watches:
            self._events.end(watch)
        try:
            group.remove()
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            # Who it was delegated to has made others in it, any number of them; or a process that we could not kill is
            # in it, and the next asyncinit finds it.
            folder = group.folder
            self._offloader.run(
                lambda _step: cgroups.remove(folder), type(None), _REMOVAL_TIMEOUT, lambda _answer: None
            )

    def end(self) -> None:
        """Leave the hierarchy as it was found: nothing of any service is left."""
        for group in self._groups.values():
            self.trouble.end(group)
        self._groups.clear()
        self._events.close()
        self._tree.close()

    # -----------------------------------------------------------------------------------------------------------------
    # Who is in it (runtime.tree.members.Groups)

    def has(self, life: str) -> bool:
        """Tell whether a life has a cgroup."""
        return life in self._groups

    def processes(self, life: str) -> list[int]:
        """Return the processes in the cgroup of a life, and below; none where it has no cgroup."""
        group = self._groups.get(life)
        return [] if group is None else group.processes()

    def is_populated(self, life: str) -> bool:
        """Tell whether a process lives in the cgroup of a life, or below."""
        group = self._groups.get(life)
        return group is not None and group.is_populated()

    def owner(self, pid: int) -> str | None:
        """Return the life in whose cgroup a process is, None: in none."""
        if not self._groups:
            return None
        name = cgroups.name_of(pid)
        path = names.path_in(name, self._tree.name) if name is not None else None
        return None if path is None else self._lives.get(path)

    def kill(self, life: str) -> None:
        """Send SIGKILL to all that is in the cgroup of a life; harmless where that cannot be."""
        group = self._groups.get(life)
        if group is not None:
            group.kill()

    # -----------------------------------------------------------------------------------------------------------------
    # Frozen, and what is counted

    def suspend(self, life: str) -> None:
        """Stop all processes of a life where they stand; it has a cgroup. Raises OSError."""
        self._groups[life].suspend()

    def resume(self, life: str) -> bool:
        """Let them go on; tell whether they were stopped."""
        group = self._groups.get(life)
        return group is not None and group.resume()

    def is_suspended(self, life: str) -> bool:
        """Tell whether they are stopped."""
        group = self._groups.get(life)
        return group is not None and group.state.suspended

    def status(self, life: str) -> CgroupStatus | None:
        """Return what the kernel has counted of a life; None where it has no cgroup."""
        group = self._groups.get(life)
        return None if group is None else group.status()

    def folder(self, life: str) -> str | None:
        """Return the folder of the cgroup of a life; None where it has no cgroup."""
        group = self._groups.get(life)
        return None if group is None else group.folder

    def killed(self, life: str, status: ExitStatus) -> Reason | None:
        """Return the reason of a main process's end if the kernel has killed it for want of memory."""
        group = self._groups.get(life)
        return None if group is None else self.trouble.killed(group, status)

    def _above(self, group: Group) -> Group | None:
        """Return the cgroup of the pod that another one is in."""
        pod = self._lives.get(os.path.dirname(group.state.path))
        return None if pod is None else self._groups.get(pod)

    # -----------------------------------------------------------------------------------------------------------------
    # Limits that change

    def change(self, life: str, before: CgroupLimits, limits: CgroupLimits) -> None:
        """Have other limits than `before` hold for a life; what cannot be had is told, and the one before holds."""
        group = self._groups.get(life)
        limits = settings.together(limits)
        if group is None or settings.together(before) == limits:
            return

        def fail(key: str, text: str) -> None:
            self._report(life, f"limits.{key} is not changed: {text}")

        above = os.path.dirname(group.folder)
        for name in settings.needed(limits) - settings.needed(group.state.limits):
            refusal = self._tree.enable(name, [above] if above != self._tree.ours else [])
            if refusal:
                for key in limits.cgroup_keys:
                    if settings.controller_of(key) == name:
                        fail(key, refusal)
                        limits = settings.without(limits, key)
        try:
            todo = list(settings.changes(group.state.limits, limits))
        except OSError as error:
            fail("io_max", applying.refused(error))
            return
        group.state.limits = limits
        folder = group.folder
        if not todo:
            return

        def told(answer: list[tuple[str, str]] | SpawnError) -> None:
            if isinstance(answer, SpawnError):
                self._report(life, f"its limits are not all changed: {answer}")
                return
            for key, text in answer:
                fail(key, text)

        # Not by us: below what is used the kernel frees memory first, or kills, before write(2) returns.
        self._offloader.run(lambda step: applying.write_all(folder, todo, step), list[tuple[str, str]], _TIMEOUT, told)

    # -----------------------------------------------------------------------------------------------------------------
    # Over a re-exec

    def freeze(self, keep: Keep) -> CgroupsState:
        """Return what is carried over a re-exec."""
        return CgroupsState(self._tree.freeze(keep), {life: group.state for life, group in self._groups.items()})

    def thaw(self, state: CgroupsState) -> None:
        """Go on with the cgroups of the program before."""
        self._tree.thaw(state.tree)
        for life, one in state.groups.items():
            group = Group(life, self._tree.ours, one)
            self._register(life, group)


def _remade(folder: str) -> bool:
    """Make a folder anew that is there and not needed any more; tell whether that could be."""
    try:
        os.rmdir(folder)
        os.mkdir(folder)
    except OSError:
        return False
    return True
