"""[namespaces]: which parts of the system a service sees as its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from asyncinit.config import kinds, spec
from asyncinit.config.kinds import Kind
from asyncinit.config.problems import Finding, Path, Severity, shown
from asyncinit.config.sections import mounts
from asyncinit.config.sections.given import Keys, filled, or_none
from asyncinit.config.sections.mounts import MountTable
from asyncinit.config.values import BadValueError

_MOST_IDS = 2**32 - 1
_MOST_RANGES = 340  # what the kernel takes, user_namespaces(7)
_MOST_OF_A_NAME = 64  # HOST_NAME_MAX


def hostname(value: str) -> str:
    """Return the name of a host, as sethostname(2) takes it."""
    if len(value) > _MOST_OF_A_NAME:
        raise BadValueError(f"is longer than {_MOST_OF_A_NAME} characters")
    good = value.isascii() and all(character.isalnum() or character in ".-" for character in value)
    if not good or not value or value[0] in ".-" or value[-1] in ".-":
        raise BadValueError
    return value


def id_range(value: str) -> spec.IdRange:
    """Return the range of "0:100000:65536"."""
    parts = value.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
        raise BadValueError
    ids = spec.IdRange(*map(int, parts))
    if not ids.size:
        raise BadValueError("is a range of no ids")
    if max(ids.inside, ids.outside) + ids.size > _MOST_IDS:
        raise BadValueError(f"goes beyond the last id, {_MOST_IDS - 1}")
    return ids


def _belonging(of: str, default: str = "the pod's, else host") -> Any:
    return Meta(description=of, extra={"default": default})


Belonging = Literal["host", "private", "pod"]
Hostname = Annotated[
    str, Meta(extra={"kind": Kind("host name", "a name of letters, digits, dots and dashes", hostname)})
]
IdRange = Annotated[
    str,
    Meta(extra={"kind": Kind("INSIDE:OUTSIDE:COUNT", 'ids such as "0:100000:65536": INSIDE:OUTSIDE:COUNT', id_range)}),
]


class NamespacesTable(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Parts of the system that the service sees as its own. Of each kind: `host`, asyncinit's namespace; `private`, a
    new one; `pod`, that of the service's pod."""

    pid: Annotated[
        Belonging | UnsetType,
        _belonging("Processes: it sees and signals its own alone, and when its first one ends all of them do."),
    ] = UNSET
    init: Annotated[
        bool,
        Meta(
            description='`pid = "private"`: a simple init is process 1, reaps orphans and passes signals on; '
            "false: the command is process 1 itself."
        ),
    ] = True
    mount: Annotated[
        Belonging | UnsetType,
        _belonging("File systems.", "private with `root`, `mounts` or a private `pid`, else the pod's, else host"),
    ] = UNSET
    net: Annotated[Belonging | UnsetType, _belonging("Network: interfaces, ports; a private one has loopback.")] = UNSET
    ipc: Annotated[Belonging | UnsetType, _belonging("Shared memory, semaphores and message queues.")] = UNSET
    uts: Annotated[Belonging | UnsetType, _belonging("The name of the host.")] = UNSET
    cgroup: Annotated[Belonging | UnsetType, _belonging("The control groups: its own is the topmost.")] = UNSET
    user: Annotated[
        Belonging | UnsetType, _belonging("Users and groups; with a private one the rest needs no root outside.")
    ] = UNSET
    root: Annotated[
        kinds.Folder | UnsetType,
        Meta(
            description="This folder becomes its `/`, with a /proc, /sys and /dev of its own. Program, "
            "`working_directory`, users and groups are looked up in there.",
            examples=["/srv/images/web"],
            extra={"default": "asyncinit's own"},
        ),
    ] = UNSET
    mounts: Annotated[
        list[MountTable],
        Meta(
            description="What is mounted for it alone, those nearer to the root first.",
            examples=[[{"type": "bind", "source": "/srv/data", "target": "/data", "read_only": True}]],
        ),
    ] = []
    hostname: Annotated[
        Hostname | UnsetType,
        Meta(description="Name of the host, for a private `uts`.", extra={"default": "as outside"}),
    ] = UNSET
    uid_map: Annotated[
        list[IdRange],
        Meta(
            description="Users of a private `user`: so many from INSIDE on are those from OUTSIDE on.",
            examples=[["0:100000:65536"]],
            extra={"default": "as root each user to itself, else its user, or 0, to asyncinit's own"},
        ),
    ] = []
    gid_map: Annotated[
        list[IdRange],
        Meta(description="The same for groups.", examples=[["0:100000:65536"]], extra={"default": "as for users"}),
    ] = []


KEYS = frozenset(NamespacesTable.__struct_fields__)
"""All keys of the table."""


def _belongs(said: str | UnsetType) -> spec.Belonging | None:
    return None if isinstance(said, UnsetType) else spec.Belonging(said)


def resolve(declared: NamespacesTable) -> spec.Namespaces:
    """Return what the table declares."""
    return spec.Namespaces(
        **{str(kind): _belongs(getattr(declared, kind)) for kind in spec.NamespaceKind},
        init=declared.init,
        root=or_none(declared.root),
        mounts=tuple(map(mounts.resolve, declared.mounts)),
        hostname=or_none(declared.hostname),
        uid_map=tuple(map(id_range, declared.uid_map)),
        gid_map=tuple(map(id_range, declared.gid_map)),
    )


