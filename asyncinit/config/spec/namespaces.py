"""Which parts of the system a service sees as its own, resolved; makes nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from asyncinit.config.spec.mounts import Mount


class NamespaceKind(StrEnum):
    """The kinds of namespaces, namespaces(7)."""

    USER = "user"
    PID = "pid"
    MOUNT = "mount"
    NET = "net"
    IPC = "ipc"
    UTS = "uts"
    CGROUP = "cgroup"


class Belonging(StrEnum):
    """Whose namespace a service is in: asyncinit's, one of its own, or its pod's."""

    HOST = "host"
    PRIVATE = "private"
    POD = "pod"


class IdRange(NamedTuple):
    """So many ids from `inside` on, in a user namespace, are those from `outside` on."""

    inside: int
    outside: int
    size: int

    def __str__(self) -> str:
        return f"{self.inside}:{self.outside}:{self.size}"


class Namespaces(Struct, frozen=True):
    """The [namespaces] section; None: not said, and of a member of a pod nothing is left unsaid that it shares.

    `init`: in a private PID namespace asyncinit's simple init is PID 1, not the service itself. `root` is the folder
    that becomes the root. Without maps a private user namespace gets what asyncinit may give it.
    """

    pid: Belonging | None = None
    mount: Belonging | None = None
    net: Belonging | None = None
    ipc: Belonging | None = None
    uts: Belonging | None = None
    cgroup: Belonging | None = None
    user: Belonging | None = None
    init: bool = True
    root: str | None = None
    mounts: tuple[Mount, ...] = ()
    hostname: str | None = None
    uid_map: tuple[IdRange, ...] = ()
    gid_map: tuple[IdRange, ...] = ()

    def __bool__(self) -> bool:
        return self != _NONE

    def of(self, kind: NamespaceKind) -> Belonging:
        """Return whose namespace of `kind` it is in."""
        said: Belonging | None = getattr(self, kind)
        if said is not None:
            return said
        if kind is NamespaceKind.MOUNT and (self.root is not None or self.mounts or self.pid is Belonging.PRIVATE):
            return Belonging.PRIVATE
        return Belonging.HOST

    def private(self) -> frozenset[NamespaceKind]:
        """Return the kinds of which it has a namespace of its own."""
        return frozenset(kind for kind in NamespaceKind if self.of(kind) is Belonging.PRIVATE)


_NONE = Namespaces()
