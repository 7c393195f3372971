"""What the files declare, service by service, with all that is wrong in each; puts nothing together yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from asyncinit.config.convert import examine, pruned
from asyncinit.config.documents import Document, read
from asyncinit.config.keys import ServiceKeys
from asyncinit.config.kinds import NAME
from asyncinit.config.layers import Declared, Layer, Table, overlays, problems_of
from asyncinit.config.listing import Listing, list_folders
from asyncinit.config.merge import laid_over
from asyncinit.config.names import is_plain_name, is_service_name, is_template, meant, template_of
from asyncinit.config.places import SHIPPED, configuration_file, pod_folders, service_folders
from asyncinit.config.pod_files import Pods
from asyncinit.config.problems import Finding, Path, Problem, Severity, bare_or_quoted, errors_of, printable, shown
from asyncinit.config.profiles import KEY, split, unknown
from asyncinit.config.project import NO_PROJECT, Project, environment, processes
from asyncinit.config.settings import FileKeys, FileProfileKeys


class Declarations(Struct):
    """All that was found: `settings` is the [init] table; `known` are all names, of unreadable files too.

    `services` have a name of their own. `tables` are templates, and instances that have a table of their own, with
    their drop-ins in `overlays`: what they say depends on the instance (see `templates`, which has `made` some). `pods`
    stand apart: they have other keys, and names of their own. `profiles` are all that a file has, `active` those that
    count.
    """

    problems: list[Problem] = []
    services: dict[str, Declared] = {}
    tables: dict[str, Table] = {}
    overlays: dict[str, list[Table]] = {}
    made: dict[str, Declared] = {}
    known: set[str] = set()
    pods: Pods = field(default_factory=Pods)
    defaults: Declared | None = None
    environment: list[Layer] = []
    document: Document | None = None
    settings: dict[str, Any] = {}
    files: list[str] = []
    folders: tuple[str, ...] = ()
    listing: Listing = field(default_factory=Listing)
    active: tuple[str, ...] = ()
    profiles: set[str] = set()

    def layers(self, name: str, table: Table, given: dict[str, Any]) -> list[Layer]:
        """Return the layers of service `name` that a table is with its active profiles, where it is read as `given`."""
        self.profiles |= split(given)[1].keys()
        return table.layers(name, given, self.active)


def gather(
    config: str | None,
    services: Sequence[str],
    root: str,
    pods: Sequence[str] = (),
    profiles: Sequence[str] = (),
    *,
    machine: bool = False,
    project: Project = NO_PROJECT,
) -> Declarations:
    """Read every file that counts, and examine each on its own.

    `pods`: folders of pods in place of all others. `profiles` are active. `machine`: what comes with asyncinit for one
    counts too. `project` has a Procfile that counts in the place of all others, and environment files.
    """
    result = Declarations(active=tuple(profiles))
    result.pods.active = result.active
    if _take_project(result, project):
        result.problems += unknown(result.active, ())
        return result
    path = configuration_file(config, root, machine)
    if path is not None:
        result.files.append(path)
        document = read(path)
        if isinstance(document, Problem):
            result.problems.append(document)
        else:
            _take_file(result, document)
    folders = result.settings.get("services")
    result.folders = service_folders(path, folders, bool(result.services or result.tables), services, root, machine)
    result.listing = list_folders(result.folders)
    _replace_shipped(result)
    _report_listing(result)
    for name, file in sorted(result.listing.files.items()):
        _take_service_file(result, name, file)
    for name in sorted(result.listing.drop_ins):
        _take_drop_ins(result, name)
    result.problems += _misplaced_instances(result)
    beside = pod_folders(path, result.settings.get("pods"), result.folders, services, root)
    result.pods.read(tuple(pods) or beside)
    result.files += result.pods.files
    result.problems += result.pods.problems
    result.profiles |= result.pods.profiles
    for tables in ([*result.tables.values()], *result.overlays.values()):
        result.profiles |= {name for table in tables for name in split(table.data)[1]}
    if not errors_of(result.problems):  # what could not be read may have them
        result.problems += unknown(result.active, result.profiles)
    return result


def _take_project(result: Declarations, project: Project) -> bool:
    """Take a project's environment files and its Procfile; tell whether there is one, and no service file counts."""
    there = [path for path in project.environment_files if project.named or os.path.lexists(path)]
    result.files += [path for path in project.files if path in there or path == project.procfile]
    variables = [environment(path) for path in there]
    for one in variables:
        result.problems += one.problems
        result.environment += result.layers("", one.tables[""], one.tables[""].data)
    if project.procfile is None:
        return False
    entries = processes(project, variables)
    result.problems += entries.problems
    for name, table in entries.tables.items():
        result.known.add(name)
        result.services[name] = Declared(name, result.layers(name, table, table.data))
    return True


