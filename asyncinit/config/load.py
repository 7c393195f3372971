"""Files to a `Configuration`: the way in for everyone else; knows no key.

`load` is for those who want all or nothing, `read` for those who go on with what is sound.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from asyncinit.config.convert import misspelt
from asyncinit.config.declared import Declarations, gather
from asyncinit.config.graph import Edges, check_names, cycles, drawn, waits
from asyncinit.config.keys import ServiceKeys
from asyncinit.config.layers import Declared, Layer, problems_of
from asyncinit.config.merge import EDGES, check_service, has, merged
from asyncinit.config.origins import Origin, Origins, Source
from asyncinit.config.places import FOLDER, configuration_file
from asyncinit.config.problems import (
    ConfigErrors,
    Finding,
    Problem,
    errors_of,
    in_order,
    printable,
    shown,
)
from asyncinit.config.resolve import Mode, resolve, resolve_init
from asyncinit.config.settings import InitKeys
from asyncinit.config.spec import Configuration, ServiceSpec
from asyncinit.config.values import close_to

__all__ = ["ConfigErrors", "Loaded", "Mode", "Problem", "load", "read"]


class Loaded(msgspec.Struct, frozen=True):
    """What came of reading: a configuration of all that is sound, and all problems, in order."""

    configuration: Configuration
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> list[Problem]:
        """The problems that are no mere warnings."""
        return errors_of(self.problems)


def load(
    config: str | None = None,
    services: Sequence[str] = (),
    mode: Mode = Mode.CONTAINER,
    *,
    may_be_empty: bool = False,
    root: str = "/",
) -> Configuration:
    """Return what is declared, or raise `ConfigErrors` with every error and warning of every file.

    `config` is the file of `--config`, None: ./asyncinit.toml, then the system's. `services` are the folders of
    `--services`, which replace all others. `may_be_empty`: no service at all is no error (there is a CMD). `root` is
    where the system's own folders are looked for. Opens ordinary files only, and never waits for one.
    """
    loaded = read(config, services, mode, may_be_empty=may_be_empty, root=root)
    if loaded.errors:
        raise ConfigErrors(loaded.problems)
    return loaded.configuration


def read(
    config: str | None = None,
    services: Sequence[str] = (),
    mode: Mode = Mode.CONTAINER,
    *,
    may_be_empty: bool = False,
    root: str = "/",
) -> Loaded:
    """Return what is sound of what is declared, and all problems; arguments as those of `load`.

    A service with an error is left out, with those that would take an error from [defaults] and those that require one
    of these, and none of them is in `start`; the rest is a consistent whole.
    """
    found = gather(config, services, root)
    problems = found.problems + problems_of(found.services.values())
    whole = {
        name: merged(name, found.defaults.table if found.defaults else {}, one.table)
        for name, one in found.services.items()
    }
    specs: dict[str, ServiceSpec] = {}
    for name, one in found.services.items():
        problems += _check(one, found.defaults, whole[name])
        origin = printable(one.layers[0].document.path)  # it is shown, and sent as JSON, which has no undecodable bytes
        specs[name] = resolve(name, msgspec.convert(whole[name], ServiceKeys), origin, mode)
    problems += _check_graph(found, whole)
    problems += _check_start(found)
    if not found.known and not may_be_empty and not errors_of(problems):
        problems.append(_nothing(found))
    sound = _sound(specs, {problem.service for problem in errors_of(problems)} | _misled(found))
    folder = os.path.dirname(configuration_file(config, root) or "")
    init = resolve_init(msgspec.convert(found.settings, InitKeys), mode, folder)
    configuration = Configuration(
        init=replace(init, start=tuple(name for name in init.start if name in sound)),
        services=sound,
        sources=Origins({name: _origin(found.services[name], found.defaults) for name in sound}),
        files=tuple(found.files),
    )
    return Loaded(configuration, in_order(problems))


def _check(one: Declared, defaults: Layer | None, whole: dict[str, Any]) -> list[Problem]:
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


def _edges(whole: dict[str, Any]) -> Edges:
    return {key: whole[key] for key in EDGES if whole.get(key)}


def _check_graph(found: Declarations, whole: dict[str, dict[str, Any]]) -> list[Problem]:
    problems = []
    edges = {name: _edges(keys) for name, keys in whole.items()}
    for name, own in edges.items():
        for finding in check_names(name, own, found.known):
            problems.append(_placed(found, name, finding))
    graph = waits(edges)
    for cycle in cycles(graph):
        problems.append(_cycle(found, graph, cycle))
    return problems


def _placed(found: Declarations, name: str, finding: Finding) -> Problem:
    """Return a finding about an edge of service `name`, which may stand in the defaults."""
    own = found.services[name]
    if found.defaults is not None and not has(own.table, finding.key[:1]):
        return found.defaults.problem(finding)
    return own.problem(finding)


def _cycle(found: Declarations, graph: dict[str, dict[str, tuple[str, str]]], cycle: list[str]) -> Problem:
    links = []
    first: Problem | None = None
    for waiting, awaited in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        name, key = graph[waiting][awaited]
        place = _placed(found, name, Finding((key,), "is"))
        first = first or place
        line = f":{place.line}" if place.line is not None else ""
        links.append(
            f"{name} {key.replace('_', ' ')} {awaited if name == waiting else waiting}, {printable(place.file)}{line}"
        )
    assert first is not None
    shortened = links if len(links) <= 12 else [*links[:10], "..."]
    text = f"waits for itself: {drawn(cycle)} ({'; '.join(shortened)})"
    return Problem(first.file, first.line, cycle[0], first.key, text)


def _check_start(found: Declarations) -> list[Problem]:
    document = found.document
    problems = []
    for index, name in enumerate(found.settings.get("start", ())):
        if name not in found.known and document is not None:
            guess = close_to(name, found.known)
            text = f"names {shown(name)}, and there is no such service"
            finding = Finding(("init", "start", index), text, suggestion=shown(guess) if guess else "")
            problems.append(document.problem(finding, None))
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
    sound = {name: spec for name, spec in sorted(specs.items()) if name not in bad}
    while True:
        lacking = [
            name for name, spec in sound.items() if any(need not in sound for need in spec.requires + spec.binds_to)
        ]
        if not lacking:
            return sound
        for name in lacking:
            del sound[name]


def _misled(found: Declarations) -> set[str]:
    """Return the services that would take from [defaults] what is wrong there: without it they are not as meant."""
    defaults = found.defaults
    if defaults is None or defaults.table is defaults.given:
        return set()
    return {
        name
        for name, one in found.services.items()
        if merged(name, defaults.given, one.given) != merged(name, defaults.table, one.given)
    }


def _origin(one: Declared, defaults: Layer | None) -> Origin:
    return Origin(one.name, tuple(map(_source, one.layers)), _source(defaults) if defaults else None)


def _source(layer: Layer) -> Source:
    return layer.document.path, layer.document.text, layer.prefix
