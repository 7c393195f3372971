"""A pod: the keys of a file in pods.d and of [pods.NAME], which are none of a service's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from signal import SIGKILL, SIGTERM
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from asyncinit.config import kinds, spec
from asyncinit.config.problems import Finding, shown
from asyncinit.config.sections import cgroup_limits, namespaces, restart
from asyncinit.config.sections.cgroup_limits import CgroupKeys
from asyncinit.config.sections.given import Keys, filled, or_none
from asyncinit.config.sections.namespaces import Hostname, IdRange
from asyncinit.config.sections.restart import Policy, RestartTable

Shared = Literal["pid", "net", "ipc", "uts", "cgroup", "user"]
SHARE: tuple[Shared, ...] = ("pid", "ipc", "uts")
"""What is shared where nothing is said."""


class PodKeys(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A pod, without its profiles: what they lay over it."""

    description: Annotated[kinds.Line, Meta(description="One line for people.")] = ""
    enabled: Annotated[bool, Meta(description="false: it comes up only when one of its members is started.")] = True
    init: Annotated[
        Literal["simple", "first", "asyncinit"],
        Meta(
            description="What its PID 1 is: `simple`, a small program that only reaps and reports, and has no power; "
            "`first`, one of its members; `asyncinit`, which runs the members inside as its own services."
        ),
    ] = "simple"
    tree: Annotated[
        Literal["inside", "outside"],
        Meta(
            description="`inside`: members are children of its PID 1. `outside`: of asyncinit; seen from within they "
            "have no parent."
        ),
    ] = "inside"
    first: Annotated[
        kinds.ServiceName | UnsetType,
        Meta(
            description='`init = "first"`: the member that is its PID 1. The others go down with it.',
            extra={"default": "its only member"},
        ),
    ] = UNSET
    share: Annotated[
        list[Shared],
        Meta(
            description="The namespaces that its members have in common; `pid` is one in any case. Without `net` they "
            "use the network that is there; with it they have a loopback interface of their own, and nothing else.",
            examples=[["pid", "net", "ipc", "uts"]],
        ),
    ] = field(default_factory=lambda: list(SHARE))
    hostname: Annotated[
        Hostname | UnsetType, Meta(description="What its members are on.", extra={"default": "the pod's name"})
    ] = UNSET
    uid_map: Annotated[
        list[IdRange],
        Meta(
            description="With `user` in `share`: so many users from INSIDE on are those from OUTSIDE on.",
            examples=[["0:100000:65536"]],
            extra={"default": "as root each user to itself, else 0 to asyncinit's own"},
        ),
    ] = []
    gid_map: Annotated[
        list[IdRange],
        Meta(description="The same for groups.", examples=[["0:100000:65536"]], extra={"default": "as for users"}),
    ] = []
    limits: Annotated[CgroupKeys, Meta(description="What all of it may use together.")] = field(
        default_factory=CgroupKeys
    )
    restart: Annotated[
        Policy | RestartTable, Meta(description="When the whole of it is started again: its members come back with it.")
    ] = field(default_factory=RestartTable)