def _replace_shipped(result: Declarations) -> None:
    """Leave out what comes with asyncinit where asyncinit.toml declares it: as a file of this name would, it wins."""
    for name in (*result.services, *result.tables):
        if os.path.dirname(result.listing.files.get(name, "")) == SHIPPED:
            del result.listing.files[name]


def _misplaced_instances(result: Declarations) -> Iterator[Problem]:
    """Tell where `instances` stands that is no template."""
    finding = Finding(("instances",), "cannot be used here: only a template, NAME@.toml, has instances")
    declared = [*result.services.values(), *([result.defaults] if result.defaults else [])]
    layers = [layer for one in declared for layer in one.layers]
    for name, tables in [*((name, [table]) for name, table in result.tables.items()), *result.overlays.items()]:
        if not is_template(name):
            layers += [layer for table in tables for layer in result.layers(name, table, table.data)]
    for layer in layers:
        if "instances" in layer.given:
            yield layer.problem(finding)


def _take_file(result: Declarations, document: Document) -> None:
    """Take asyncinit.toml apart: what is wrong in it belongs to a service, to the defaults, or to the whole."""
    parts: dict[Path, list[Finding]] = {}
    data, templates = _without_templates(document.data)
    data, profiles = split(data)
    services, of_services = _without_profiles(data, "services")
    pods, of_pods = _without_profiles(data, "pods")
    data |= services | pods
    for name, table in templates.items():
        _take_table(result, name, Table(document, ("services", name), table))
    for finding in examine(data, FileKeys):
        length = {"services": 2, "pods": 2, "defaults": 1}.get(str(finding.key[0]) if finding.key else "", 0)
        if length and len(finding.key) > length:
            parts.setdefault(finding.key[:length], []).append(replace(finding, key=finding.key[length:]))
        else:
            result.problems.append(document.problem(finding, None))
            parts.setdefault((), []).append(finding)
    result.document = document
    result.known |= _names(document.data.get("services"), is_service_name)
    result.pods.known |= _names(document.data.get("pods"), is_plain_name)
    errors = [finding.key for finding in parts.get((), [])]
    sound = pruned(data, errors)
    result.settings = pruned(sound.get("init", {}), [key[1:] for key in errors if key[:1] == ("init",)])
    defaults = sound.get("defaults")
    layers = []
    if isinstance(defaults, dict):
        layers.append(Layer("", document, ("defaults",), defaults, parts.get(("defaults",), [])))
    layers += _take_profiles(result, document, profiles)
    if layers:
        result.defaults = Declared("", layers)
        result.problems += result.defaults.problems
    for name, table in sound.get("pods", {}).items():
        found = parts.get(("pods", name), [])
        result.pods.take(document, name, table, found, of_pods.get(name, {}))
    for name, table in sound.get("services", {}).items():
        own = of_services.get(name, {})
        result.profiles |= own.keys()
        layer = Layer(name, document, ("services", name), table, parts.get(("services", name), []))
        result.services[name] = Declared(name, [layer, *overlays(layer, own, result.active, ServiceKeys)])


def _names(tables: object, may_be: Callable[[str], bool]) -> set[str]:
    return {name for name in tables if may_be(name)} if isinstance(tables, dict) else set()


