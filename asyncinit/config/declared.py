"""What the files declare, service by service, with all that is wrong in each; puts nothing together yet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from asyncinit.config.convert import examine, pruned
from asyncinit.config.documents import Document, read
from asyncinit.config.hints import NOT_YET
from asyncinit.config.keys import ServiceKeys
from asyncinit.config.kinds import NAME
from asyncinit.config.layers import Declared, Layer, problems_of
from asyncinit.config.listing import Listing, list_folders
from asyncinit.config.names import is_service_name
from asyncinit.config.places import configuration_file, service_folders
from asyncinit.config.problems import Finding, Path, Problem, Severity, printable, shown
from asyncinit.config.settings import FileKeys
from asyncinit.config.values import close_to


class Declarations(Struct):
    """All that was found: `settings` is the [init] table; `known` are all names, of unreadable files too."""

    problems: list[Problem] = []
    services: dict[str, Declared] = {}
    known: set[str] = set()
    defaults: Layer | None = None
    document: Document | None = None
    settings: dict[str, Any] = {}
    files: list[str] = []
    folders: tuple[str, ...] = ()
    listing: Listing = field(default_factory=Listing)


def gather(config: str | None, services: Sequence[str], root: str) -> Declarations:
    """Read every file that counts, and examine each on its own."""
    result = Declarations()
    path = configuration_file(config, root)
    if path is not None:
        result.files.append(path)
        document = read(path)
        if isinstance(document, Problem):
            result.problems.append(document)
        else:
            _take_file(result, document)
    folders = result.settings.get("services")
    result.folders = service_folders(path, folders, bool(result.services), services, root)
    result.listing = list_folders(result.folders)
    _report_listing(result)
    for name, file in sorted(result.listing.files.items()):
        _take_service_file(result, name, file)
    for name in sorted(result.listing.drop_ins):
        _take_drop_ins(result, name)
    return result


def _take_file(result: Declarations, document: Document) -> None:
    """Take asyncinit.toml apart: what is wrong in it belongs to a service, to the defaults, or to the whole."""
    parts: dict[Path, list[Finding]] = {}
    for finding in examine(document.data, FileKeys):
        length = {"services": 2, "defaults": 1}.get(str(finding.key[0]) if finding.key else "", 0)
        if length and len(finding.key) > length:
            parts.setdefault(finding.key[:length], []).append(replace(finding, key=finding.key[length:]))
        else:
            result.problems.append(document.problem(finding, None))
            parts.setdefault((), []).append(finding)
    result.document = document
    services = document.data.get("services")
    result.known |= {name for name in services if is_service_name(name)} if isinstance(services, dict) else set()
    errors = [finding.key for finding in parts.get((), [])]
    sound = pruned(document.data, errors)
    result.settings = pruned(sound.get("init", {}), [key[1:] for key in errors if key[:1] == ("init",)])
    if isinstance(defaults := sound.get("defaults"), dict):
        result.defaults = Layer("", document, ("defaults",), defaults, parts.get(("defaults",), []))
        result.problems += map(result.defaults.problem, result.defaults.findings)
    for name, table in sound.get("services", {}).items():
        prefix: Path = ("services", name)
        result.services[name] = Declared(name, [Layer(name, document, prefix, table, parts.get(prefix, []))])


def _take_service_file(result: Declarations, name: str, path: str) -> None:
    result.files.append(path)
    result.known.add(name)
    document = read(path, name)
    if isinstance(document, Problem):
        result.problems.append(document)
        return
    found = Declared(name, [_layer(name, document)])
    beside = result.services.setdefault(name, found)
    if beside is not found:
        other = printable(beside.layers[0].document.path)
        text = f"declares {name}, which [services.{name}] in {other} declares too"
        result.problems += [Problem(path, None, name, "", text), *problems_of([found])]


def _layer(name: str, document: Document) -> Layer:
    """Return the table that a whole file is."""
    return Layer(name, document, (), document.data, examine(document.data, ServiceKeys))


def _take_drop_ins(result: Declarations, name: str) -> None:
    """Lay a service's drop-ins over it."""
    paths = result.listing.drop_ins_of(name)
    if name not in result.known:
        result.problems += [_nothing_below(result, name, folder) for folder in sorted(set(map(os.path.dirname, paths)))]
        return
    layers = []
    for path in paths:
        result.files.append(path)
        document = read(path, name)
        if isinstance(document, Problem):
            result.problems.append(document)
        else:
            layers.append(_layer(name, document))
    below = result.services.get(name)
    if below is not None and layers:
        result.services[name] = Declared(name, below.layers + layers)


def _nothing_below(result: Declarations, name: str, folder: str) -> Problem:
    guess = close_to(name, result.known) if len(result.known) <= 2000 else ""
    suggestion = printable(os.path.join(os.path.dirname(folder), f"{guess}.d")) if guess else ""
    text = f"has drop-ins for {shown(name)}, and there is no such service"
    return Problem(folder, None, None, "", text, suggestion=suggestion, severity=Severity.WARNING)


def _report_listing(result: Declarations) -> None:
    for folder, error in result.listing.failed:
        absent = isinstance(error, FileNotFoundError)
        text = "there is no such folder" if absent else f"cannot be read: {os.strerror(error.errno or 0).lower()}"
        result.problems.append(Problem(folder, None, None, "", text))
    for path, what in result.listing.odd:
        texts = {
            "template": f"is a template, which {NOT_YET}",
            "name": "has a name that no service can have",
        }
        expected = f"{NAME} and .toml" if what == "name" else ""
        result.problems.append(Problem(path, None, None, "", texts[what], expected=expected))

