"""What is declared, resolved: the types that the core and the runtime see.

Every value here is final: durations are seconds (`math.inf` for "none"), sizes are bytes, signals are numbers, commands
are argument lists, names are full. The file format, its defaults and its errors belong to the other modules of this
package; nothing here reads a file, a clock or the environment. They are msgspec structs, not dataclasses: quicker to
define (PID 1 shall be quick to start); `msgspec.structs.replace` makes changed copies.
"""

from asyncinit.config.spec.command import Command, Hook, Hooks
from asyncinit.config.spec.condition import PATH_CHECKS, Check, CheckKind, Condition
from asyncinit.config.spec.ending import (
    SUCCESS,
    Cause,
    GiveUp,
    Outcomes,
    Reload,
    Restart,
    RestartPolicy,
    Scope,
    Stop,
    StopStep,
)
from asyncinit.config.spec.health import Health, HealthAction
from asyncinit.config.spec.limits import INFINITE, REAL_TIME, IoClass, Limits, Rlimit, Scheduler
from asyncinit.config.spec.log import (
    CONSOLE,
    FACILITIES,
    FILE,
    INHERIT,
    NULL,
    SERVICE,
    SYSLOG,
    Log,
    LogFormat,
    WhenFull,
)
from asyncinit.config.spec.mounts import Mount, MountKind
from asyncinit.config.spec.namespaces import Belonging, IdRange, NamespaceKind, Namespaces
from asyncinit.config.spec.pods import POD_PREFIX, SHARED, Pod, PodInit, PodTree, pod_key, pod_of_key
from asyncinit.config.spec.ready import COMBINED_KINDS, NONE, PROBE_KINDS, Ready, ReadyKind, Sign
from asyncinit.config.spec.security import KILL, Landlock, Seccomp, Security
from asyncinit.config.spec.service import Directories, EnvironmentFile, ServiceSpec, ServiceType
from asyncinit.config.spec.sockets import BACKLOG, Handover, Socket, SocketKind
from asyncinit.config.spec.timer import SHORT_FORMS, Overlap, Timer, five_fields, names_moments
from asyncinit.config.spec.whole import (
    NO_INSTANCES,
    Configuration,
    InitSpec,
    Instances,
    LogLevel,
    Origin,
    Source,
    Sources,
    SpawnMethod,
)

__all__ = [
    "Command",
    "Hook",
    "Hooks",
    "PATH_CHECKS",
    "Check",
    "CheckKind",
    "Condition",
    "CONSOLE",
    "FILE",
    "SYSLOG",
    "INHERIT",
    "NULL",
    "SERVICE",
    "FACILITIES",
    "WhenFull",
    "Log",
    "NONE",
    "ReadyKind",
    "PROBE_KINDS",
    "COMBINED_KINDS",
    "Sign",
    "Ready",
    "HealthAction",
    "Health",
    "Scope",
    "RestartPolicy",
    "GiveUp",
    "Cause",
    "Outcomes",
    "SUCCESS",
    "Restart",
    "StopStep",
    "Stop",
    "Reload",
    "SocketKind",
    "BACKLOG",
    "Socket",
    "Handover",
    "POD_PREFIX",
    "SHARED",
    "Pod",
    "PodInit",
    "PodTree",
    "pod_key",
    "pod_of_key",
    "ServiceType",
    "INFINITE",
    "IoClass",
    "Scheduler",
    "REAL_TIME",
    "Rlimit",
    "Limits",
    "Mount",
    "MountKind",
    "Belonging",
    "IdRange",
    "NamespaceKind",
    "Namespaces",
    "KILL",
    "Landlock",
    "Seccomp",
    "Security",
    "Directories",
    "EnvironmentFile",
    "ServiceSpec",
    "SHORT_FORMS",
    "Overlap",
    "Timer",
    "five_fields",
    "names_moments",
    "LogFormat",
    "LogLevel",
    "SpawnMethod",
    "InitSpec",
    "NO_INSTANCES",
    "Instances",
    "Source",
    "Origin",
    "Sources",
    "Configuration",
]
