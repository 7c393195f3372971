"""The steps by which a child gets the namespaces of its service; knows nothing of who asked for them.

A user namespace comes first, because it gives the rights for all others; then the other namespaces are made, what is
mounted from outside is opened while the child is still who it was outside, and only then it becomes somebody inside.
A PID namespace has to be there before the child is (see `plan.NewPids`); then the user namespace is too.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from asyncinit.config.spec import Mount, NamespaceKind
from asyncinit.errors import SpawnError
from asyncinit.linux import mounting as kernel
from asyncinit.linux import namespaces, user_namespaces
from asyncinit.linux.process import set_dumpable
from asyncinit.linux.user_namespaces import MapError, Maps
from asyncinit.runtime.process import refusals
from asyncinit.runtime.process.mounting import Mounting
from asyncinit.runtime.process.plan import Isolation
from asyncinit.runtime.process.separation import BY_THEMSELVES
from asyncinit.runtime.process.step import Step

_FLAGS = {
    NamespaceKind.MOUNT: namespaces.CLONE_NEWNS,
    NamespaceKind.NET: namespaces.CLONE_NEWNET,
    NamespaceKind.IPC: namespaces.CLONE_NEWIPC,
    NamespaceKind.UTS: namespaces.CLONE_NEWUTS,
    NamespaceKind.CGROUP: namespaces.CLONE_NEWCGROUP,
    NamespaceKind.PID: namespaces.CLONE_NEWPID,
}
_MADE = tuple(kind for kind in _FLAGS if kind is not NamespaceKind.PID)
_FIRST = Step("become the first user of its namespace", user_namespaces.become_first)


def steps(isolation: Isolation, user_entered: bool = False, joined: int = -1) -> list[Step]:
    """Return the steps; `user_entered`: the user namespace is there, because the PID namespace belongs to it.

    `joined` is a pidfd of the process whose namespaces are joined.
    """
    if isolation.joins is None:
        return [step for _, step in by_key(isolation, user_entered)]
    kinds = isolation.own - ({NamespaceKind.USER} if user_entered else set())
    todo = [Step("join the namespaces of its service", _join, (joined, isolation.joins, kinds))] if kinds else []
    if NamespaceKind.USER in isolation.own:
        todo.append(_FIRST)
    return todo


def _join(pidfd: int, pid: int, kinds: frozenset[NamespaceKind]) -> None:
    # Others are there already, with all rights over that user namespace: they shall not read what we know.
    set_dumpable(False)
    try:
        namespaces.join_process(pidfd, pid, kinds)
    except ProcessLookupError:
        raise SpawnError("", errno.ESRCH, "its main process is gone") from None


def user_step(isolation: Isolation) -> Step | None:
    """Return the step that enters the user namespace, None where there is none to enter."""
    if NamespaceKind.USER not in isolation.own or isolation.entered:
        return None
    return Step("make a user namespace", _enter_user, (isolation,))


def by_key(isolation: Isolation, user_entered: bool = False, pids: bool = False) -> Iterator[tuple[str, Step]]:
    """Yield the key of [namespaces] that each step is there for, with the step.

    `pids`: for a trial, with a PID namespace; what follows its steps happens in another process.
    """
    user = user_step(isolation)
    if user is not None and not user_entered:
        yield "user", user
    if pids:
        yield "pid", Step("make a namespace (pid)", _unshare, (NamespaceKind.PID,))
        yield "pid", Step("make a process", _go_on_in_a_child)
    for kind in _MADE:
        if kind in isolation.own:
            yield str(kind), Step(f"make a namespace ({kind})", _unshare, (kind,))
    mounting = Mounting(isolation.mounts, isolation.root)
    if NamespaceKind.MOUNT in isolation.own:
        yield "mount", Step("keep mounts to itself", kernel.keep_to_ourselves)
        yield from ((_key(isolation, mount), step) for mount, step in mounting.opening())
    if NamespaceKind.USER in isolation.own:
        yield "user", _FIRST
    if isolation.hostname is not None:
        yield (
            "hostname",
            Step(f"set the host name {isolation.hostname}", namespaces.set_hostname, (isolation.hostname,)),
        )
    if NamespaceKind.NET in isolation.own:
        yield "net", Step("bring loopback up", refusals.bring_loopback_up)
    if NamespaceKind.MOUNT in isolation.own:
        yield from ((_key(isolation, mount), step) for mount, step in mounting.placing())


def _key(isolation: Isolation, mount: Mount | None) -> str:
    """Return the key that a mount (None: the root) is there for."""
    if mount is not None and mount not in BY_THEMSELVES:
        return "mounts"
    return "root" if isolation.root is not None else "pid"


def _enter_user(isolation: Isolation) -> None:
    maps = Maps(isolation.uid_map, isolation.gid_map)
    try:
        user_namespaces.enter(maps if any(maps) else user_namespaces.maps_of_ours(isolation.uid, isolation.gid))
    except MapError as error:
        raise SpawnError("map its users and groups", error.errno or 0, error.strerror or "") from None
    except OSError as error:
        raise SpawnError("", error.errno or 0, refusals.namespaces(error.errno or 0, "user")) from None


def _unshare(kind: NamespaceKind) -> None:
    try:
        namespaces.unshare(_FLAGS[kind])
    except OSError as error:
        raise SpawnError("", error.errno or 0, refusals.namespaces(error.errno or 0, kind)) from None


def _go_on_in_a_child() -> None:
    """Fork; the parent ends with the child, and does nothing else any more."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        os._exit(0)


def changes_users(isolation: Isolation) -> bool:
    """Tell whether ids mean something else for the process than for us, so that to stay who we are is a step, too."""
    return NamespaceKind.USER in isolation.own
