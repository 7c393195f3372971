"""From a specification back to the keys that declare it: the inverse of `resolve`, for showing."""

from __future__ import annotations

from typing import Any

from asyncinit.config import spec
from asyncinit.config.values import format_duration, format_outcomes, format_signal

Keys = dict[str, Any]


def declare(service: spec.ServiceSpec) -> Keys:
    """Return the keys that resolve to `service`, all that have a value, in the order of the reference."""
    target = service.type is spec.ServiceType.TARGET
    keys: Keys = {"description": service.description, "type": str(service.type)}
    if not target and service.command is not None:
        keys |= _main_command(service.command)
    keys["enabled"] = service.enabled
    if not target:
        keys |= _process(service)
    keys |= {
        "requires": list(service.requires),
        "wants": list(service.wants),
        "after": list(service.after),
        "before": list(service.before),
        "binds_to": list(service.binds_to),
    }
    if not target:
        keys |= _tables(service)
    return _filled(keys)


_EVEN_EMPTY = frozenset(("supplementary_groups", "success_exit"))  # empty is not what they are by default


def _filled(keys: Keys) -> Keys:
    """Return the keys that say something: without what is unset or empty."""
    return {key: value for key, value in keys.items() if _says(value) or (key in _EVEN_EMPTY and value is not None)}


def _says(value: object) -> bool:
    return value is not None and value not in ("", [], {})


def _main_command(command: spec.Command) -> Keys:
    if not command.expand and command.argv[:2] == ("/bin/sh", "-c") and len(command.argv) == 3:
        return {"command": command.argv[2], "shell": True}
    return {"command": list(command.argv)}


def _process(service: spec.ServiceSpec) -> Keys:
    return {
        "essential": service.essential,
        "prefer": sorted(service.prefer),
        "working_directory": service.working_directory,
        "user": service.user,
        "group": service.group,
        "supplementary_groups": None if service.supplementary_groups is None else list(service.supplementary_groups),
        "umask": None if service.umask is None else f"{service.umask:04o}",
        "environment": dict(service.environment),
        "environment_file": [("-" if file.optional else "") + file.path for file in service.environment_file],
        "clear_environment": service.clear_environment,
        "unset_environment": list(service.unset_environment),
        "tty": service.tty,
        "success_exit": format_outcomes(service.success_exit),
    }


def _tables(service: spec.ServiceSpec) -> Keys:
    directories = service.directories
    named = {
        "runtime": list(directories.runtime),
        "state": list(directories.state),
        "cache": list(directories.cache),
        "logs": list(directories.logs),
    }
    reload = service.reload
    return {
        "directories": _filled({**named, "mode": f"{directories.mode:04o}"}) if directories else {},
        "ready": _ready(service),
        "restart": _restart(service.restart),
        "stop": _stop(service.stop),
        "reload": {"command": list(reload.command.argv)}
        if reload.command
        else {"signal": format_signal(reload.signal)},
        "hooks": _filled(
            {
                stage: [_hook(hook) for hook in getattr(service.hooks, stage)]
                for stage in ("pre_start", "post_start", "pre_stop", "post_stop")
            }
        ),
    }


def _ready(service: spec.ServiceSpec) -> Keys:
    ready = service.ready
    keys: Keys = {}
    match ready.kind:
        case spec.ReadyKind.EXEC:
            pass
        case spec.ReadyKind.NOTIFY:
            keys["notify"] = True
        case spec.ReadyKind.NOTIFY_FD:
            keys["notify_fd"] = ready.descriptor
        case spec.ReadyKind.COMMAND:
            keys["command"] = list(ready.command.argv) if ready.command else []
        case _:
            keys[str(ready.kind)] = ready.address
    keys["timeout"] = format_duration(ready.timeout)
    if ready.kind in spec.PROBE_KINDS or ready.kind is spec.ReadyKind.PID_FILE:
        keys["interval"] = format_duration(ready.interval)
        keys["probe_timeout"] = format_duration(ready.probe_timeout)
    return keys


def _restart(restart: spec.Restart) -> Keys:
    return _filled(
        {
            "policy": str(restart.policy),
            "delay": format_duration(restart.delay),
            "backoff": restart.backoff,
            "max_delay": format_duration(restart.max_delay),
            "jitter": restart.jitter,
            "reset_after": format_duration(restart.reset_after),
            "limit": "none" if restart.limit is None else restart.limit,
            "window": format_duration(restart.window),
            "on": format_outcomes(restart.on),
            "never_on": format_outcomes(restart.never_on),
            "on_give_up": str(restart.on_give_up),
        }
    )


def _stop(stop: spec.Stop) -> Keys:
    return _filled(
        {
            "signal": None if stop.command else format_signal(stop.signal),
            "command": list(stop.command.argv) if stop.command else None,
            "scope": str(stop.scope),
            "timeout": format_duration(stop.timeout),
            "escalate": [
                {"signal": format_signal(step.signal), "timeout": format_duration(step.timeout)}
                for step in stop.escalate
            ],
        }
    )


def _hook(hook: spec.Hook) -> list[str] | Keys:
    words = list(hook.command.argv)
    if hook == spec.Hook(hook.command):
        return words
    keys: Keys = {"command": words, "user": hook.user, "timeout": format_duration(hook.timeout)}
    return _filled({**keys, "ignore_failure": hook.ignore_failure})
