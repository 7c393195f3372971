"""What the files declare, service by service, with all that is wrong in each; puts nothing together yet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncinit.config.convert import examine, pruned
from asyncinit.config.documents import Document, read
from asyncinit.config.hints import NOT_YET
from asyncinit.config.keys import ServiceKeys
from asyncinit.config.merge import check_table
from asyncinit.config.places import Listing, configuration_file, list_folders, service_folders
from asyncinit.config.problems import Finding, Path, Problem, Severity
from asyncinit.config.settings import FileKeys


@dataclass(slots=True)
class Declared:
    """One table of a service's keys: where it stands, what it says, and what of that is wrong.

    `prefix` leads to it within its document. `table` has it without what is wrong; `given` as it stands there.
    """

    name: str
    document: Document
    prefix: Path
    given: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)
    table: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.findings += check_table(self.given)
        bad = [finding.key for finding in self.findings if finding.severity is Severity.ERROR]
        self.table = pruned(self.given, bad) if bad else self.given

    def problem(self, finding: Finding) -> Problem:
        """Return a finding of this table with its file and line."""
        whole = Finding(
            (*self.prefix, *finding.key),
            finding.problem,
            finding.found,
            finding.expected,
            finding.suggestion,
            finding.severity,
        )
        return self.document.problem(whole, self.name or None)


@dataclass(slots=True)
class Declarations:
    """All that was found: `settings` is the [init] table; `known` are all names, of unreadable files too."""

    problems: list[Problem] = field(default_factory=list)
    services: dict[str, Declared] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    defaults: Declared | None = None
    document: Document | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
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
            parts.setdefault(finding.key[:length], []).append(_below(finding, length))
        else:
            result.problems.append(document.problem(finding, None))
            parts.setdefault((), []).append(finding)
    result.document = document
    errors = [finding.key for finding in parts.get((), [])]
    sound = pruned(document.data, errors)
    result.settings = pruned(sound.get("init", {}), [key[1:] for key in errors if key[:1] == ("init",)])
    if isinstance(defaults := sound.get("defaults"), dict):
        result.defaults = Declared("", document, ("defaults",), defaults, parts.get(("defaults",), []))
        result.problems += map(result.defaults.problem, result.defaults.findings)
    for name, table in sound.get("services", {}).items():
        prefix: Path = ("services", name)
        result.known.add(name)
        result.services[name] = Declared(name, document, prefix, table, parts.get(prefix, []))


def _below(finding: Finding, length: int) -> Finding:
    return Finding(
        finding.key[length:], finding.problem, finding.found, finding.expected, finding.suggestion, finding.severity
    )


def _take_service_file(result: Declarations, name: str, path: str) -> None:
    result.files.append(path)
    result.known.add(name)
    document = read(path, name)
    if isinstance(document, Problem):
        result.problems.append(document)
        return
    beside = result.services.get(name)
    if beside is not None:
        text = f"declares {name}, which [services.{name}] in {beside.document.path} declares too"
        result.problems.append(Problem(path, None, name, "", text))
        return
    result.services[name] = Declared(name, document, (), document.data, examine(document.data, ServiceKeys))


def _report_listing(result: Declarations) -> None:
    for folder, error in result.listing.failed:
        result.problems.append(
            Problem(folder, None, None, "", f"cannot be read: {os.strerror(error.errno or 0).lower()}")
        )
    for path, what in result.listing.odd:
        texts = {
            "template": f"is a template, which {NOT_YET}",
            "drop-in": f"is a folder of drop-ins, which {NOT_YET}",
            "name": "has a name that no service can have",
        }
        expected = 'letters, digits, "_", "." and "-", and not one of these three first' if what == "name" else ""
        result.problems.append(Problem(path, None, None, "", texts[what], expected=expected))


def problems_of(declared: Iterable[Declared]) -> list[Problem]:
    """Return what was found wrong in services' own tables."""
    return [one.problem(finding) for one in declared for finding in one.findings]
