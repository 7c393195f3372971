"""What a new process shall be, as plain data; knows nothing of how it is made nor of services.

A plan is complete: names are ids, words are expanded, descriptors are open. The spawner only carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from msgspec import Struct

from asyncinit.config.spec import IdRange, Limits, Mount, NamespaceKind, Security, SpawnMethod
from asyncinit.runtime.process.step import Step


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


class Isolation(Struct, frozen=True):
    """What a process gets as its own, in the steps before its program; all but its PID namespace (see `placement`).

    `own` are the kinds of namespaces that are made; with `joins` they are those of that process, as they are, and the
    rest does not count. Without `uid_map` and `gid_map` a user namespace has what we may
    map: as root each id to itself, else `uid` and `gid` to ours. `root` and the sources of `mounts` are paths outside.
    `entered`: the user namespace is that of the PID namespace which it joins, with these maps.
    """

    own: frozenset[NamespaceKind] = frozenset()
    uid_map: tuple[IdRange, ...] = ()
    gid_map: tuple[IdRange, ...] = ()
    uid: int = 0
    gid: int = 0
    root: str | None = None
    mounts: tuple[Mount, ...] = ()
    hostname: str | None = None
    entered: bool = False
    joins: int | None = None

    def __bool__(self) -> bool:
        return self != _SHARED


_SHARED = Isolation()


class Session(Enum):
    """Where a process stands among sessions and process groups.

    `NEW`: leader of its own session. `GROUP`: leader of its own process group in our session. `FOREGROUND`: as GROUP,
    and that group becomes the foreground group of our terminal, if descriptor 0, 1 or 2 of the plan is one.
    """

    NEW = "new"
    GROUP = "group"
    FOREGROUND = "foreground"


class Pid1(Enum):
    """Who is PID 1 of a new PID namespace.

    `PROGRAM`: the program itself. `INIT`: asyncinit's simple init, and the program is PID 2. `POD`: the simple init
    alone, for programs that join it; it is the program then, and the plan's own is not looked at.
    """

    PROGRAM = "program"
    INIT = "init"
    POD = "pod"


@dataclass(frozen=True, slots=True)
class NewPids:
    """A process is made in a PID namespace of its own.

    `user` is the step by which the user namespace is entered that all of it belongs to. `namespaces` are further kinds
    (keys of `linux.namespaces.FLAGS`) that are made with it. `joinable`: others can join (`JoinedPids`). `shared`: so
    can other services, to whom an orphan that comes to PID 1 may belong; always with POD.
    """

    pid1: Pid1 = Pid1.INIT
    namespaces: frozenset[str] = frozenset()
    joinable: bool = False
    shared: bool = False
    user: Step | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class JoinedPids:
    """A process is made in the PID namespace (and user namespace) of another, `init`: PID 1 or another member of it.

    `namespaces` are further kinds that are joined, of those which were made with it. `inside`: its parent is PID 1 in
    there, so the tree is whole; its end is told by that one, which has to be a simple init. Else its parent is
    asyncinit, which in there is none (0).
    """

    init: int
    inside: bool = True
    namespaces: frozenset[str] = frozenset()


Placement = NewPids | JoinedPids
"""In which PID namespace a process is made, where that is not ours."""


@dataclass(frozen=True, slots=True)
class ExecPlan:
    """A program and all that it starts with.

    `argv[0]` is looked up in the PATH of `environment` (its own default where there is none) unless it has a slash; a
    relative path counts from `working_directory`. `stdin`, `stdout` and `stderr` are descriptors of ours, -1 is
    /dev/null; `extra` are pairs (ours, the child's number from 3 up). They may overlap in any way; the caller keeps
    and closes its own. `terminal` is a device that becomes the controlling terminal on 0, 1 and 2 (of a new session),
    and replaces stdin, stdout and stderr. `umask` and `working_directory` None: as ours. `method` is a preference:
    what posix_spawn cannot do is done by fork. `open_files` is its RLIMIT_NOFILE (soft, hard) where `limits` has none,
    None: as ours. `isolation` is what it does not share with us.
    `cgroup` is the folder of the cgroup that it joins, None: it stays in ours.
    `pid_variables` are names of environment variables that get the process's own pid (WATCHDOG_PID), as itself sees it.
    `security` has no variables in its paths; of its `seccomp`, which is not looked at, `system_call_filter` is made.
    `placement` None: it is made in our own PID namespace.
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
    placement: Placement | None = None
    cgroup: str | None = None
    isolation: Isolation = _SHARED
