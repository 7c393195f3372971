"""From a service's keys to its specification: every text becomes the value that core and runtime see; finds no errors.

What is given here was found valid before (`convert`, `merge`); the defaults that depend on other keys stand here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum

from msgspec import UnsetType

from asyncinit.config import ends, keys, settings, spec, values
from asyncinit.config.sections import (
    condition,
    directories,
    health,
    hooks,
    limits,
    log,
    namespaces,
    ready,
    reload,
    restart,
    security,
    sockets,
    stop,
    timer,
    watch,
)
from asyncinit.config.sections.given import account, command, names, or_none


class Mode(Enum):
    """What asyncinit runs; some defaults depend on it."""

    CONTAINER = "container"
    DEV = "dev"
    MACHINE = "machine"

    @property
    def stop_timeout(self) -> float:
        """Seconds that a service gets to stop."""
        return 30.0 if self is Mode.MACHINE else 5.0

    @property
    def watchdog(self) -> float:
        """Seconds without a sign of life after which the machine is reset, where it has a watchdog."""
        return 30.0 if self is Mode.MACHINE else spec.NONE

    @property
    def shutdown_timeout(self) -> float:
        """Seconds for the whole shutdown: inside `docker stop`'s 10 where that may be what asks."""
        return 90.0 if self is Mode.MACHINE else 9.0


def resolve(name: str, declared: keys.ServiceKeys, origin: str, mode: Mode) -> spec.ServiceSpec:
    """Return the specification of service `name` from its keys, defaults merged in."""
    kind = spec.ServiceType(declared.type)
    table = declared.restart
    on_demand = declared.on_demand and bool(declared.sockets)  # the defaults may have it for others
    assert isinstance(table, restart.RestartTable)  # `merge` writes the short form in full
    return spec.ServiceSpec(
        name=name,
        type=kind,
        command=_main_command(declared),
        description=declared.description,
        enabled=declared.enabled,
        essential=declared.essential,
        prefer=frozenset(declared.prefer),
        working_directory=or_none(declared.working_directory),
        user=account(declared.user),
        group=account(declared.group),
        supplementary_groups=_groups(declared.supplementary_groups),
        umask=None if isinstance(declared.umask, UnsetType) else values.umask(declared.umask),
        environment=declared.environment,
        environment_file=_files(declared.environment_file),
        clear_environment=declared.clear_environment,
        unset_environment=tuple(declared.unset_environment),
        tty=declared.tty,
        success_exit=ends.outcomes(declared.success_exit),
        watchdog=values.duration(declared.watchdog),
        requires=names(declared.requires),
        wants=names(declared.wants),
        after=names(declared.after),
        before=names(declared.before),
        binds_to=names(declared.binds_to),
        conflicts=names(declared.conflicts),
        on_failure=names(declared.on_failure),
        on_success=names(declared.on_success),
        condition=condition.resolve(declared.condition),
        directories=directories.resolve(declared.directories),
        limits=limits.resolve(declared.limits),
        namespaces=namespaces.resolve(declared.namespaces),
        security=security.resolve(security.in_full(declared.security)),
        ready=ready.resolve(declared.ready),
        restart=restart.resolve(table, kind, declared.essential),
        stop=stop.resolve(declared.stop, mode.stop_timeout),
        reload=reload.resolve(declared.reload),
        hooks=hooks.resolve(declared.hooks),
        log=log.resolve(declared.log),
        timer=timer.resolve(declared.timer),
        watch=watch.resolve(declared.watch),
        sockets=sockets.resolve(declared.sockets, name),
        on_demand=on_demand,
        idle_stop=values.duration(declared.idle_stop) if on_demand else spec.NONE,
        handover=spec.Handover(declared.handover),
        health=health.resolve(declared.health),
        origin=origin,
        pod=or_none(declared.pod),
    )


def resolve_init(declared: settings.InitKeys, mode: Mode, folder: str = "") -> spec.InitSpec:
    """Return the specification of asyncinit as a whole; `folder` is that of the file, from which paths are seen."""
    timeout = declared.shutdown_timeout
    return spec.InitSpec(
        start=names(declared.start),
        control_socket=_place(or_none(declared.control_socket), folder),
        control_read=declared.control_read,
        shutdown_timeout=mode.shutdown_timeout if isinstance(timeout, UnsetType) else values.duration(timeout),
        exit_codes={int(code): to for code, to in declared.exit_codes.items()},
        keep_running=mode is Mode.MACHINE if isinstance(declared.keep_running, UnsetType) else declared.keep_running,
        log_format=spec.LogFormat(declared.log_format),
        log_level=spec.LogLevel(declared.log_level),
        log=_own_log(declared, folder),
        spawn=spec.SpawnMethod(declared.spawn),
        cgroups=spec.CgroupMode(declared.cgroups),
        crash_dir=_path(or_none(declared.crash_dir), folder),
        crash_keep=declared.crash_keep,
        termination_log=_termination_log(or_none(declared.termination_log), folder),
        oom_score_adj=_own_score(declared.oom_score_adj, mode),
        watchdog=mode.watchdog if isinstance(declared.watchdog, UnsetType) else values.watchdog(declared.watchdog),
        watchdog_device=os.path.join(folder, declared.watchdog_device),
    )


def _own_score(declared: int | str | UnsetType, mode: Mode) -> int | None:
    """Return asyncinit's place when memory runs out: a machine without it panics, so it is no candidate there."""
    if isinstance(declared, UnsetType):
        return -1000 if mode is Mode.MACHINE else -900
    return None if declared == "none" else int(declared)


def _own_log(declared: settings.InitKeys, folder: str) -> spec.Log:
    file = or_none(declared.log_file)
    return spec.Log(
        to=log.destinations(declared.log_to, (spec.CONSOLE,) if file is None else (spec.CONSOLE, spec.FILE)),
        file=None if file is None else os.path.abspath(os.path.join(folder, file)),
        max_size=values.size(declared.log_max_size),
        keep=declared.log_keep,
    )


def _groups(given: Sequence[str | int] | UnsetType) -> tuple[str, ...] | None:
    return None if isinstance(given, UnsetType) else tuple(map(values.account, given))


def _files(given: str | Sequence[str]) -> tuple[spec.EnvironmentFile, ...]:
    paths = [given] if isinstance(given, str) else given
    return tuple(spec.EnvironmentFile(path.removeprefix("-"), optional=path.startswith("-")) for path in paths)


def _main_command(declared: keys.ServiceKeys) -> spec.Command | None:
    if declared.shell and isinstance(declared.command, str):
        return spec.Command(("/bin/sh", "-c", declared.command), expand=False)
    return command(declared.command)


def _path(path: str | None, folder: str) -> str | None:
    """Return a path of the file as the kernel shall see it."""
    return None if path is None else os.path.abspath(os.path.join(folder, path))


def _termination_log(path: str | None, folder: str) -> str | None:
    return "" if path == "none" else _path(path, folder)


def _place(socket: str | None, folder: str) -> str | None:
    """Return a socket's place as it is said to the kernel."""
    if socket is None or socket.startswith("@"):
        return socket
    return os.path.abspath(os.path.join(folder, socket))