def _take_profiles(result: Declarations, document: Document, profiles: dict[str, dict[str, Any]]) -> Iterator[Layer]:
    """Lay what asyncinit.toml has for the active profiles over [init], and yield the layers over [defaults]."""
    result.profiles |= profiles.keys()
    for name in result.active:
        if name not in profiles:
            continue
        prefix: Path = (KEY, name)
        of_defaults: list[Finding] = []
        bad: list[Path] = []
        for finding in examine(profiles[name], FileProfileKeys):
            if finding.key[:1] == ("defaults",) and len(finding.key) > 1:
                of_defaults.append(replace(finding, key=finding.key[1:]))
            else:
                bad.append(finding.key)
                result.problems.append(document.problem(replace(finding, key=(*prefix, *finding.key)), None))
        sound = pruned(profiles[name], bad)
        result.settings = laid_over(result.settings, sound.get("init", {}))
        if "defaults" in sound:
            yield Layer("", document, (*prefix, "defaults"), sound["defaults"], of_defaults, profile=name)


def _without_profiles(data: dict[str, Any], key: str) -> tuple[dict[str, Any], dict[str, dict[str, dict[str, Any]]]]:
    """Return the tables of [services] or [pods] without their profiles, and these by name."""
    tables = data.get(key)
    if not isinstance(tables, dict):
        return {}, {}
    parts = {name: split(table) for name, table in tables.items() if isinstance(table, dict)}
    own = {name: parts[name][0] if name in parts else table for name, table in tables.items()}
    return {key: own}, {name: profiles for name, (_, profiles) in parts.items()}


def _without_templates(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the data of asyncinit.toml without templates and instances, and these by name."""
    services = data.get("services")
    if not isinstance(services, dict):
        return data, {}
    apart = {
        name: table
        for name, table in services.items()
        if isinstance(table, dict) and (is_template(name) or (template_of(name) and is_service_name(name)))
    }
    others = {name: table for name, table in services.items() if name not in apart}
    return {**data, "services": others} if apart else data, apart


def _take_table(result: Declarations, name: str, table: Table) -> None:
    """Take the table of a template, or of an instance."""
    result.known.add(name)
    beside = result.tables.setdefault(name, table)
    if beside is not table:
        result.problems.append(_twice(name, table.document, beside.document))


def _twice(name: str, document: Document, other: Document) -> Problem:
    text = f"declares {name}, which [services.{bare_or_quoted(name)}] in {printable(other.path)} declares too"
    return Problem(document.path, None, name, "", text)


def _take_service_file(result: Declarations, name: str, path: str) -> None:
    result.files.append(path)
    result.known.add(name)
    document = read(path, name)
    if isinstance(document, Problem):
        result.problems.append(document)
        return
    table = Table(document, (), document.data)
    if "@" in name:
        _take_table(result, name, table)
        return
    found = Declared(name, result.layers(name, table, document.data))
    beside = result.services.setdefault(name, found)
    if beside is not found:
        result.problems += [_twice(name, document, beside.layers[0].document), *problems_of([found])]


def _take_drop_ins(result: Declarations, name: str) -> None:
    """Lay a service's drop-ins over it."""
    paths = result.listing.drop_ins_of(name)
    if name not in result.known and template_of(name) not in result.known:
        result.problems += [_nothing_below(result, name, folder) for folder in sorted(set(map(os.path.dirname, paths)))]
        return
    tables = []
    for path in paths:
        result.files.append(path)
        document = read(path, name)
        if isinstance(document, Problem):
            result.problems.append(document)
        else:
            tables.append(Table(document, (), document.data))
    below = result.services.get(name)
    if "@" in name:
        result.overlays[name] = tables
    elif below is not None:
        layers = [layer for table in tables for layer in result.layers(name, table, table.data)]
        result.services[name] = Declared(name, below.layers + layers)


def _nothing_below(result: Declarations, name: str, folder: str) -> Problem:
    guess = meant(name, result.known)
    suggestion = printable(os.path.join(os.path.dirname(folder), f"{guess}.d")) if guess else ""
    text = f"has drop-ins for {shown(name)}, and there is no such service"
    return Problem(folder, None, None, "", text, suggestion=suggestion, severity=Severity.WARNING)


def _report_listing(result: Declarations) -> None:
    for folder, error in result.listing.failed:
        absent = isinstance(error, FileNotFoundError)
        text = "there is no such folder" if absent else f"cannot be read: {os.strerror(error.errno or 0).lower()}"
        result.problems.append(Problem(folder, None, None, "", text))
    for path in result.listing.odd:
        text = "has a name that no service can have"
        result.problems.append(Problem(path, None, None, "", text, expected=f"{NAME} and .toml"))
