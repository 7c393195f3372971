"""What a service's processes give up, resolved; takes nothing from anybody."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

KILL = "kill"
"""The action of a filter that ends the process; the others are names of errnos."""


class ProtectSystem(StrEnum):
    """What of the system's files cannot be written to: /usr and /boot; /etc too; all but what is said to be."""

    NO = "no"
    YES = "yes"
    FULL = "full"
    STRICT = "strict"


class ProtectHome(StrEnum):
    """What becomes of the folders of people: they are hidden, or cannot be written to."""

    NO = "no"
    YES = "yes"
    READ_ONLY = "read-only"


class Seccomp(Struct, frozen=True):
    """Which system calls there are: names of calls and sets of them; `action` is an errno's name or KILL.

    `allow` None: all but those of `deny`.
    """

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    action: str = "EPERM"


class Landlock(Struct, frozen=True):
    """Which files and ports there are: paths ("-" before one: may be absent), and TCP ports; None: all of that kind."""

    read: tuple[str, ...] | None = None
    write: tuple[str, ...] | None = None
    execute: tuple[str, ...] | None = None
    bind_tcp: tuple[int, ...] | None = None
    connect_tcp: tuple[int, ...] | None = None

    @property
    def has_paths(self) -> bool:
        """Whether it says anything of files."""
        return not (self.read is None and self.write is None and self.execute is None)


class Security(Struct, frozen=True, omit_defaults=True):
    """The [security] section.

    `capabilities` are words for `capabilities.bits`, None: as ours. `no_new_privileges` None: where another key takes
    it. In the lists of paths "-" before one means that it may be absent. `credentials` are files by the names under
    which the service finds them.
    """

    no_new_privileges: bool | None = None
    capabilities: tuple[str, ...] | None = None
    ambient_capabilities: tuple[str, ...] = ()
    seccomp: Seccomp | None = None
    landlock: Landlock | None = None
    private_tmp: bool = False
    private_dev: bool = False
    protect_system: ProtectSystem = ProtectSystem.NO
    protect_home: ProtectHome = ProtectHome.NO
    protect_kernel: bool = False
    read_only_paths: tuple[str, ...] = ()
    write_paths: tuple[str, ...] = ()
    hidden_paths: tuple[str, ...] = ()
    credentials: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self != _NOTHING

    @property
    def gains_nothing(self) -> bool:
        """Whether no program gives its processes more than they have: seccomp and landlock take that."""
        if self.no_new_privileges is not None:
            return self.no_new_privileges
        return self.seccomp is not None or self.landlock is not None


_NOTHING = Security()
