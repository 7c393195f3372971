"""What begins when asyncinit starts: the services that are started, and those whose timers are armed instead; pure."""

from __future__ import annotations

from asyncinit.config.spec import Configuration, Timer


def chosen(configuration: Configuration) -> tuple[str, ...]:
    """Return what [init] start names, or all that is enabled, but instances that others start."""
    enabled = (name for name, spec in configuration.services.items() if spec.enabled and not spec.summoned)
    return configuration.init.start or tuple(enabled)


def started(configuration: Configuration) -> tuple[str, ...]:
    """Return the services that are started, or listen: not those that only wait for their timer."""
    specs = [configuration.services[name] for name in chosen(configuration)]
    return tuple(spec.name for spec in specs if spec.timer is None or spec.timer.at_start or spec.on_demand)


def armed(configuration: Configuration) -> dict[str, Timer]:
    """Return the timers that are armed, by service."""
    specs = [configuration.services[name] for name in chosen(configuration)]
    return {spec.name: spec.timer for spec in specs if spec.timer is not None}
