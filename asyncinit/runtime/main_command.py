"""`-- CMD` beside services: make it a service among them; pure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from signal import SIGTERM

from msgspec.structs import replace

from asyncinit.config.spec import (
    Command,
    Configuration,
    Restart,
    RestartPolicy,
    Scope,
    ServiceSpec,
    Stop,
)
from asyncinit.core.at_start import started

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def with_command(
    configuration: Configuration, argv: Sequence[str], scope: str, rewrite: Mapping[int, int], name: str | None = None
) -> Configuration:
    """Return the configuration with `argv` as an essential service, started when all that is started is ready.

    It has our terminal, our descriptors 0 to 2 and our environment. `rewrite` maps the stop signal too; `name` is the
    one that it has already, None: one that is free.
    """
    services = dict(configuration.services)
    name = name or command_name(argv[0], services)
    stop = Stop(signal=rewrite.get(SIGTERM) or SIGTERM, scope=Scope(scope), timeout=3600.0)
    services[name] = ServiceSpec(
        name,
        command=Command(tuple(argv), expand=False),
        description="the command of the command line",
        essential=True,
        awaits=started(configuration),
        restart=Restart(policy=RestartPolicy.NEVER),
        stop=stop,
        inherit_stdio=True,
        foreground=True,
    )
    init = configuration.init
    start = (*init.start, name) if init.start else ()
    return replace(configuration, init=replace(init, start=start), services=services)


def command_name(program: str, taken: Mapping[str, object]) -> str:
    """Return a service name for a program: its base name, made fit, and different from those that are taken."""
    base = "".join(c if c in _ALLOWED else "_" for c in os.path.basename(program)).lstrip("_.-") or "command"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}.{number}"
    return name


def main_command(configuration: Configuration) -> str | None:
    """Return the name of the service that CMD is, if there is one."""
    return next((name for name, spec in configuration.services.items() if spec.inherit_stdio), None)
