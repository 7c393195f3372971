"""Which of the declared services somebody wants who names them on the command line, and with whose end all ends; pure.

A name is a service's, a template's or a Procfile entry's (then all its instances are meant), or a pattern.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from msgspec.structs import replace

from asyncinit.config.names import meant
from asyncinit.config.spec import Configuration, Instances, Restart, RestartPolicy
from asyncinit.core.at_start import chosen
from asyncinit.errors import AsyncinitError, UnknownServiceError
from asyncinit.runtime.configuring.instances import template_of


def instances_of(names: Sequence[str], formation: Mapping[str, int]) -> Instances:
    """Return the instances of templates that have to be made because they are named, or counted."""
    return Instances(
        tuple(name for name in names if template_of(name)), {f"{name}@": count for name, count in formation.items()}
    )


def as_wanted(configuration: Configuration, names: Sequence[str], exit_with: str | None) -> Configuration:
    """Return the configuration in which `names` (none: what is chosen there) are started.

    Each that `exit_with` means is essential then, and not started again. Raises UnknownServiceError.
    """
    services = dict(configuration.services)
    start = tuple(dict.fromkeys(found for name in names for found in _meant(name, services)))
    last = _meant(exit_with, services) if exit_with is not None else ()
    for name in last:
        never = replace(services[name].restart, policy=RestartPolicy.NEVER, on=Restart().on)
        services[name] = replace(services[name], essential=True, restart=never)
    if last and (start or not set(last) <= set(chosen(configuration))):
        start = tuple(dict.fromkeys((*(start or chosen(configuration)), *last)))
    init = replace(configuration.init, start=start) if start else configuration.init
    return replace(configuration, init=init, services=services)


def _meant(name: str, services: Collection[str]) -> tuple[str, ...]:
    if name in services:
        return (name,)
    counted = [one for one in services if one.startswith(f"{name}.") and one[len(name) + 1 :].isdecimal()]
    found = counted or [one for one in services if template_of(one) == f"{name.removesuffix('@')}@"]
    found = found or [one for one in services if fnmatchcase(one, name)]
    if not found:
        raise UnknownServiceError(name, meant(name, services))
    return tuple(found)


class NoTemplateError(AsyncinitError):
    """A number of instances was asked for of what is no template."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"--formation {self.name}: there is no {self.name}@.toml, and only a template has instances"


def check_counted(configuration: Configuration, formation: Collection[str]) -> None:
    """Raise NoTemplateError for what is counted and is none."""
    for name in formation:
        if f"{name}@" not in configuration.templates:
            raise NoTemplateError(name)
