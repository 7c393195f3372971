"""What concerns asyncinit as a whole, and all that was declared together; resolved."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum

from msgspec import Struct, field

from asyncinit.config.spec.log import Log, LogFormat
from asyncinit.config.spec.ready import NONE
from asyncinit.config.spec.service import ServiceSpec


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


class CgroupMode(StrEnum):
    """Whether services get cgroups: where that is possible and of use, or not at all."""

    AUTO = "auto"
    NONE = "none"


class InitSpec(Struct, frozen=True):
    """The [init] section. `control_read` is "owner", "all" or "group:NAME"; `shutdown_timeout` in seconds.

    `crash_dir` None: reports stay in memory. `termination_log` None: where Kubernetes expects it, "": nowhere.
    `log` is where asyncinit's own events go. `oom_score_adj` None: as it is. `watchdog` in seconds, `NONE`: not used.
    """

    start: tuple[str, ...] = ()
    control_socket: str | None = None
    control_read: str = "owner"
    shutdown_timeout: float = 9.0
    exit_codes: Mapping[int, int] = field(default_factory=dict)
    keep_running: bool = False
    log_format: LogFormat = LogFormat.AUTO
    log_level: LogLevel = LogLevel.INFO
    log: Log = Log()
    spawn: SpawnMethod = SpawnMethod.AUTO
    cgroups: CgroupMode = CgroupMode.AUTO
    crash_dir: str | None = None
    crash_keep: int = 50
    termination_log: str | None = None
    oom_score_adj: int | None = None
    watchdog: float = NONE
    watchdog_device: str = "/dev/watchdog0"


class Source(Struct, frozen=True):
    """A table of a service's keys: the file that it stands in, the way to it within that, and whose profile it is."""

    path: str
    prefix: tuple[str | int, ...] = ()
    profile: str = ""


class Origin(Struct, frozen=True):
    """Where one service is declared: its own table and what lies over it, the lowest first, and what is below them.

    `defaults` are [defaults] with what lies over it; `environment` are the project's environment files, which are below
    that.
    """

    layers: tuple[Source, ...]
    defaults: tuple[Source, ...] = ()
    environment: tuple[Source, ...] = ()


class Sources(Struct, frozen=True):
    """Where the services are declared, and the `texts` of these files as they were read: they may change.

    What stands where is found out by `config.origins`.
    """

    origins: Mapping[str, Origin] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


class Instances(Struct, frozen=True):
    """Instances of templates that are asked for while asyncinit runs, beside those that the files name.

    `names` are full names; `counts` says for a template how many of its numbered instances there shall be.
    """

    names: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.names or self.counts)


NO_INSTANCES = Instances()
"""Those that the files name, and no others."""


class Configuration(Struct, frozen=True):
    """All that was declared: a consistent whole (names exist, no cycle), made by `config.load`.

    `files` are the files that were read, in order; `templates` has for each that can be used the instances that it
    names itself. Plain data as all that it is made of: it goes through msgspec.
    """

    init: InitSpec
    services: Mapping[str, ServiceSpec]
    sources: Sources = Sources()
    files: tuple[str, ...] = ()
    templates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
