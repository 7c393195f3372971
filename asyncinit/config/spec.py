"""What is declared, resolved: the types that the core and the runtime see.

Every value here is final: durations are seconds (`math.inf` for "none"), sizes are bytes, signals are numbers, commands
are argument lists, names are full. The file format, its defaults and its errors belong to the other modules of this
package; nothing here reads a file, a clock or the environment. They are msgspec structs, not dataclasses: quicker to
define (PID 1 shall be quick to start); `msgspec.structs.replace` makes changed copies.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from enum import Enum, StrEnum
from types import MappingProxyType

from msgspec import Struct, field

NONE = math.inf
"""What "none" means for a duration: it never ends."""


class ServiceType(StrEnum):
    """What a service is: a process that stays, one that completes, or a name for a group."""

    SERVICE = "service"
    ONESHOT = "oneshot"
    TARGET = "target"


class Scope(StrEnum):
    """Who gets the stop signals; the final kill always reaches the tree."""

    PROCESS = "process"
    GROUP = "group"
    TREE = "tree"


class RestartPolicy(StrEnum):
    """After which ends a service is restarted by itself."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    ON_ABNORMAL = "on-abnormal"
    NEVER = "never"


class GiveUp(StrEnum):
    """What happens to the system when a service has failed for good."""

    NONE = "none"
    SHUTDOWN = "shutdown"
    REBOOT = "reboot"


class Cause(StrEnum):
    """Ends that have a name of their own in `restart.on` and `restart.never_on`."""

    OOM = "oom"
    HEALTH = "health"
    WATCHDOG = "watchdog"


class Command(Struct, frozen=True):
    """A program and its arguments.

    With `expand`, `${NAME}` in each word is replaced from the service's environment when the command is run (one word
    stays one). A `shell = true` text is ("/bin/sh", "-c", text) with `expand` false: the shell expands it.
    """

    argv: tuple[str, ...]
    expand: bool = True


class Hook(Struct, frozen=True):
    """One command of [hooks]; `user` None: as the service's user; `timeout` in seconds."""

    command: Command
    user: str | None = None
    timeout: float = 30.0
    ignore_failure: bool = False


class Hooks(Struct, frozen=True):
    """The commands around a service's life, each list run in order."""

    pre_start: tuple[Hook, ...] = ()
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    post_stop: tuple[Hook, ...] = ()


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


PROBE_KINDS = frozenset({ReadyKind.TCP, ReadyKind.UNIX, ReadyKind.HTTP, ReadyKind.FILE, ReadyKind.COMMAND})
"""Kinds that are asked again and again, as opposed to those that tell by themselves."""


class Ready(Struct, frozen=True):
    """The [ready] section: one kind and its argument.

    `address` holds the text of tcp, unix, http, file, pid_file and log (unexpanded), `descriptor` the number of
    notify_fd, `command` the command of command. `timeout` is for the whole start, `interval` between probes once the
    first quick ones (0, 50, 100, 200 ms ...) have grown to it, `probe_timeout` for one probe; all in seconds.
    """

    kind: ReadyKind = ReadyKind.EXEC
    address: str = ""
    descriptor: int = -1
    command: Command | None = None
    timeout: float = NONE
    interval: float = 1.0
    probe_timeout: float = 1.0


class Outcomes(Struct, frozen=True):
    """A set of ends of a process: exit codes, signal numbers, and causes that have a name."""

    codes: frozenset[int] = frozenset()
    signals: frozenset[int] = frozenset()
    causes: frozenset[Cause] = frozenset()


SUCCESS = Outcomes(codes=frozenset({0}))


class Restart(Struct, frozen=True):
    """The [restart] section; `limit` None is "none"."""

    policy: RestartPolicy = RestartPolicy.ALWAYS
    delay: float = 0.1
    backoff: float = 2.0
    max_delay: float = 30.0
    jitter: float = 0.1
    reset_after: float = 10.0
    limit: int | None = None
    window: float = 60.0
    on: Outcomes = Outcomes()
    never_on: Outcomes = Outcomes()
    on_give_up: GiveUp = GiveUp.NONE


