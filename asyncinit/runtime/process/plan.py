"""What a new process shall be, as plain data; knows nothing of how it is made nor of services.

A plan is complete: names are ids, words are expanded, descriptors are open. The spawner only carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from msgspec import Struct

from asyncinit.config.spec import Limits, Security, SpawnMethod


class Credentials(Struct, frozen=True):
    """Who a process runs as; `groups` None: the supplementary groups stay as they are.

    `name` and `group_name` are what the user wrote ("www-data"), for messages only.
    """

    uid: int
    gid: int
    groups: tuple[int, ...] | None = None
    name: str = ""
    group_name: str = ""

    def __str__(self) -> str:
        return self.name or str(self.uid)


NO_LIMITS = Limits()
NO_SECURITY = Security()


class Session(Enum):
    """Where a process stands among sessions and process groups.

    `NEW`: leader of its own session. `GROUP`: leader of its own process group in our session. `FOREGROUND`: as GROUP,
    and that group becomes the foreground group of our terminal, if descriptor 0, 1 or 2 of the plan is one.
    """

    NEW = "new"
    GROUP = "group"
    FOREGROUND = "foreground"


@dataclass(frozen=True, slots=True)
class ExecPlan:
    """A program and all that it starts with.

    `argv[0]` is looked up in the PATH of `environment` (its own default where there is none) unless it has a slash; a
    relative path counts from `working_directory`. `stdin`, `stdout` and `stderr` are descriptors of ours, -1 is
    /dev/null; `extra` are pairs (ours, the child's number from 3 up). They may overlap in any way; the caller keeps
    and closes its own. `terminal` is a device that becomes the controlling terminal on 0, 1 and 2 (of a new session),
    and replaces stdin, stdout and stderr. `umask` and `working_directory` None: as ours. `method` is a preference:
    what posix_spawn cannot do is done by fork. `open_files` is its RLIMIT_NOFILE (soft, hard) where `limits` has none,
    None: as ours.
    `pid_variables` are names of environment variables that get the process's own pid (WATCHDOG_PID).
    `security` has no variables in its paths; of its `seccomp`, which is not looked at, `system_call_filter` is made.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    extra: tuple[tuple[int, int], ...] = ()
    working_directory: str | None = None
    credentials: Credentials | None = None
    umask: int | None = None
    session: Session = Session.NEW
    terminal: str | None = None
    method: SpawnMethod = SpawnMethod.AUTO
    open_files: tuple[int, int] | None = None
    pid_variables: tuple[str, ...] = ()
    limits: Limits = NO_LIMITS
    security: Security = NO_SECURITY
    system_call_filter: bytes = b""
