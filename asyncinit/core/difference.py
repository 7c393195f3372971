"""What a new declaration of a service changes, and what that means for the one that runs. Pure; knows no file.

Every field of `ServiceSpec` has its `Impact` in `IMPACTS`: here, and nowhere else, it is decided what needs a restart.
Whoever adds a field adds its line (a test compares the two). Keys are named as users write them, as far as the
specification still knows: "restart.delay", "environment.PORT".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.spec import CGROUP_KEYS, InitSpec, Limits, Log, Ready, ReadyKind, ServiceSpec, Sign, pod_of_key


class Impact(IntEnum):
    """What a change of a field means for a service that runs; the greatest of several counts.

    UNSEEN: it is taken over, and nobody is told. NOW: it holds from now on, for what runs too. NEXT_START: it holds
    from the next start on, whenever that is. RESTART: the process would have to be another one.
    """

    UNSEEN = 0
    NOW = 1
    NEXT_START = 2
    RESTART = 3


IMPACTS: Mapping[str, Impact] = {
    "name": Impact.UNSEEN,
    "type": Impact.RESTART,
    "command": Impact.RESTART,
    "description": Impact.NOW,
    "enabled": Impact.NOW,
    "essential": Impact.NOW,
    "prefer": Impact.NEXT_START,
    "working_directory": Impact.RESTART,
    "user": Impact.RESTART,
    "group": Impact.RESTART,
    "supplementary_groups": Impact.RESTART,
    "umask": Impact.RESTART,
    "environment": Impact.RESTART,
    "environment_file": Impact.RESTART,
    "clear_environment": Impact.RESTART,
    "unset_environment": Impact.RESTART,
    "tty": Impact.RESTART,
    "success_exit": Impact.NOW,
    "watchdog": Impact.RESTART,
    "requires": Impact.NOW,
    "wants": Impact.NOW,
    "after": Impact.NOW,
    "before": Impact.NOW,
    "binds_to": Impact.NOW,
    "conflicts": Impact.NOW,
    "on_failure": Impact.NOW,
    "on_success": Impact.NOW,
    "awaits": Impact.UNSEEN,
    "condition": Impact.NEXT_START,
    "directories": Impact.RESTART,
    "limits": Impact.RESTART,  # but see _of_limits
    "namespaces": Impact.RESTART,
    "security": Impact.RESTART,
    "ready": Impact.NEXT_START,  # but see _of_ready
    "restart": Impact.NOW,
    "stop": Impact.NOW,
    "reload": Impact.NOW,
    "hooks": Impact.NEXT_START,
    "health": Impact.NOW,
    "log": Impact.NOW,  # but see _of_log
    "timer": Impact.NOW,
    "watch": Impact.NOW,
    "sockets": Impact.RESTART,
    "on_demand": Impact.NOW,
    "idle_stop": Impact.NOW,
    "handover": Impact.NOW,
    "inherit_stdio": Impact.RESTART,
    "foreground": Impact.RESTART,
    "origin": Impact.UNSEEN,
    "summoned": Impact.UNSEEN,
    "pod": Impact.RESTART,
    "sandbox": Impact.RESTART,
    "inner": Impact.RESTART,
}

# What holds from now on, but not for a stop that is under way: that ends as it has begun.
_OF_A_STOP = frozenset({"stop"})
# Kinds of readiness that the process was given something for (a variable, a descriptor), or that name its main process.
_GIVEN = frozenset({ReadyKind.NOTIFY, ReadyKind.NOTIFY_FD, ReadyKind.PID_FILE})


class Change(Struct, frozen=True):
    """How a declaration differs from the one before: the keys concerned, and what they mean together."""

    keys: tuple[str, ...]
    impact: Impact


def between(old: ServiceSpec, new: ServiceSpec) -> Change | None:
    """Return how `new` differs from `old`, None if in nothing."""
    fields = [field for field in IMPACTS if getattr(old, field) != getattr(new, field)]
    if not fields:
        return None
    keys = [key for field in fields if IMPACTS[field] is not Impact.UNSEEN for key in _keys(field, old, new)]
    return Change(tuple(keys), max(_impact(field, old, new) for field in fields))


def _impact(field: str, old: ServiceSpec, new: ServiceSpec) -> Impact:
    if field == "ready":
        return _of_ready(old.ready, new.ready)
    if field == "log":
        return _of_log(old.log, new.log)
    if field == "limits":
        return _of_limits(old.limits, new.limits)
    return IMPACTS[field]


def _of_ready(old: Ready, new: Ready) -> Impact:
    return Impact.RESTART if _given(old) != _given(new) else Impact.NEXT_START


def _given(sign: Sign) -> set[tuple[ReadyKind, int]]:
    own = {(sign.kind, sign.descriptor)} if sign.kind in _GIVEN else set()
    return own.union(*map(_given, sign.parts))


def _of_log(old: Log, new: Log) -> Impact:
    """What a process has as its output is its own; what asyncinit reads goes elsewhere from now on."""
    return Impact.NOW if old.given == new.given else Impact.RESTART


def _of_limits(old: Limits, new: Limits) -> Impact:
    """What a process has taken is its own; what its cgroup says holds at once, if it was made for that."""
    return Impact.NOW if _limits_in_force(old, new) == new else Impact.RESTART


def _limits_in_force(old: Limits, new: Limits) -> Limits:
    if not old.cgroup_keys:
        return old  # it may run in no cgroup
    return replace(old, **{key: getattr(new, key) for key in CGROUP_KEYS if key != "delegate"})


def _keys(field: str, old: ServiceSpec, new: ServiceSpec) -> Iterator[str]:
    """Return the keys below a field that differ, or its own name where it has none below."""
    before, after = getattr(old, field), getattr(new, field)
    if field == "binds_to" and old.pod != new.pod and _without_pod(before) == _without_pod(after):
        return  # it follows from the pod
    if isinstance(before, Sign) and isinstance(after, Sign) and _sign(before) != _sign(after):
        kinds = (one.kind for one in (before, after) if one.kind is not ReadyKind.EXEC)
        yield from dict.fromkeys(f"{field}.{kind}" for kind in kinds)
        parts = (part for part in before.__struct_fields__ if part not in Sign.__struct_fields__)
        yield from (f"{field}.{part}" for part in parts if getattr(before, part) != getattr(after, part))
    elif isinstance(before, Mapping):
        yield from (f"{field}.{key}" for key in sorted({*before, *after}) if before.get(key) != after.get(key))
    elif isinstance(before, Struct) and type(before) is type(after) and field != "command":
        fields = before.__struct_fields__
        yield from (f"{field}.{part}" for part in fields if getattr(before, part) != getattr(after, part))
    else:
        yield field


def _without_pod(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if pod_of_key(name) is None)


def _sign(sign: Sign) -> tuple[object, ...]:
    return tuple(getattr(sign, name) for name in Sign.__struct_fields__)


def in_force(old: ServiceSpec, new: ServiceSpec, stopping: bool) -> ServiceSpec:
    """Return what holds of `new` for a run that began under `old`; `stopping`: a stop of it is under way."""
    now = {
        field: getattr(new, field)
        for field, impact in IMPACTS.items()
        if impact <= Impact.NOW and not (stopping and field in _OF_A_STOP)
    }
    return replace(old, **now, limits=_limits_in_force(old.limits, new.limits))


# ---------------------------------------------------------------------------------------------------------------------
# asyncinit itself

INIT_IMPACTS: Mapping[str, Impact] = {
    "start": Impact.NOW,
    "control_socket": Impact.RESTART,
    "control_read": Impact.NOW,
    "shutdown_timeout": Impact.NOW,
    "exit_codes": Impact.NOW,
    "keep_running": Impact.NOW,
    "log_format": Impact.RESTART,
    "log_level": Impact.NOW,
    "log": Impact.NOW,
    "spawn": Impact.NOW,
    "cgroups": Impact.RESTART,
    "crash_dir": Impact.NOW,
    "crash_keep": Impact.NOW,
    "termination_log": Impact.NOW,
    "oom_score_adj": Impact.NOW,
    "watchdog": Impact.NOW,
    "watchdog_device": Impact.NOW,
}
"""The same for [init]: NOW, or RESTART: only another asyncinit has it."""


class InitChange(Struct, frozen=True):
    """Keys of [init] that differ: those that hold `now`, and those that need another asyncinit (`at_restart`)."""

    now: tuple[str, ...] = ()
    at_restart: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.now or self.at_restart)


def between_inits(old: InitSpec, new: InitSpec) -> InitChange:
    """Return how [init] differs."""
    fields = [field for field in INIT_IMPACTS if getattr(old, field) != getattr(new, field)]
    return InitChange(
        now=tuple(field for field in fields if INIT_IMPACTS[field] is Impact.NOW),
        at_restart=tuple(field for field in fields if INIT_IMPACTS[field] is Impact.RESTART),
    )


def init_in_force(old: InitSpec, new: InitSpec) -> InitSpec:
    """Return what holds of `new` for an asyncinit that began under `old`."""
    return replace(old, **{field: getattr(new, field) for field in between_inits(old, new).now})