class StopStep(Struct, frozen=True):
    """One step of the stop sequence: send `signal`, then wait `timeout` seconds."""

    signal: int
    timeout: float


class Stop(Struct, frozen=True):
    """The [stop] section: `command` in place of `signal` if given; `escalate` comes between `timeout` and the kill."""

    signal: int = signal.SIGTERM
    command: Command | None = None
    scope: Scope = Scope.GROUP
    timeout: float = 5.0
    escalate: tuple[StopStep, ...] = ()


class Reload(Struct, frozen=True):
    """The [reload] section: `command` in place of `signal` if given."""

    signal: int = signal.SIGHUP
    command: Command | None = None


class Directories(Struct, frozen=True):
    """The [directories] section: names below /run, /var/lib, /var/cache, /var/log; `mode` of each."""

    runtime: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    cache: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    mode: int = 0o755

    def __bool__(self) -> bool:
        return bool(self.runtime or self.state or self.cache or self.logs)


class EnvironmentFile(Struct, frozen=True):
    """A file of NAME=value lines; `optional` (a leading "-") may be absent; `path` is unexpanded."""

    path: str
    optional: bool = False


_EMPTY: Mapping[str, str] = MappingProxyType({})


class ServiceSpec(Struct, frozen=True):
    """One service, as declared.

    `tty` is False, True (a pseudo-terminal of its own) or the path of a terminal device. `user` and `group` are names
    or decimal ids, None for our own. `command` is None for a target alone. `origin` is the file it came from.
    `awaits` is asyncinit's own edge (`-- CMD` waits for every service): it orders the start and fails with what it
    waits for, but no stop goes over it. `inherit_stdio` and `foreground` are for CMD too.
    """

    name: str
    type: ServiceType = ServiceType.SERVICE
    command: Command | None = None
    description: str = ""
    enabled: bool = True
    essential: bool = False
    prefer: frozenset[str] = frozenset()
    working_directory: str | None = None
    user: str | None = None
    group: str | None = None
    supplementary_groups: tuple[str, ...] | None = None
    umask: int | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    environment_file: tuple[EnvironmentFile, ...] = ()
    clear_environment: bool = False
    unset_environment: tuple[str, ...] = ()
    tty: bool | str = False
    success_exit: Outcomes = SUCCESS
    requires: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    binds_to: tuple[str, ...] = ()
    awaits: tuple[str, ...] = ()
    directories: Directories = Directories()
    ready: Ready = Ready()
    restart: Restart = Restart()
    stop: Stop = Stop()
    reload: Reload = Reload()
    hooks: Hooks = Hooks()
    inherit_stdio: bool = False
    foreground: bool = False
    origin: str = ""


class LogFormat(StrEnum):
    """How asyncinit writes what its services say."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"
    RAW = "raw"


class LogLevel(Enum):
    """How much asyncinit says of itself."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


class SpawnMethod(StrEnum):
    """How children are made: `auto` picks per service."""

    AUTO = "auto"
    POSIX_SPAWN = "posix_spawn"
    FORK = "fork"


class InitSpec(Struct, frozen=True):
    """The [init] section. `control_read` is "owner", "all" or "group:NAME"; `shutdown_timeout` in seconds."""

    start: tuple[str, ...] = ()
    control_socket: str | None = None
    control_read: str = "owner"
    shutdown_timeout: float = 9.0
    exit_codes: Mapping[int, int] = field(default_factory=dict)
    keep_running: bool = False
    log_format: LogFormat = LogFormat.AUTO
    log_level: LogLevel = LogLevel.INFO
    spawn: SpawnMethod = SpawnMethod.AUTO


class Configuration(Struct, frozen=True):
    """All that was declared: a consistent whole (names exist, no cycle), made by `config.load`.

    `sources` has, for each service, the origin of each key that was set in a file: {"web": {"stop.timeout":
    "services.d/web.toml:12"}}; `files` are the files that were read, in order.
    """

    init: InitSpec
    services: Mapping[str, ServiceSpec]
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
