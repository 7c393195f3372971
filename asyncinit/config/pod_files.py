"""Files of pods, each with its drop-ins; what a pod says is examined as a service's file is, by other keys."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from asyncinit.config.convert import examine
from asyncinit.config.documents import Document, read
from asyncinit.config.kinds import NAME
from asyncinit.config.layers import Declared, Layer, overlays
from asyncinit.config.listing import list_folders
from asyncinit.config.names import is_plain_name
from asyncinit.config.problems import Finding, Problem, Severity, bare_or_quoted, printable, shown
from asyncinit.config.profiles import KEY, split
from asyncinit.config.sections.pods import PodFileKeys, PodKeys
from asyncinit.config.spec import pod_key
from asyncinit.config.values import close_to


class Pods(Struct):
    """The pods that were found, by name; `known` are all names, of unreadable files too.

    `profiles` are all that a pod has, `active` those that count.
    """

    found: dict[str, Declared] = {}
    known: set[str] = set()
    files: list[str] = []
    problems: list[Problem] = []
    active: tuple[str, ...] = ()
    profiles: set[str] = set()

    def take(
        self,
        document: Document,
        name: str,
        table: dict[str, Any],
        findings: list[Finding],
        profiles: Mapping[str, dict[str, Any]],
    ) -> None:
        """Take [pods.NAME] of asyncinit.toml, with what its `profiles` lay over it."""
        self.known.add(name)
        layer = Layer(pod_key(name), document, ("pods", name), table, findings)
        self.found[name] = Declared(pod_key(name), self._with(layer, profiles))

    def _with(self, layer: Layer, profiles: Mapping[str, dict[str, Any]]) -> list[Layer]:
        self.profiles |= profiles.keys()
        return [layer, *overlays(layer, profiles, self.active, PodKeys)]

    def read(self, folders: Sequence[str]) -> None:
        """Read the files in `folders`, of which of one name the later wins, and lay the drop-ins over them."""
        listing = list_folders(folders)
        for folder, error in listing.failed:
            absent = isinstance(error, FileNotFoundError)
            text = "there is no such folder" if absent else f"cannot be read: {os.strerror(error.errno or 0).lower()}"
            self.problems.append(Problem(folder, None, None, "", text))
        odd = listing.odd + [path for name, path in listing.files.items() if not is_plain_name(name)]
        for path in odd:
            text = "has a name that no pod can have"
            self.problems.append(Problem(path, None, None, "", text, expected=f"{NAME} and .toml"))
        for name, path in sorted(listing.files.items()):
            if path not in odd:
                self._take_file(name, path)
        for name in sorted(listing.drop_ins):
            self._lay_over(name, listing.drop_ins_of(name))

    def _take_file(self, name: str, path: str) -> None:
        self.files.append(path)
        self.known.add(name)
        layers = self._layers(name, path)
        if not layers:
            return
        one = Declared(pod_key(name), layers)
        beside = self.found.setdefault(name, one)
        if beside is not one:
            other = printable(beside.layers[0].document.path)
            text = f"declares pod {name}, which [pods.{bare_or_quoted(name)}] in {other} declares too"
            self.problems.append(Problem(path, None, pod_key(name), "", text))

    def _lay_over(self, name: str, paths: Sequence[str]) -> None:
        if name not in self.known:
            for folder in sorted(set(map(os.path.dirname, paths))):
                text = f"has drop-ins for {shown(name)}, and there is no such pod"
                self.problems.append(Problem(folder, None, None, "", text, severity=Severity.WARNING))
            return
        self.files += paths
        layers = [layer for path in paths for layer in self._layers(name, path)]
        if name in self.found:
            self.found[name] = Declared(pod_key(name), self.found[name].layers + layers)

    def _layers(self, name: str, path: str) -> list[Layer]:
        document = read(path, pod_key(name))
        if isinstance(document, Problem):
            self.problems.append(document)
            return []
        own, profiles = split(document.data)
        kind = PodFileKeys if KEY in own else PodKeys
        return self._with(Layer(pod_key(name), document, (), own, examine(own, kind)), profiles)

    def unknown(self, name: str) -> Finding:
        """Return what to say where a service is to be in the pod `name`, which there is not."""
        guess = close_to(name, self.known)
        where = "" if self.known else f"pods.d/{printable(name)}.toml"
        text = f"names {shown(name)}, and there is no such pod"
        if where:
            return Finding(("pod",), text, expected=f"a file {where}, or [pods.{bare_or_quoted(name)}]")
        return Finding(("pod",), text, suggestion=shown(guess) if guess else "")
