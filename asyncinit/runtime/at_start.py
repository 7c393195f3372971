"""What begins when asyncinit starts: the services that are started, and those whose timers are armed instead; pure."""

from __future__ import annotations

from asyncinit.config.spec import Configuration, Timer


def chosen(configuration: Configuration) -> tuple[str, ...]:
    """Return what [init] start names, or all that is enabled, but instances that others start."""
    enabled = (name for name, spec in configuration.services.items() if spec.enabled and not spec.summoned)
    return configuration.init.start or tuple(enabled)


def started(configuration: Configuration) -> tuple[str, ...]:
    """Return the services that are started: not those that wait for their timer."""
    services = configuration.services
    timers = {name: services[name].timer for name in chosen(configuration)}
    return tuple(name for name, timer in timers.items() if timer is None or timer.at_start)


def armed(configuration: Configuration) -> dict[str, Timer]:
    """Return the timers that are armed, by service."""
    timers = {name: configuration.services[name].timer for name in chosen(configuration)}
    return {name: timer for name, timer in timers.items() if timer is not None}
