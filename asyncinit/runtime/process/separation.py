"""From [namespaces] to what the processes of one run get as their own; makes nothing."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from asyncinit.config.spec import Belonging, IdRange, Mount, MountKind, NamespaceKind, Namespaces, ServiceSpec
from asyncinit.errors import SpawnError
from asyncinit.runtime.process import environment
from asyncinit.runtime.process.environment import UnsetVariableError
from asyncinit.runtime.process.plan import Credentials, ExecPlan, Isolation, JoinedPids, NewPids, Pid1

FRESH_PROC = Mount(MountKind.PROC, "/proc", nosuid=True, nodev=True, noexec=True)
OUR_PROC = Mount(MountKind.BIND, "/proc", source="/proc")
FRESH_SYS = Mount(MountKind.SYSFS, "/sys", read_only=True, nosuid=True, nodev=True, noexec=True)
OUR_SYS = Mount(MountKind.BIND, "/sys", source="/sys", read_only=True)
DEV = Mount(MountKind.DEV, "/dev", read_only=True, nosuid=True, noexec=True)
BY_THEMSELVES = frozenset({FRESH_PROC, OUR_PROC, FRESH_SYS, OUR_SYS, DEV})
"""What is mounted though nobody has asked for it."""


def of_service(spec: ServiceSpec, inherited: Mapping[str, str], own: Mapping[str, str]) -> Namespaces:
    """Return the namespaces of a service, the variables in their paths replaced. Raises SpawnError."""
    ground = environment.ground(spec, inherited, None, {}, own)
    return expanded(spec.namespaces, environment.path_environment(spec, ground))


def expanded(declared: Namespaces, known: Mapping[str, str]) -> Namespaces:
    """Return `declared` with the variables in its paths replaced. Raises SpawnError."""
    if declared.root is None and not declared.mounts:
        return declared
    root = None if declared.root is None else _path(declared.root, known, "namespaces.root")
    return replace(declared, root=root, mounts=tuple(_mount(mount, known) for mount in declared.mounts))


def _mount(mount: Mount, known: Mapping[str, str]) -> Mount:
    def path(text: str) -> str:
        return _path(text, known, "namespaces.mounts") if text else ""

    return replace(
        mount,
        source=path(mount.source),
        target=path(mount.target),
        lower=tuple(map(path, mount.lower)),
        upper=path(mount.upper),
        work=path(mount.work),
    )


def _path(text: str, known: Mapping[str, str], key: str) -> str:
    try:
        path = environment.expand(text, known, key)
    except UnsetVariableError as error:
        raise SpawnError(f"expand {key}", 0, str(error)) from error
    if not path.startswith("/") or ".." in path.split("/"):
        raise SpawnError(f"expand {key}", 0, f"{path} is not an absolute path, or has .. in it")
    return os.path.normpath("/" + path.lstrip("/"))


def isolation(
    declared: Namespaces,
    credentials: Credentials | None = None,
    shown: Iterable[Mount] = (),
) -> Isolation:
    """Return what a process with these namespaces gets as its own.

    Its paths are expanded. `shown` is what it needs to see of the outside in a root of its own.
    """
    said = {mount.target for mount in declared.mounts}
    mounts = [mount for mount in _by_themselves(declared) if mount.target not in said]
    mounts += shown if declared.root is not None else ()
    entered = declared.of(NamespaceKind.USER) is Belonging.POD
    mapped = credentials if declared.of(NamespaceKind.USER) is Belonging.PRIVATE else None
    return Isolation(
        own=declared.private() - {NamespaceKind.PID} | ({NamespaceKind.USER} if entered else set()),
        uid_map=declared.uid_map,
        gid_map=declared.gid_map,
        uid=mapped.uid if mapped is not None else 0,
        gid=mapped.gid if mapped is not None else 0,
        root=declared.root,
        mounts=(*mounts, *declared.mounts),
        hostname=declared.hostname,
        entered=entered,
    )


def pid1(declared: Namespaces) -> Pid1 | None:
    """Return who is PID 1 in its own PID namespace, None where it has none."""
    if declared.of(NamespaceKind.PID) is not Belonging.PRIVATE:
        return None
    return Pid1.INIT if declared.init else Pid1.PROGRAM


def beside(plan: ExecPlan, main: int) -> ExecPlan:
    """Return the plan for a command beside the main process of its service, `main`: in the namespaces of that."""
    if isinstance(plan.placement, NewPids):
        inside = plan.placement.pid1 is Pid1.INIT
        plan = dataclasses.replace(plan, placement=JoinedPids(main, inside=inside))
    return dataclasses.replace(plan, isolation=replace(plan.isolation, joins=main)) if plan.isolation else plan


def _by_themselves(declared: Namespaces) -> Iterator[Mount]:
    """Yield a /proc of its own processes, and in a root of its own what no root lacks."""
    elsewhere = {kind for kind in NamespaceKind if declared.of(kind) is not Belonging.HOST}
    if declared.of(NamespaceKind.MOUNT) is not Belonging.PRIVATE:
        return
    if NamespaceKind.PID in elsewhere:
        yield FRESH_PROC
    if declared.root is not None:
        if NamespaceKind.PID not in elsewhere:
            yield OUR_PROC
        yield FRESH_SYS if NamespaceKind.NET in elsewhere else OUR_SYS
        yield DEV


def shown(folder: str) -> Mount:
    """Return the mount by which a folder from outside is seen in a root of its own, at the same place."""
    return Mount(MountKind.BIND, folder, source=folder)


def together(declared: Namespaces, key: str) -> frozenset[str]:
    """Return the keys that mean nothing without `key`, and itself."""
    also: tuple[str, ...] = ()
    match key:
        case "user":
            also = ("uid_map", "gid_map")
        case "uts":
            also = ("hostname",)
        case "mount":
            also = ("root", "mounts", *(["pid"] if declared.pid is Belonging.PRIVATE else []))
    return frozenset([key, *(one for one in also if getattr(declared, one))])


def without(declared: Namespaces, keys: Iterable[str]) -> Namespaces:
    """Return `declared` less what the keys say."""
    empty: Mapping[str, object] = {"uid_map": (), "gid_map": (), "mounts": (), "root": None, "hostname": None}
    return replace(declared, **{key: empty.get(key, Belonging.HOST) for key in keys})


def granted(identity: Credentials | None, declared: Namespaces) -> Credentials | None:
    """Return what of `identity` can be had: without root a user namespace knows no group but the one that is mapped."""
    if identity is None or declared.of(NamespaceKind.USER) is Belonging.HOST:
        return identity
    if os.geteuid() != 0 and not declared.gid_map and set(identity.groups or ()) <= {identity.gid}:
        return replace(identity, groups=None)
    return identity


def outside(isolation: Isolation, credentials: Credentials | None) -> tuple[int, int] | None:
    """Return uid and gid of a process as we see them; None: they are ours."""
    if NamespaceKind.USER not in isolation.own:
        return None if credentials is None else (credentials.uid, credentials.gid)
    if not isolation.uid_map and os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    uid = credentials.uid if credentials is not None else _first(isolation.uid_map)
    gid = credentials.gid if credentials is not None else _first(isolation.gid_map)
    return _translated(uid, isolation.uid_map), _translated(gid, isolation.gid_map)


def _first(ranges: Sequence[IdRange]) -> int:
    return min((ids.inside for ids in ranges), default=0)


def _translated(number: int, ranges: Sequence[IdRange]) -> int:
    """Return the id outside; one that is not mapped is told where the process wants to become it."""
    places = (ids.outside + number - ids.inside for ids in ranges if ids.inside <= number < ids.inside + ids.size)
    return next(places, number)
