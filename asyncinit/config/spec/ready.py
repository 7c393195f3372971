"""How a service tells that it is ready, resolved; probes nothing."""

from __future__ import annotations

import math
from enum import StrEnum

from msgspec import Struct

from asyncinit.config.spec.command import Command

NONE = math.inf
"""What "none" means for a duration: it never ends."""


class ReadyKind(StrEnum):
    """How a service tells that it is ready; `exec`: by having been executed (a oneshot: by completing)."""

    EXEC = "exec"
    NOTIFY = "notify"
    NOTIFY_FD = "notify_fd"
    TCP = "tcp"
    UNIX = "unix"
    HTTP = "http"
    FILE = "file"
    COMMAND = "command"
    PID_FILE = "pid_file"
    LOG = "log"
    ALL = "all"
    ANY = "any"


PROBE_KINDS = frozenset({ReadyKind.TCP, ReadyKind.UNIX, ReadyKind.HTTP, ReadyKind.FILE, ReadyKind.COMMAND})
"""Kinds that are asked again and again, as opposed to those that tell by themselves."""

COMBINED_KINDS = frozenset({ReadyKind.ALL, ReadyKind.ANY})
"""Kinds that are made of others."""


class Sign(Struct, frozen=True):
    """A sign that a service works: its kind and argument.

    `address` holds the text of tcp, unix, http, file, pid_file and log (unexpanded), `descriptor` the number of
    notify_fd, `command` the command of command, `parts` what all and any combine.
    """

    kind: ReadyKind = ReadyKind.EXEC
    address: str = ""
    descriptor: int = -1
    command: Command | None = None
    parts: tuple[Sign, ...] = ()

    def has(self, kind: ReadyKind) -> bool:
        """Tell whether it is of this kind, or one of its parts is."""
        return self.kind is kind or any(part.has(kind) for part in self.parts)


class Ready(Sign, frozen=True):
    """The [ready] section.

    `timeout` is for the whole start, `interval` between probes once the first quick ones (0, 50, 100, 200 ms ...) have
    grown to it, `probe_timeout` for one probe; all in seconds.
    """

    timeout: float = NONE
    interval: float = 1.0
    probe_timeout: float = 1.0
