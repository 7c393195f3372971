"""What a service's processes give up, resolved; takes nothing from anybody."""

from __future__ import annotations

from msgspec import Struct

KILL = "kill"
"""The action of a filter that ends the process; the others are names of errnos."""


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


class Security(Struct, frozen=True):
    """The [security] section.

    `capabilities` are words for `capabilities.bits`, None: as ours. `no_new_privileges` None: where another key takes
    it.
    """

    no_new_privileges: bool | None = None
    capabilities: tuple[str, ...] | None = None
    ambient_capabilities: tuple[str, ...] = ()
    seccomp: Seccomp | None = None
    landlock: Landlock | None = None

    def __bool__(self) -> bool:
        return self != _NOTHING

    @property
    def gains_nothing(self) -> bool:
        """Whether no program gives its processes more than they have: seccomp and landlock take that."""
        if self.no_new_privileges is not None:
            return self.no_new_privileges
        return self.seccomp is not None or self.landlock is not None


_NOTHING = Security()
