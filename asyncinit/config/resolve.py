"""From a service's keys to its specification: every text becomes the value that core and runtime see; finds no errors.

What is given here was found valid before (`convert`, `merge`); the defaults that depend on other keys stand here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum

from msgspec import UNSET, UnsetType

from asyncinit.config import keys, settings, spec, values


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
    def shutdown_timeout(self) -> float:
        """Seconds for the whole shutdown: inside `docker stop`'s 10 where that may be what asks."""
        return 90.0 if self is Mode.MACHINE else 9.0


MAX_DELAY = 30.0


def resolve(name: str, declared: keys.ServiceKeys, origin: str, mode: Mode) -> spec.ServiceSpec:
    """Return the specification of service `name` from its keys, defaults merged in."""
    kind = spec.ServiceType(declared.type)
    files = declared.environment_file
    directories = declared.directories
    return spec.ServiceSpec(
        name=name,
        type=kind,
        command=_main_command(declared),
        description=declared.description,
        enabled=declared.enabled,
        essential=declared.essential,
        prefer=frozenset(declared.prefer),
        working_directory=_or_none(declared.working_directory),
        user=_account(declared.user),
        group=_account(declared.group),
        supplementary_groups=(
            None
            if isinstance(declared.supplementary_groups, UnsetType)
            else tuple(map(values.account, declared.supplementary_groups))
        ),
        umask=None if isinstance(declared.umask, UnsetType) else values.umask(declared.umask),
        environment=declared.environment,
        environment_file=tuple(
            spec.EnvironmentFile(path.removeprefix("-"), optional=path.startswith("-"))
            for path in ([files] if isinstance(files, str) else files)
        ),
        clear_environment=declared.clear_environment,
        unset_environment=tuple(declared.unset_environment),
        tty=declared.tty,
        success_exit=values.outcomes(declared.success_exit),
        requires=_names(declared.requires),
        wants=_names(declared.wants),
        after=_names(declared.after),
        before=_names(declared.before),
        binds_to=_names(declared.binds_to),
        directories=spec.Directories(
            runtime=_names(directories.runtime),
            state=_names(directories.state),
            cache=_names(directories.cache),
            logs=_names(directories.logs),
            mode=values.octal(directories.mode),
        ),
        ready=_ready(declared.ready),
        restart=_restart(declared, kind),
        stop=_stop(declared.stop, mode),
        reload=spec.Reload(values.signal_number(declared.reload.signal), _command(declared.reload.command)),
        hooks=spec.Hooks(**{stage: _hooks(getattr(declared.hooks, stage)) for stage in _STAGES}),
        origin=origin,
    )


_STAGES = ("pre_start", "post_start", "pre_stop", "post_stop")


def resolve_init(declared: settings.InitKeys, mode: Mode, folder: str = "") -> spec.InitSpec:
    """Return the specification of asyncinit as a whole; `folder` is that of the file, from which paths are seen."""
    timeout = declared.shutdown_timeout
    return spec.InitSpec(
        start=_names(declared.start),
        control_socket=_place(_or_none(declared.control_socket), folder),
        control_read=declared.control_read,
        shutdown_timeout=mode.shutdown_timeout if isinstance(timeout, UnsetType) else values.duration(timeout),
        exit_codes={int(code): to for code, to in declared.exit_codes.items()},
        keep_running=declared.keep_running,
        log_format=spec.LogFormat(declared.log_format),
        log_level=spec.LogLevel(declared.log_level),
        spawn=spec.SpawnMethod(declared.spawn),
    )


def _or_none(text: str | UnsetType) -> str | None:
    return None if isinstance(text, UnsetType) else text


def _names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _account(given: str | int | UnsetType) -> str | None:
    return None if isinstance(given, UnsetType) else values.account(given)


def _command(given: str | Sequence[str] | UnsetType) -> spec.Command | None:
    return None if isinstance(given, UnsetType) else spec.Command(values.command(given))


def _main_command(declared: keys.ServiceKeys) -> spec.Command | None:
    if declared.shell and isinstance(declared.command, str):
        return spec.Command(("/bin/sh", "-c", declared.command), expand=False)
    return _command(declared.command)


def _ready(declared: keys.ReadyTable) -> spec.Ready:
    given = {key: getattr(declared, key) for key in keys.READY_KINDS}
    kind = next((key for key, value in given.items() if value is not UNSET and value is not False), "exec")
    address = given.get(kind)
    return spec.Ready(
        kind=spec.ReadyKind(kind),
        address=address if isinstance(address, str) and kind != "command" else "",
        descriptor=-1 if isinstance(declared.notify_fd, UnsetType) else declared.notify_fd,
        command=_command(declared.command),
        timeout=values.duration(declared.timeout),
        interval=values.duration(declared.interval),
        probe_timeout=values.duration(declared.probe_timeout),
    )


def _restart(declared: keys.ServiceKeys, kind: spec.ServiceType) -> spec.Restart:
    table = declared.restart
    assert isinstance(table, keys.RestartTable)  # `merge` writes the short form in full
    if isinstance(table.policy, UnsetType):
        once = kind is spec.ServiceType.ONESHOT or declared.essential
        policy = spec.RestartPolicy.NEVER if once else spec.RestartPolicy.ALWAYS
    else:
        policy = spec.RestartPolicy(table.policy)
    if kind is spec.ServiceType.ONESHOT and policy is spec.RestartPolicy.ALWAYS:
        policy = spec.RestartPolicy.ON_FAILURE  # success completes it: to run it again then would never complete it
    delay = values.duration(table.delay)
    longest = max(MAX_DELAY, delay) if isinstance(table.max_delay, UnsetType) else values.duration(table.max_delay)
    return spec.Restart(
        policy=policy,
        delay=delay,
        backoff=float(table.backoff),
        max_delay=longest,
        jitter=float(table.jitter),
        reset_after=values.duration(table.reset_after),
        limit=table.limit if isinstance(table.limit, int) else None,
        window=values.duration(table.window),
        on=values.outcomes(table.on),
        never_on=values.outcomes(table.never_on),
        on_give_up=spec.GiveUp(table.on_give_up),
    )


def _stop(declared: keys.StopTable, mode: Mode) -> spec.Stop:
    timeout = declared.timeout
    return spec.Stop(
        signal=values.signal_number(declared.signal),
        command=_command(declared.command),
        scope=spec.Scope(declared.scope),
        timeout=mode.stop_timeout if isinstance(timeout, UnsetType) else values.duration(timeout),
        escalate=tuple(
            spec.StopStep(values.signal_number(step.signal), values.duration(step.timeout))
            for step in declared.escalate
        ),
    )


def _hooks(declared: Sequence[str | list[str] | keys.HookTable]) -> tuple[spec.Hook, ...]:
    return tuple(
        spec.Hook(
            spec.Command(values.command(hook.command)),
            _account(hook.user),
            values.duration(hook.timeout),
            hook.ignore_failure,
        )
        if isinstance(hook, keys.HookTable)
        else spec.Hook(spec.Command(values.command(hook)))
        for hook in declared
    )


def _place(socket: str | None, folder: str) -> str | None:
    """Return a socket's place as it is said to the kernel."""
    if socket is None or socket.startswith("@"):
        return socket
    return os.path.abspath(os.path.join(folder, socket))
