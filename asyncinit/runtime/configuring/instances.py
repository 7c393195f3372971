"""Which instances of templates are asked for while asyncinit runs, and what that adds to what is declared; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from asyncinit.config.spec import Configuration, Instances, ServiceSpec, Sources
from asyncinit.core.service import Service
from asyncinit.core.status import State

MOST_RESTING = 100
"""Instances that were asked for by name, ended, and are still remembered; of more the oldest are forgotten."""

# What of a declaration others bring about: the instances of a template that is named, and that an instance is named.
_BY_OTHERS = (
    *("requires", "wants", "after", "before", "binds_to", "conflicts", "on_failure", "on_success", "awaits"),
    "summoned",
)
_STARTS = ("requires", "wants", "binds_to", "on_failure", "on_success")


def template_of(name: str) -> str:
    """Return the template of an instance; an empty string for any other name."""
    base, at, instance = name.partition("@")
    return base + at if instance else ""


def together(there: Instances, asked: Instances) -> Instances:
    """Return what was asked for before and is now; a count takes the place of numbers that were asked for by name."""

    def counted(name: str) -> bool:
        return template_of(name) in asked.counts and name.partition("@")[2].isdecimal()

    names = [name for name in there.names if not counted(name)]
    return Instances(tuple(dict.fromkeys((*names, *asked.names))), {**there.counts, **asked.counts})


def without_resting(instances: Instances, services: Mapping[str, Service]) -> Instances:
    """Return the instances without the oldest that have ended, where there are many."""
    resting = [name for name in instances.names if name in services and _has_ended(services[name])]
    forgotten = frozenset(resting[:-MOST_RESTING])
    return replace(instances, names=tuple(name for name in instances.names if name not in forgotten))


def _has_ended(service: Service) -> bool:
    return service.at_rest and not service.listening and service.rest in {State.INACTIVE, State.COMPLETED}


def with_instances(
    old: Configuration, new: Configuration, asked: Instances, forgotten: Collection[str] = ()
) -> Configuration:
    """Return `old` with the instances that are `asked` for, without those that are too many, or `forgotten`.

    `new` is all that the files say by now, with the instances that were ever asked for; what else has changed in them
    is not taken over, but that names of templates stand for other instances.
    """
    needed = {other for spec in new.services.values() for key in _STARTS for other in getattr(spec, key)}
    too_many = {n for n in old.services if n not in new.services and template_of(n) in asked.counts}
    gone = too_many | {n for n in forgotten if n in new.services and new.services[n].summoned and n not in needed}
    wanted = [n for n in new.services if n in asked.names or template_of(n) in asked.counts]
    added = _with_needs(wanted, old, new)
    kept = {name: _renewed(spec, new.services.get(name)) for name, spec in old.services.items() if name not in gone}
    services = {**kept, **{name: new.services[name] for name in added}}
    origins = {**{n: new.sources.origins[n] for n in added if n in new.sources.origins}, **old.sources.origins}
    return replace(
        old,
        services=dict(sorted(services.items())),
        sources=Sources(
            {name: origin for name, origin in origins.items() if name in services},
            {**new.sources.texts, **old.sources.texts},
        ),
    )


def _with_needs(names: Iterable[str], old: Configuration, new: Configuration) -> dict[str, None]:
    """Return services of `new` and all that they start and `old` has not."""
    found: dict[str, None] = {}
    stack = list(names)
    while stack:
        name = stack.pop()
        if name not in found and name in new.services and name not in old.services:
            found[name] = None
            stack += [other for key in _STARTS for other in getattr(new.services[name], key)]
    return found


def _renewed(old: ServiceSpec, new: ServiceSpec | None) -> ServiceSpec:
    """Return the declaration with what others make of it in `new`, if nothing else of it is different."""
    if new is None:
        return old
    edges = {key: getattr(new, key) for key in _BY_OTHERS}
    return new if replace(old, **edges) == new else old


def targets(configuration: Configuration, templates: Collection[str]) -> list[str]:
    """Return the instances of `templates` that are there because of their number, not for who names them."""
    return [
        name for name, spec in configuration.services.items() if template_of(name) in templates and not spec.summoned
    ]
