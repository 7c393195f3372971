"""A pod, resolved: what its members share, and what its first process is."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from asyncinit.config.spec.namespaces import IdRange

POD_PREFIX = "pod:"
"""Before a pod's name where it stands among services; a colon is in no service's name."""


class PodInit(StrEnum):
    """What the pod's PID 1 is: our simple init, a member, or asyncinit with the members as its services."""

    SIMPLE = "simple"
    FIRST = "first"
    ASYNCINIT = "asyncinit"


class PodTree(StrEnum):
    """Whose children the members are: those of the pod's init (`inside`), or asyncinit's own."""

    INSIDE = "inside"
    OUTSIDE = "outside"


class Pod(Struct, frozen=True):
    """The sandbox itself; its limits and restart policy are those of the service that it is.

    `share` are the namespaces that its members have in common, in the order of `SHARED`; pid is always one of them.
    `uid_map` and `gid_map` are those of a shared user namespace; empty: what asyncinit may give it. `first` is the
    service that is its PID 1 (`init = "first"` alone).
    """

    init: PodInit = PodInit.SIMPLE
    tree: PodTree = PodTree.INSIDE
    share: tuple[str, ...] = ("pid", "ipc", "uts")
    hostname: str | None = None
    uid_map: tuple[IdRange, ...] = ()
    gid_map: tuple[IdRange, ...] = ()
    first: str | None = None


READY_FD = 4
"""The descriptor on which the asyncinit of a pod says that all in it is ready."""

SHARED = ("pid", "net", "ipc", "uts", "cgroup", "user")
"""The namespaces that a pod can have for all of its members."""


def pod_key(pod: str) -> str:
    """Return what a pod is called among services."""
    return POD_PREFIX + pod


def pod_of_key(name: str) -> str | None:
    """Return the pod that goes by `name` among services; None: it is a service."""
    return name.removeprefix(POD_PREFIX) if name.startswith(POD_PREFIX) else None
