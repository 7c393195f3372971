"""From a specification back to the keys that declare it: the inverse of `resolve`, for showing."""

from __future__ import annotations

from asyncinit.config import spec
from asyncinit.config.ends import format_outcomes
from asyncinit.config.sections import (
    condition,
    directories,
    health,
    hooks,
    limits,
    log,
    namespaces,
    pods,
    ready,
    reload,
    restart,
    security,
    sockets,
    stop,
    timer,
    watch,
)
from asyncinit.config.sections.given import Keys, says
from asyncinit.config.values import format_duration


def declare(service: spec.ServiceSpec) -> Keys:
    """Return the keys that resolve to `service`, all that have a value, in the order of the reference."""
    if service.sandbox is not None:
        return pods.declare(service)
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
        "binds_to": [name for name in service.binds_to if spec.pod_of_key(name) is None],
        "conflicts": list(service.conflicts),
        "on_failure": list(service.on_failure),
        "on_success": list(service.on_success),
    }
    if not target:
        keys |= _tables(service)
    return _filled(keys)


_EVEN_EMPTY = frozenset(("supplementary_groups", "success_exit"))  # empty is not what they are by default


def _filled(keys: Keys) -> Keys:
    return {key: value for key, value in keys.items() if says(value) or (key in _EVEN_EMPTY and value is not None)}


def _main_command(command: spec.Command) -> Keys:
    if not command.expand and command.argv[:2] == ("/bin/sh", "-c") and len(command.argv) == 3:
        return {"command": command.argv[2], "shell": True}
    return {"command": list(command.argv)}


def _process(service: spec.ServiceSpec) -> Keys:
    oneshot = service.type is spec.ServiceType.ONESHOT
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
        "sockets": sockets.declare(service.sockets),
        "on_demand": service.on_demand,
        "idle_stop": format_duration(service.idle_stop),
        "handover": str(service.handover),
        "pod": service.pod,
        "watchdog": None if oneshot else format_duration(service.watchdog),
    }


def _tables(service: spec.ServiceSpec) -> Keys:
    return {
        "condition": condition.declare(service.condition),
        "directories": directories.declare(service.directories),
        "limits": limits.declare(service.limits),
        "namespaces": namespaces.declare(service.namespaces),
        "security": security.declare(service.security),
        "ready": ready.declare(service.ready),
        "restart": restart.declare(service.restart),
        "stop": stop.declare(service.stop),
        "reload": reload.declare(service.reload),
        "hooks": hooks.declare(service.hooks),
        "log": log.declare(service.log),
        "timer": timer.declare(service.timer),
        "watch": watch.declare(service.watch),
        "health": health.declare(service.health),
    }
