"""One service as declared, resolved: all its keys in one value."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct, field

from asyncinit.config.spec.command import Command, Hook, Hooks
from asyncinit.config.spec.condition import Condition
from asyncinit.config.spec.ending import SUCCESS, Outcomes, Reload, Restart, Stop
from asyncinit.config.spec.health import Health
from asyncinit.config.spec.limits import Limits
from asyncinit.config.spec.log import Log
from asyncinit.config.spec.namespaces import Namespaces
from asyncinit.config.spec.pods import POD_PREFIX, Pod, PodInit
from asyncinit.config.spec.ready import NONE, Ready, ReadyKind
from asyncinit.config.spec.security import Security
from asyncinit.config.spec.sockets import Handover, Socket
from asyncinit.config.spec.timer import Timer
from asyncinit.config.spec.watch import Watch


class ServiceType(StrEnum):
    """What a service is: a process that stays, one that completes, a name for a group, or (ours alone) a pod."""

    SERVICE = "service"
    ONESHOT = "oneshot"
    TARGET = "target"
    POD = "pod"


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
    or decimal ids, None for our own. `command` is None for a target alone. `watchdog` is in seconds. `origin` is the
    file it came from. `on_demand`: started by the first connection to one of `sockets`, and stopped `idle_stop` seconds
    after the last. `awaits` is asyncinit's own edge (`-- CMD` waits for every service): it orders the start and fails
    with what it waits for, but no stop goes over it. `inherit_stdio` and `foreground` are for CMD too. `summoned`: an
    instance of a template that is there because others name it: they start it, and nothing else does. `pod` is the one
    that it is a member of. A pod itself (`POD`) is a service of ours, called by `pod_key`, with a `sandbox`; `inner`
    are the services of one that has an asyncinit of its own.
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
    watchdog: float = NONE
    requires: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    binds_to: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    on_success: tuple[str, ...] = ()
    awaits: tuple[str, ...] = ()
    condition: Condition = Condition()
    directories: Directories = Directories()
    limits: Limits = Limits()
    namespaces: Namespaces = Namespaces()
    security: Security = Security()
    ready: Ready = Ready()
    restart: Restart = Restart()
    stop: Stop = Stop()
    reload: Reload = Reload()
    hooks: Hooks = Hooks()
    health: Health | None = None
    log: Log = Log()
    timer: Timer | None = None
    watch: Watch | None = None
    sockets: tuple[Socket, ...] = ()
    on_demand: bool = False
    idle_stop: float = NONE
    handover: Handover = Handover.NONE
    inherit_stdio: bool = False
    foreground: bool = False
    origin: str = ""
    summoned: bool = False
    pod: str | None = None
    sandbox: Pod | None = None
    inner: tuple[ServiceSpec, ...] = ()

    @property
    def has_process(self) -> bool:
        """Whether it has a process of its own: not a target, nor a pod whose first process is a service."""
        hollow = self.sandbox is not None and self.sandbox.init is PodInit.FIRST
        return self.type is not ServiceType.TARGET and not hollow

    @property
    def is_undone(self) -> bool:
        """Whether it is a oneshot that stays in force once it has completed, until its stop command undoes it.

        One that a timer starts is not: it has to be at rest to be started again.
        """
        return self.type is ServiceType.ONESHOT and self.stop.command is not None and self.timer is None

    @property
    def before_stop(self) -> tuple[Hook, ...]:
        """Return what runs before the first signal of a stop: the pre_stop hooks, and what undoes a oneshot."""
        command = self.stop.command if self.is_undone else None
        undo = () if command is None else (Hook(command, timeout=self.stop.timeout),)
        return (*self.hooks.pre_stop, *undo)

    @property
    def has_simple_init(self) -> bool:
        """Whether its main process is asyncinit's simple init."""
        return self.sandbox is not None and self.sandbox.init is PodInit.SIMPLE

    @property
    def pod_name(self) -> str:
        """Return what a pod is called by users; an empty string for a service."""
        return "" if self.sandbox is None else self.name.removeprefix(POD_PREFIX)

    @property
    def only_for_others(self) -> bool:
        """Whether it is nothing to stay for: a target, or a pod whose members are services of their own."""
        inside = self.sandbox is not None and self.sandbox.init is PodInit.ASYNCINIT
        return self.type in {ServiceType.TARGET, ServiceType.POD} and not inside

    @property
    def instance(self) -> str:
        """Return the instance of its template that it is ("8080" of web@8080), or an empty string."""
        return self.name.partition("@")[2]

    @property
    def notifies(self) -> bool:
        """Whether it speaks sd_notify: it gets a socket for that."""
        return self.watchdog != NONE or self.ready.has(ReadyKind.NOTIFY)

    @property
    def guarded(self) -> bool:
        """Whether there may be something to see to while it is up."""
        return self.type is ServiceType.SERVICE and (self.health is not None or self.notifies)
