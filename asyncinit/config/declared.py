"""What the files declare, service by service, with all that is wrong in each; puts nothing together yet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from asyncinit.config.convert import examine, pruned
from asyncinit.config.documents import Document, read
from asyncinit.config.hints import NOT_YET
from asyncinit.config.keys import ServiceKeys
from asyncinit.config.kinds import NAME
from asyncinit.config.merge import check_table
from asyncinit.config.places import Listing, configuration_file, is_service_name, list_folders, service_folders
from asyncinit.config.problems import Finding, Path, Problem, Severity, printable
from asyncinit.config.settings import FileKeys


class Declared(Struct):
    """One table of a service's keys: where it stands, what it says, and what of that is wrong.

    `prefix` leads to it within its document. `table` has it without what is wrong; `given` as it stands there.
    """

    name: str
    document: Document
    prefix: Path
    given: dict[str, Any]
    findings: list[Finding] = []
    table: dict[str, Any] = {}

    def __post_init__(self) -> None:
        self.findings += check_table(self.given)
        bad = [finding.key for finding in self.findings if finding.severity is Severity.ERROR]
        self.table = pruned(self.given, bad) if bad else self.given

    def problem(self, finding: Finding) -> Problem:
        """Return a finding of this table with its file and line."""
        whole = replace(finding, key=(*self.prefix, *finding.key))
        return self.document.problem(whole, self.name or None)


class Declarations(Struct):
    """All that was found: `settings` is the [init] table; `known` are all names, of unreadable files too."""

    problems: list[Problem] = []
    services: dict[str, Declared] = {}
    known: set[str] = set()
    defaults: Declared | None = None
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
        result.defaults = Declared("", document, ("defaults",), defaults, parts.get(("defaults",), []))
        result.problems += map(result.defaults.problem, result.defaults.findings)
    for name, table in sound.get("services", {}).items():
        prefix: Path = ("services", name)
        result.services[name] = Declared(name, document, prefix, table, parts.get(prefix, []))


def _take_service_file(result: Declarations, name: str, path: str) -> None:
    result.files.append(path)
    result.known.add(name)
    document = read(path, name)
    if isinstance(document, Problem):
        result.problems.append(document)
        return
    found = Declared(name, document, (), document.data, examine(document.data, ServiceKeys))
    beside = result.services.setdefault(name, found)
    if beside is not found:
        text = f"declares {name}, which [services.{name}] in {printable(beside.document.path)} declares too"
        result.problems += [Problem(path, None, name, "", text), *problems_of([found])]


def _report_listing(result: Declarations) -> None:
    for folder, error in result.listing.failed:
        absent = isinstance(error, FileNotFoundError)
        text = "there is no such folder" if absent else f"cannot be read: {os.strerror(error.errno or 0).lower()}"
        result.problems.append(Problem(folder, None, None, "", text))
    for path, what in result.listing.odd:
        texts = {
            "template": f"is a template, which {NOT_YET}",
            "drop-in": f"is a folder of drop-ins, which {NOT_YET}",
            "name": "has a name that no service can have",
        }
        expected = f"{NAME} and .toml" if what == "name" else ""
        result.problems.append(Problem(path, None, None, "", texts[what], expected=expected))


def problems_of(declared: Iterable[Declared]) -> list[Problem]:
    """Return what was found wrong in services' own tables."""
    return [one.problem(finding) for one in declared for finding in one.findings]
