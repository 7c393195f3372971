"""What is mounted for a service alone, resolved; mounts nothing."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class MountKind(StrEnum):
    """What a mount shows at its target.

    `BIND`: a file or folder of asyncinit's own file system. `DEV`: a /dev of the few devices that are harmless.
    `CREDENTIALS`: copies of files, in memory that is never swapped where that can be had, for one user to read.
    The last three are about what stands at the target already. `READ_ONLY`: it cannot be written to, with all below.
    `WRITABLE`: it stays as it is below one that becomes READ_ONLY. `HIDDEN`: nobody reads or enters it.
    """

    BIND = "bind"
    TMPFS = "tmpfs"
    PROC = "proc"
    SYSFS = "sysfs"
    DEVPTS = "devpts"
    OVERLAY = "overlay"
    DEV = "dev"
    CREDENTIALS = "credentials"
    READ_ONLY = "read-only"
    WRITABLE = "writable"
    HIDDEN = "hidden"

    @property
    def in_place(self) -> bool:
        """Whether it concerns what its target is already."""
        return self in _IN_PLACE


_IN_PLACE = frozenset({MountKind.READ_ONLY, MountKind.WRITABLE, MountKind.HIDDEN})


class Mount(Struct, frozen=True):
    """One mount. `target` is absolute, inside the service's root; folders on the way to it are made.

    `source` is of BIND, outside the root; `recursive`: with all that is mounted below it. `optional`: nothing is done
    where the source (of one in place: the target) is absent. `size` in bytes (None: the kernel's half of the memory)
    and `mode` are a TMPFS's. `lower` (the uppermost first), `upper` and `work` are folders outside the root; an OVERLAY
    without `upper` is read-only. `files` are the names and sources of CREDENTIALS ("-" before one: may be absent),
    `owner` the uid and gid that they are for, None: whoever we are.
    """

    kind: MountKind
    target: str
    source: str = ""
    optional: bool = False
    read_only: bool = False
    recursive: bool = True
    nosuid: bool = False
    nodev: bool = False
    noexec: bool = False
    size: int | None = None
    mode: int = 0o755
    lower: tuple[str, ...] = ()
    upper: str = ""
    work: str = ""
    files: tuple[tuple[str, str], ...] = ()
    owner: tuple[int, int] | None = None
