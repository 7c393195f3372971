"""How a service ends and what follows: stop, reload, restart, and sets of ends; resolved."""

from __future__ import annotations

import signal
from enum import StrEnum

from msgspec import Struct

from asyncinit.config.spec.command import Command


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


class PowerAction(StrEnum):
    """What is done with a machine once all is down."""

    HALT = "halt"
    POWEROFF = "poweroff"
    REBOOT = "reboot"
    KEXEC = "kexec"


class Cause(StrEnum):
    """Ends that have a name of their own in `restart.on` and `restart.never_on`."""

    OOM = "oom"
    HEALTH = "health"
    WATCHDOG = "watchdog"


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
    """The [reload] section: `command` in place of `signal` if given; `timeout` for a reload that it or we see end."""

    signal: int = signal.SIGHUP
    command: Command | None = None
    timeout: float = 90.0
