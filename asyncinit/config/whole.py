"""All that was found, put together: a configuration of what is sound, and all problems; reads no file."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import reduce
from typing import Any

import msgspec
from msgspec.structs import replace

from asyncinit.config.convert import misspelt
from asyncinit.config.declared import Declarations
from asyncinit.config.keys import ServiceKeys
from asyncinit.config.layers import Declared, Layer, problems_of
from asyncinit.config.memberships import Memberships
from asyncinit.config.merge import check_service, has, laid_over, merged
from asyncinit.config.names import instance_of, template_of
from asyncinit.config.places import FOLDER
from asyncinit.config.problems import Problem, errors_of, in_order, printable
from asyncinit.config.relations import check_conflicts, check_relations, check_start
from asyncinit.config.resolve import Mode, resolve, resolve_init
from asyncinit.config.settings import InitKeys
from asyncinit.config.spec import (
    NO_INSTANCES,
    Configuration,
    InitSpec,
    Instances,
    Origin,
    ServiceSpec,
    Source,
    Sources,
    pod_key,
)
from asyncinit.config.templates import Services, expanded, filled_in, instantiate

_UNUSABLE = "what is declared for it cannot be used"


class Loaded(msgspec.Struct, frozen=True):
    """What came of reading: a configuration of all that is sound, and all problems, in order.

    `left_out`: the services that are not sound, each with the reason. `start_lost`: nothing that [init] `start` names
    is sound. `profiles` are all that the files have, active or not.
    """

    configuration: Configuration
    problems: tuple[Problem, ...]
    left_out: dict[str, str] = {}
    start_lost: bool = False
    profiles: tuple[str, ...] = ()

    @property
    def errors(self) -> list[Problem]:
        """The problems that are no mere warnings."""
        return errors_of(self.problems)


def assemble(
    found: Declarations, mode: Mode, folder: str, may_be_empty: bool, instances: Instances = NO_INSTANCES
) -> Loaded:
    """Return what is sound of what was found, and all problems.

    `folder` is that of asyncinit.toml, `instances` are further ones of templates. A service with an error is
    left out, with those that would take an error from [defaults] and those that require one of these, and none of them
    is in `start`; the rest is a consistent whole.
    """
    services = instantiate(found, instances)
    one_by_one = [*services.all.values(), *services.idle.values()]
    problems = found.problems + services.problems + problems_of(one_by_one)
    whole = {one.name: _merged(found, one) for one in one_by_one}
    for one in one_by_one:
        problems += _check(one, found.defaults, whole[one.name])
    whole = {name: whole[name] for name in services.all}
    memberships = Memberships(found, services, whole)
    problems += memberships.check(whole)
    problems += check_relations(found, services, whole, memberships.edges())
    problems += check_start(found, services)
    if not found.known and not may_be_empty and not errors_of(problems):
        problems.append(_nothing(found))
    whole = {name: expanded(name, keys, services.of) for name, keys in whole.items()}
    problems += check_conflicts(found, services, whole)
    specs = {name: _resolved(services, name, keys, mode) for name, keys in whole.items()}
    specs = memberships.bound(specs, whole)
    bad = {problem.service for problem in errors_of(problems)} | _misled(found, services)
    sound = _sound(specs, bad)
    configuration = Configuration(
        init=_init(found, services, mode, folder, sound, memberships),
        services=sound,
        sources=_sources(
            [services.all.get(name) or found.pods.found[sound[name].pod_name] for name in sound],
            found.defaults,
            found.environment,
        ),
        files=tuple(found.files),
        templates=_usable(services, bad),
    )
    profiles = tuple(sorted(found.profiles))
    start_lost = bool(found.settings.get("start")) and not configuration.init.start
    return Loaded(configuration, in_order(_once(problems)), _left_out(specs, sound, bad), start_lost, profiles)


def _merged(found: Declarations, one: Declared) -> dict[str, Any]:
    defaults = found.defaults.table if found.defaults else {}
    instance = instance_of(one.name)
    defaults = filled_in(defaults, instance) if instance else defaults
    variables = (layer.table for layer in found.environment)
    return merged(one.name, reduce(laid_over, (*variables, defaults)), one.table)


def _resolved(services: Services, name: str, keys: dict[str, Any], mode: Mode) -> ServiceSpec:
    path = services.all[name].layers[0].document.path
    origin = printable(path)  # it is shown, and sent as JSON, which has no undecodable bytes
    spec = resolve(name, msgspec.convert(keys, ServiceKeys), origin, mode)
    return replace(spec, summoned=name in services.summoned)


def _init(
    found: Declarations,
    services: Services,
    mode: Mode,
    folder: str,
    sound: Collection[str],
    memberships: Memberships,
) -> InitSpec:
    init = resolve_init(msgspec.convert(found.settings, InitKeys), mode, folder)
    named = (name for named in init.start for name in services.of.get(named, (named,)))
    inside = ((name, memberships.inside(name)) for name in named)
    start = dict.fromkeys(name if pod is None else pod_key(pod) for name, pod in inside)
    return replace(init, start=tuple(name for name in start if name in sound))


def _check(one: Declared, defaults: Declared | None, whole: dict[str, Any]) -> list[Problem]:
    """Check what a service says, together with the defaults."""
    if any("type" in layer.given and "type" not in layer.table for layer in one.layers):
        return []  # told already, and everything else depends on it
    given = merged(one.name, defaults.given if defaults else {}, one.given) | {"type": whole.get("type", "service")}
    problems = []
    for finding in check_service(one.given, given):
        if finding.key == ("command",) and misspelt(one.findings, "command"):
            continue
        if defaults is not None and not has(one.given, finding.key[:1]) and has(defaults.given, finding.key[:1]):
            below = defaults.problem(finding)
            problems.append(replace(below, service=one.name, problem=f"of {one.name} {finding.problem}"))
        else:
            problems.append(one.problem(finding))
    return problems


def _nothing(found: Declarations) -> Problem:
    """Return what to say, and to do, where no service is declared."""
    place = found.files[0] if found.files else found.folders[0] if found.folders else FOLDER
    odd = [path for path in found.listing.passed_over if "readme" not in path.lower()][:1]
    not_toml = f" ({printable(odd[0])} was passed over: its name does not end in .toml)" if odd else ""
    text = (
        f'no service is declared{not_toml}: write {FOLDER}/NAME.toml with command = ["PROGRAM", "ARGUMENT"] in it, '
        "name a folder of such files with --services, or give a command after --"
    )
    return Problem(place, None, None, "", text)


def _sound(specs: dict[str, ServiceSpec], bad: set[str | None]) -> dict[str, ServiceSpec]:
    """Return the services without an error whose needs have none either."""
    sound = {name: spec for name, spec in sorted(specs.items()) if name not in bad and template_of(name) not in bad}
    while True:
        lacking = [
            name
            for name, spec in sound.items()
            if any(need not in sound for need in spec.requires + spec.binds_to + spec.log.loggers)
        ]
        if not lacking:
            return sound
        for name in lacking:
            del sound[name]


def _left_out(specs: dict[str, ServiceSpec], sound: Collection[str], bad: set[str | None]) -> dict[str, str]:
    """Return why each service that is not sound is left out."""
    reasons = {name: _UNUSABLE for name in sorted(filter(None, bad)) if name not in specs}
    for name, spec in sorted(specs.items()):
        if name in sound:
            continue
        needs = [need for need in spec.requires + spec.binds_to + spec.log.loggers if need not in sound]
        if name in bad or template_of(name) in bad or not needs:
            reasons[name] = _UNUSABLE
        else:
            reasons[name] = f"it needs {needs[0]}, which is left out"
    return reasons


def _usable(services: Services, bad: Collection[str | None]) -> dict[str, tuple[str, ...]]:
    """Return the templates in which nothing was found wrong, with the instances that they name themselves."""
    wrong = {template_of(name) or name for name in bad if name is not None}
    return {template: named for template, named in services.named.items() if template not in wrong}


def _misled(found: Declarations, services: Services) -> set[str]:
    """Return the services that would take from [defaults] what is wrong there: without it they are not as meant."""
    defaults = found.defaults
    if defaults is None or defaults.table == defaults.given:
        return set()
    return {
        name
        for name, one in services.all.items()
        if merged(name, defaults.given, one.given) != merged(name, defaults.table, one.given)
    }


def _once(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems without those that differ only in the instance that has them too."""
    return list({(p.file, p.line, p.key, p.text, p.severity): p for p in problems}.values())


def _sources(services: Collection[Declared], defaults: Declared | None, environment: list[Layer]) -> Sources:
    of_defaults = defaults.layers if defaults else []
    below, variables = tuple(map(_source, of_defaults)), tuple(map(_source, environment))
    layers = [layer for one in services for layer in one.layers] + of_defaults + environment
    return Sources(
        origins={one.name: Origin(tuple(map(_source, one.layers)), below, variables) for one in services},
        texts={layer.document.path: layer.document.text for layer in layers},
    )


def _source(layer: Layer) -> Source:
    return Source(layer.document.path, layer.prefix, layer.profile)