def declare(namespaces: spec.Namespaces) -> Keys:
    """Return the keys that resolve to `namespaces`."""
    kinds_said = {str(kind): said and str(said) for kind in spec.NamespaceKind if (said := getattr(namespaces, kind))}
    return filled(
        {
            **kinds_said,
            "init": None if namespaces.init else False,
            "root": namespaces.root,
            "mounts": list(map(mounts.declare, namespaces.mounts)),
            "hostname": namespaces.hostname,
            **(_maps(namespaces) if namespaces.user is spec.Belonging.PRIVATE else {}),
        }
    )


def _maps(namespaces: spec.Namespaces) -> Keys:
    return {"uid_map": list(map(str, namespaces.uid_map)), "gid_map": list(map(str, namespaces.gid_map))}


# ---------------------------------------------------------------------------------------------------------------------
# Checks


def check(table: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what the keys of [namespaces] must agree on among themselves."""
    yield from _check_belonging(table)
    root = table.get("root")
    if isinstance(root, str) and root and not root.startswith(("/", "$")):
        yield _relative(("namespaces", "root"), root)
    if table.get("mount") == "host":
        for key in ("root", "mounts"):
            if table.get(key):
                yield Finding(
                    ("namespaces", "mount"),
                    f"cannot stand beside namespaces.{key}: that takes file systems of its own",
                    '"host"',
                    '"private"',
                )
    if isinstance(table.get("mounts"), list):
        yield from mounts.check(table["mounts"])
    for key in ("uid_map", "gid_map"):
        if isinstance(table.get(key), list):
            yield from check_map(key, table[key])


def _relative(path: Path, found: str) -> Finding:
    return Finding(path, "is not an absolute path", shown(found))


def _check_belonging(table: Mapping[str, Any]) -> Iterator[Finding]:
    """Check the keys that mean something in a namespace of their own alone."""
    for key, kind in (("hostname", "uts"), ("uid_map", "user"), ("gid_map", "user")):
        if table.get(key) and table.get(kind) != "private":
            yield Finding(
                ("namespaces", key),
                f"is for a private {kind}: asyncinit's own is not changed for a service",
                expected=f'{kind} = "private" beside it',
            )
    if table.get("init") is False and table.get("pid") != "private":
        yield Finding(
            ("namespaces", "init"),
            "is about process 1 of a private pid, and it has none",
            expected='pid = "private" beside it',
        )
    if table.get("pid") == "private" and table.get("mount") == "host":
        problem = 'cannot stand beside pid = "private": a /proc of its own takes file systems of its own'
        yield Finding(("namespaces", "mount"), problem, '"host"', '"private"')
    if ("uid_map" in table) != ("gid_map" in table) and table.get("user") == "private":
        given, other = ("uid_map", "gid_map") if "uid_map" in table else ("gid_map", "uid_map")
        yield Finding(("namespaces", given), "is half a mapping", expected=f"{other} beside it")


def check_map(key: str, ranges: list[Any]) -> Iterator[Finding]:
    """Check the ranges of a mapping, declared at namespaces.`key`."""
    if len(ranges) > _MOST_RANGES:
        yield Finding(("namespaces", key), f"has more than {_MOST_RANGES} ranges, which no kernel takes")
        return
    seen: list[spec.IdRange] = []
    for index, text in enumerate(ranges):
        try:
            ids = id_range(text) if isinstance(text, str) else None
        except BadValueError:
            continue  # told elsewhere
        if ids is None:
            continue
        for other in seen:
            for side in ("inside", "outside"):
                one, two = getattr(ids, side), getattr(other, side)
                if one < two + other.size and two < one + ids.size:
                    yield Finding(("namespaces", key, index), f"has {side} ids that {shown(str(other))} has too")
        seen.append(ids)


def check_service(whole: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what [namespaces] and the other keys of one service must agree on."""
    table = whole.get("namespaces")
    if not isinstance(table, dict):
        return
    if not whole.get("pod"):
        for kind in spec.NamespaceKind:
            if table.get(kind) == "pod":
                problem = "is for a service in a pod"
                yield Finding(("namespaces", kind), problem, '"pod"', 'pod = "NAME" at the top level, or "private"')
    if table.get("net") == "private":
        for section in ("ready", "health"):
            signs = whole.get(section)
            for key in ("tcp", "http"):
                if isinstance(signs, dict) and key in signs:
                    problem = "is looked at from outside of its private network (namespaces.net), and never answers"
                    yield Finding((section, key), problem, suggestion="command", severity=Severity.WARNING)
    if table.get("pid") == "private" and isinstance(whole.get("ready"), dict) and "pid_file" in whole["ready"]:
        problem = "tells a number of its private pid (namespaces.pid), which is another process outside"
        yield Finding(("ready", "pid_file"), problem, suggestion="notify")
    folder = whole.get("working_directory")
    if table.get("root") and isinstance(folder, str) and folder and not folder.startswith(("/", "$")):
        yield _relative(("working_directory",), folder)
