"""How things end: exit statuses, results and reasons, in the words that users see.

Knows nothing of how a status was collected. A status is a code, a signal, or unknown, and is never made up.
"""

from __future__ import annotations

import signal as signals
from enum import StrEnum

from msgspec import Struct

from asyncinit.config.spec import Outcomes


class ExitStatus(Struct, frozen=True):
    """How a process ended: `code`, or `signal` (with `core_dumped`), or neither: unknown."""

    code: int | None = None
    signal: int | None = None
    core_dumped: bool = False

    @property
    def unknown(self) -> bool:
        """Whether nobody could tell us (the process was not our child)."""
        return self.code is None and self.signal is None

    def within(self, outcomes: Outcomes) -> bool:
        """Tell whether this status is one of `outcomes` by code or signal; an unknown one never is."""
        return self.code in outcomes.codes or self.signal in outcomes.signals

    def as_process_exit(self) -> int:
        """Return the exit code by which a shell or Docker tells this status: 128+n for signal n; unknown: 1."""
        if self.code is not None:
            return self.code
        return 128 + self.signal if self.signal is not None else 1

    def __str__(self) -> str:
        if self.code is not None:
            return f"exited with {self.code}"
        if self.signal is not None:
            return f"killed by {signal_name(self.signal)}" + (" (core dumped)" if self.core_dumped else "")
        return "ended with unknown status"


def signal_name(number: int) -> str:
    """Return a signal's name ("SIGTERM", "SIGRTMIN+3"), or its number where it has none."""
    try:
        return signals.Signals(number).name
    except ValueError:
        first = int(signals.SIGRTMIN)
        return f"SIGRTMIN+{number - first}" if first < number <= int(signals.SIGRTMAX) else str(number)


class Code(StrEnum):
    """Why a service is in the state it is in: systemd's SERVICE_RESULT names, and ours."""

    SUCCESS = "success"
    PROTOCOL = "protocol"
    TIMEOUT = "timeout"
    EXIT_CODE = "exit-code"
    SIGNAL = "signal"
    CORE_DUMP = "core-dump"
    WATCHDOG = "watchdog"
    OOM_KILL = "oom-kill"
    START_LIMIT_HIT = "start-limit-hit"
    RESOURCES = "resources"
    DEPENDENCY = "dependency"
    HEALTH = "health"
    HOOK = "hook"
    SPAWN = "spawn"
    CONDITION = "condition"
    POD = "pod"
    CONFIGURATION = "configuration"
    CONFLICT = "conflict"
    WATCH = "watch"


class Reason(Struct, frozen=True):
    """Why: a code for programs, a text for people, and the service that is the cause if it is another one."""

    code: Code
    text: str
    service: str | None = None


class Trigger(Struct, frozen=True):
    """The end of another service that has had this one started: whose, how, and its main process's status if any."""

    service: str
    code: Code
    status: ExitStatus | None = None


class State(StrEnum):
    """What users see of a service's life: derived from the core's phases, stable across versions."""

    INACTIVE = "inactive"
    LISTENING = "listening"
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    RELOADING = "reloading"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    COMPLETED = "completed"
    FAILED = "failed"


def reason_of(status: ExitStatus) -> Reason:
    """Return the reason that a process's own end gives, taken as a failure."""
    if status.signal is not None:
        return Reason(Code.CORE_DUMP if status.core_dumped else Code.SIGNAL, str(status))
    return Reason(Code.EXIT_CODE, str(status))