class PodFileKeys(PodKeys, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A pod: services that share a PID namespace, and others, under one PID 1 of their own."""

    profile: Annotated[
        dict[kinds.ProfileName, PodKeys],
        Meta(
            description="[profile.NAME]: keys that are laid over these where the [profile](../guides/profiles.md) NAME "
            "is active.",
        ),
    ] = {}


# Its members are down by then, and the kernel ends what else is in it.
_AT_ONCE = spec.Stop(signal=SIGKILL, scope=spec.Scope.PROCESS)
# It stops the members first, for which it takes 9 s.
_OF_ASYNCINIT = spec.Stop(signal=SIGTERM, scope=spec.Scope.PROCESS, timeout=10.0)
_OF_ITS_OWN_PROC = spec.Namespaces(pid=spec.Belonging.POD, mount=spec.Belonging.PRIVATE)
_MEMBER = ("docker-default", "~MKNOD")
_MOST = 64  # characters of a host name


def check(name: str, table: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what the keys of the pod `name` must agree on."""
    init = table.get("init", "simple")
    if init != "first" and "first" in table:
        problem = 'is for a pod whose PID 1 is a member: it needs init = "first"'
        yield Finding(("first",), problem)
    if init != "simple" and "tree" in table:
        yield Finding(("tree",), f'is for a pod with init = "simple", and this has init = {shown(init)}')
    if init == "first" and "restart" in table:
        problem = 'cannot be used here: with init = "first" it is the [restart] of the member that is PID 1'
        yield Finding(("restart",), problem)
    share = table.get("share")
    if isinstance(share, list) and "pid" not in share:
        problem = "leaves out pid, which the members of a pod always share"
        yield Finding(("share",), problem, shown(share), suggestion=shown(["pid", *share]))
    shared = share if isinstance(share, list) else SHARE
    if "hostname" in table and "uts" not in shared:
        yield Finding(("hostname",), "is for a pod with a host name of its own: share has no uts")
    yield from _check_maps(table, shared)
    hostname = table.get("hostname", name)
    if isinstance(hostname, str) and len(hostname) > _MOST:
        place = ("hostname",) if "hostname" in table else ()
        yield Finding(place, f"has a host name of more than {_MOST} characters: set hostname")


def _check_maps(table: Mapping[str, Any], share: Sequence[str]) -> Iterator[Finding]:
    given = [key for key in ("uid_map", "gid_map") if key in table]
    for key in given:
        if "user" not in share:
            yield Finding((key,), "is for a pod with users of its own: share has no user")
        elif isinstance(table[key], list):
            for finding in namespaces.check_map(key, table[key]):
                yield replace(finding, key=finding.key[1:])
    if len(given) == 1 and "user" in share:
        other = "gid_map" if given == ["uid_map"] else "uid_map"
        yield Finding((given[0],), "is half a mapping", expected=f"{other} beside it")


def check_member(pod: str, share: Sequence[str], said: object) -> Iterator[Finding]:
    """Check the [namespaces] of a service in `pod`, whose members have the kinds of `share` in common."""
    if not isinstance(said, Mapping):
        return
    if said.get("pid", "pod") != "pod":
        problem = f"cannot be used here: it is in pod {pod}, whose members share it"
        yield Finding(("namespaces", "pid"), problem, shown(said["pid"]), '"pod"')
    if said.get("mount") == "host":
        problem = f"cannot be used here: it is in pod {pod}, and what /proc shows is the pod's"
        yield Finding(("namespaces", "mount"), problem, '"host"', '"private"')
    for kind, belonging in said.items():
        if belonging == "pod" and kind != "pid" and kind not in share:
            problem = f"is for what pod {pod} shares, and that is {', '.join(share)}"
            yield Finding(("namespaces", kind), problem, '"pod"')


def shared(pod: spec.Pod, said: spec.Namespaces) -> spec.Namespaces:
    """Return the namespaces of a member of `pod`: the pod's, where it says nothing else, and its own mounts."""
    kinds = dict.fromkeys(pod.share, spec.Belonging.POD) | {"mount": spec.Belonging.PRIVATE}
    found = replace(said, **{kind: kinds[kind] for kind in kinds if getattr(said, kind) is None})
    # Who a member is outside depends on them.
    return replace(found, uid_map=pod.uid_map, gid_map=pod.gid_map) if found.user is spec.Belonging.POD else found


def secured(said: spec.Security, table: object) -> spec.Security:
    """Return what a member gives up; `table` is its [security] as it stands there.

    Unless that says otherwise it is what Docker takes from a container, so that its root has no way out; and the making
    of devices, since here no cgroup keeps them shut.
    """
    capabilities = (*_MEMBER, *said.ambient_capabilities) if said.capabilities is None else said.capabilities
    protect = table.get("protect_kernel") is not False if isinstance(table, Mapping) else True
    return replace(said, capabilities=capabilities, protect_kernel=protect)


def resolve(name: str, keys: PodKeys, first: str | None, origin: str) -> spec.ServiceSpec:
    """Return the service that the pod `name` is; `first` is the member that is its PID 1, if one is."""
    share = tuple(one for one in spec.SHARED if one in keys.share)
    init = spec.PodInit(keys.init)
    table = keys.restart
    assert isinstance(table, RestartTable)  # `merge` writes the short form in full
    smart = init is spec.PodInit.ASYNCINIT
    return spec.ServiceSpec(
        spec.pod_key(name),
        type=spec.ServiceType.POD,
        description=keys.description,
        enabled=keys.enabled,
        binds_to=() if first is None else (first,),
        restart=restart.resolve(_of_ends(table, smart), spec.ServiceType.POD, essential=False),
        stop=_OF_ASYNCINIT if smart else _AT_ONCE,
        ready=spec.Ready(spec.ReadyKind.NOTIFY_FD, descriptor=spec.READY_FD) if smart else spec.Ready(),
        namespaces=_OF_ITS_OWN_PROC if smart else spec.Namespaces(),
        origin=origin,
        sandbox=spec.Pod(
            init=init,
            tree=spec.PodTree(keys.tree),
            share=share,
            hostname=(or_none(keys.hostname) or name) if "uts" in share else None,
            uid_map=tuple(map(namespaces.id_range, keys.uid_map)),
            gid_map=tuple(map(namespaces.id_range, keys.gid_map)),
            first=first,
        ),
        limits=spec.Limits(**cgroup_limits.resolve(keys.limits)),
    )


def _of_ends(table: RestartTable, smart: bool) -> RestartTable:
    """Return the table with its default: an asyncinit ends by itself when all that it has is done, and well so."""
    return replace(table, policy="on-failure") if smart and isinstance(table.policy, UnsetType) else table


def declare(pod: spec.ServiceSpec) -> Keys:
    """Return the keys that resolve to a pod."""
    assert pod.sandbox is not None
    box = pod.sandbox
    keys: Keys = {
        "description": pod.description,
        "enabled": pod.enabled,
        "init": str(box.init),
        "tree": str(box.tree) if box.init is spec.PodInit.SIMPLE else None,
        "first": box.first,
        "share": list(box.share),
        "hostname": box.hostname,
        "uid_map": list(map(str, box.uid_map)),
        "gid_map": list(map(str, box.gid_map)),
        "limits": filled(cgroup_limits.declare(pod.limits)),
    }
    if box.init is not spec.PodInit.FIRST:
        keys["restart"] = restart.declare(pod.restart)
    return filled(keys)
