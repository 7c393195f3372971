"""The types of the control protocol: what goes over the socket, and what `status --json` prints.

Knows nothing of sockets, services or files. Every name here stands in `io.asyncinit.varlink` too; a unit test compares
the two in both directions. Keys are only ever added; every key is always there (null where there is nothing to say).
Times are RFC 3339 in UTC with milliseconds, signals are numbers, pids are those of asyncinit's own PID namespace (the
client translates them).
"""

from asyncinit.config.spec import ServiceType
from asyncinit.control.types.acts import (
    ActionResult,
    ActParameters,
    ActReply,
    ReexecReply,
    RestartParameters,
    ShutdownParameters,
    SignalParameters,
)
from asyncinit.control.types.configuring import (
    ChangeEffect,
    ChangeKind,
    ReloadConfigParameters,
    ReloadConfigReply,
    ScaleParameters,
    ServiceChange,
)
from asyncinit.control.types.crashes import CrashesParameters, CrashesReply, CrashReport, LeftOver, ResourceUse
from asyncinit.control.types.diagnosis import Check, DoctorReply, Grade, Outlived, ProcessEntry, Standing
from asyncinit.control.types.errors import (
    ActionFailed,
    Failed,
    InvalidConfiguration,
    NoSuchService,
    NotAllowed,
    Refused,
)
from asyncinit.control.types.insight import (
    ExecPlanParameters,
    ExecPlanReply,
    ExplainLink,
    ExplainParameters,
    ExplainReply,
    GraphNode,
    GraphReply,
    ShutdownPlanReply,
    StartTimes,
    StartupReply,
    StopShare,
)
from asyncinit.control.types.records import (
    EventEntry,
    EventKind,
    EventsParameters,
    EventsReply,
    LogEntry,
    LogsParameters,
    LogsReply,
)
from asyncinit.control.types.status import (
    ExitInfo,
    HealthStatus,
    LogFile,
    LogStatus,
    ReasonStatus,
    ServiceStatus,
    ShowParameters,
    ShowReply,
    StatusParameters,
    StatusReply,
    SystemState,
    SystemStatus,
    TimersParameters,
    TimersReply,
    TimerStatus,
)
from asyncinit.control.types.wire import INTERFACE, Nothing, Wire, sendable, timestamp
from asyncinit.core.status import State

METHODS: dict[str, tuple[type[Wire], type[Wire]]] = {
    "Status": (StatusParameters, StatusReply),
    "Timers": (TimersParameters, TimersReply),
    "Start": (ActParameters, ActReply),
    "Stop": (ActParameters, ActReply),
    "Restart": (RestartParameters, ActReply),
    "Reload": (ActParameters, ActReply),
    "Signal": (SignalParameters, Nothing),
    "Logs": (LogsParameters, LogsReply),
    "Events": (EventsParameters, EventsReply),
    "Show": (ShowParameters, ShowReply),
    "ReloadConfig": (ReloadConfigParameters, ReloadConfigReply),
    "Scale": (ScaleParameters, ReloadConfigReply),
    "Shutdown": (ShutdownParameters, Nothing),
    "Explain": (ExplainParameters, ExplainReply),
    "Crashes": (CrashesParameters, CrashesReply),
    "Startup": (Nothing, StartupReply),
    "ShutdownPlan": (Nothing, ShutdownPlanReply),
    "Graph": (Nothing, GraphReply),
    "ExecPlan": (ExecPlanParameters, ExecPlanReply),
    "Doctor": (Nothing, DoctorReply),
    "Reexec": (Nothing, ReexecReply),
}
"""Every method of the interface: its parameters and its reply."""

READ_METHODS = frozenset(
    {
        *("Status", "Timers", "Logs", "Events", "Show"),
        *("Explain", "Crashes", "Startup", "ShutdownPlan", "Graph", "Doctor"),
    }
)
"""Methods that `control_read` opens to others; all else is for root and asyncinit's own user."""

ERRORS: dict[str, type[Wire]] = {
    "NoSuchService": NoSuchService,
    "NotAllowed": NotAllowed,
    "Refused": Refused,
    "ActionFailed": ActionFailed,
    "InvalidConfiguration": InvalidConfiguration,
    "Failed": Failed,
}
"""Every error of the interface and what it carries."""

TYPES: dict[str, type] = {
    "SystemState": SystemState,
    "ServiceType": ServiceType,
    "State": State,
    "SystemStatus": SystemStatus,
    "ReasonStatus": ReasonStatus,
    "ExitInfo": ExitInfo,
    "HealthStatus": HealthStatus,
    "LogFile": LogFile,
    "LogStatus": LogStatus,
    "ServiceStatus": ServiceStatus,
    "TimerStatus": TimerStatus,
    "LogEntry": LogEntry,
    "EventKind": EventKind,
    "EventEntry": EventEntry,
    "ActionResult": ActionResult,
    "ExplainLink": ExplainLink,
    "ResourceUse": ResourceUse,
    "LeftOver": LeftOver,
    "CrashReport": CrashReport,
    "StartTimes": StartTimes,
    "StopShare": StopShare,
    "GraphNode": GraphNode,
    "Standing": Standing,
    "Grade": Grade,
    "ProcessEntry": ProcessEntry,
    "Check": Check,
    "Outlived": Outlived,
    "ChangeKind": ChangeKind,
    "ChangeEffect": ChangeEffect,
    "ServiceChange": ServiceChange,
}
"""Every named type of the interface (reason codes are strings there: Varlink has no "-" in names)."""

__all__ = [
    "INTERFACE",
    "timestamp",
    "sendable",
    "Wire",
    "Nothing",
    "SystemState",
    "SystemStatus",
    "ReasonStatus",
    "ExitInfo",
    "HealthStatus",
    "LogFile",
    "LogStatus",
    "ServiceStatus",
    "StatusParameters",
    "StatusReply",
    "TimerStatus",
    "TimersParameters",
    "TimersReply",
    "ShowParameters",
    "ShowReply",
    "LogEntry",
    "EventKind",
    "EventEntry",
    "LogsParameters",
    "LogsReply",
    "EventsParameters",
    "EventsReply",
    "ActionResult",
    "ActParameters",
    "RestartParameters",
    "ActReply",
    "SignalParameters",
    "ShutdownParameters",
    "ExplainParameters",
    "ExplainLink",
    "ExplainReply",
    "CrashesParameters",
    "CrashesReply",
    "CrashReport",
    "LeftOver",
    "ResourceUse",
    "StartTimes",
    "StartupReply",
    "StopShare",
    "ShutdownPlanReply",
    "GraphNode",
    "GraphReply",
    "ExecPlanParameters",
    "ExecPlanReply",
    "Standing",
    "Grade",
    "ProcessEntry",
    "Check",
    "Outlived",
    "DoctorReply",
    "ChangeKind",
    "ChangeEffect",
    "ServiceChange",
    "ReloadConfigParameters",
    "ReloadConfigReply",
    "ScaleParameters",
    "ReexecReply",
    "NoSuchService",
    "NotAllowed",
    "Refused",
    "ActionFailed",
    "InvalidConfiguration",
    "Failed",
    "METHODS",
    "READ_METHODS",
    "ERRORS",
    "TYPES",
]
