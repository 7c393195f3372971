"""One service as the files have it: its own table, and the drop-ins that are laid over it; reads nothing.

What the layers say together is what counts. What is wrong is told of the topmost layer that says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.convert import examine, pruned
from asyncinit.config.documents import Document
from asyncinit.config.keys import ServiceFileKeys, ServiceKeys
from asyncinit.config.merge import check_table, has, laid_over
from asyncinit.config.problems import Finding, Path, Problem, Severity
from asyncinit.config.profiles import KEY, split


class Table(Struct, frozen=True):
    """A table of a service's keys as it stands in a file: `prefix` leads to it within its document."""

    document: Document
    prefix: Path
    data: dict[str, Any]

    def layers(self, name: str, given: dict[str, Any], active: Sequence[str]) -> list[Layer]:
        """Return the layers of service `name` that this is with its `active` profiles, where it is read as `given`."""
        own, profiles = split(given)
        # Only what cannot be a profile has `profile` left.
        kind = ServiceFileKeys if KEY in own else ServiceKeys
        layer = Layer(name, self.document, self.prefix, own, examine(own, kind))
        return [layer, *overlays(layer, profiles, active, ServiceKeys)]


class Layer(Struct):
    """One table of a service's keys: where it stands, what it says, and what of that is wrong.

    `prefix` leads to it within its document. `table` has it without what is wrong; `given` as it stands there.
    `profile`: it is a table of this profile.
    """

    name: str
    document: Document
    prefix: Path
    given: dict[str, Any]
    findings: list[Finding] = []
    table: dict[str, Any] = {}
    profile: str = ""

    def __post_init__(self) -> None:
        self.findings += check_table(self.given)
        bad = [finding.key for finding in self.findings if finding.severity is Severity.ERROR]
        self.table = pruned(self.given, bad) if bad else self.given
        if KEY in self.table:  # what can be a profile stands apart
            self.table = {key: value for key, value in self.table.items() if key != KEY}

    def problem(self, finding: Finding) -> Problem:
        """Return a finding of this table with its file and line."""
        whole = replace(finding, key=(*self.prefix, *finding.key))
        return self.document.problem(whole, self.name or None)


def overlays(
    below: Layer, profiles: Mapping[str, dict[str, Any]], active: Sequence[str], kind: type
) -> Iterator[Layer]:
    """Yield the layers that the `active` ones of a table's profiles lay over it; `kind` is the class of their keys."""
    for name in active:
        if name in profiles:
            prefix = (*below.prefix, KEY, name)
            table = profiles[name]
            yield Layer(below.name, below.document, prefix, table, examine(table, kind), profile=name)


class Declared(Struct):
    """A service and its layers, the lowest first: its own table, then drop-ins, each with the profiles of it."""

    name: str
    layers: list[Layer]
    given: dict[str, Any] = {}
    table: dict[str, Any] = {}

    def __post_init__(self) -> None:
        self.given = reduce(laid_over, (layer.given for layer in self.layers))
        self.table = reduce(laid_over, (layer.table for layer in self.layers))

    @property
    def findings(self) -> list[Finding]:
        """What is wrong in the layers, each on its own."""
        return [finding for layer in self.layers for finding in layer.findings]

    @property
    def problems(self) -> list[Problem]:
        """The same, each with its file and line."""
        return [layer.problem(finding) for layer in self.layers for finding in layer.findings]

    def problem(self, finding: Finding) -> Problem:
        """Return what was found in all layers together, with the file and line of the topmost that says it."""
        return self._layer_of(finding.key).problem(finding)

    def _layer_of(self, key: Path) -> Layer:
        for length in range(len(key), 0, -1):
            for layer in reversed(self.layers):
                if has(layer.given, key[:length]):
                    return layer
        return self.layers[0]


def problems_of(services: Iterable[Declared]) -> list[Problem]:
    """Return what was found wrong in services' own layers."""
    return [problem for one in services for problem in one.problems]
