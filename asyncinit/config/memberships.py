"""Which services are members of which pod, and what is wrong with that; reads no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from asyncinit.config.declared import Declarations
from asyncinit.config.layers import Declared
from asyncinit.config.merge import RELATIONS, has, laid_over
from asyncinit.config.problems import Finding, Problem, printable, shown
from asyncinit.config.sections import pods
from asyncinit.config.spec import PodInit, ServiceSpec, pod_key
from asyncinit.config.templates import Services

Whole = Mapping[str, dict[str, Any]]


class Memberships:
    """The pods of what was found, each with its `members`, in the order of their names."""

    def __init__(self, found: Declarations, services: Services, whole: Whole) -> None:
        self._found = found
        self._services = services
        self._pods = found.pods.found
        self.members: dict[str, list[str]] = {name: [] for name in self._pods}
        for name in sorted(whole):
            pod = whole[name].get("pod")
            if pod in self.members:
                self.members[pod].append(name)

    def check(self, whole: Whole) -> Iterator[Problem]:
        """Check each pod, and that every service that is to be in one can be."""
        for name, one in self._pods.items():
            yield from one.problems
            yield from map(one.problem, pods.check(name, one.given))
            if one.table.get("init") == "first":
                yield from map(one.problem, self._check_first(name, one))
        for name, keys in whole.items():
            pod = keys.get("pod")
            yield from (self._of_service(name, finding) for finding in self._check_crossing(name, keys))
            if isinstance(pod, str) and pod not in self._found.pods.known:
                yield self._of_service(name, self._found.pods.unknown(pod))
            elif pod in self._pods:
                share = self._pods[pod].table.get("share", pods.SHARE)
                for finding in pods.check_member(pod, share, keys.get("namespaces")):
                    yield self._of_service(name, finding)

    def _check_first(self, name: str, one: Declared) -> Iterator[Finding]:
        first, members = one.given.get("first"), self.members[name]
        if first is None and len(members) > 1:
            problem = f"is missing: {', '.join(map(printable, members))} are members, and one of them is PID 1"
            yield Finding(("first",), problem, expected=f"first = {shown(members[0])}")
        elif first is None and not members:
            yield Finding(("init",), 'is "first", and no service is in this pod to be its PID 1')
        elif first is not None and first not in members:
            problem = f"names {shown(first)}, which is not in this pod"
            yield Finding(("first",), problem, expected=f'pod = "{name}" there')

    def _check_crossing(self, name: str, keys: Mapping[str, Any]) -> Iterator[Finding]:
        """Check that no edge leads into a pod with an asyncinit of its own, or out of it."""
        own = self.inside(name)
        for key in RELATIONS:
            for index, other in enumerate(keys.get(key, ())):
                if other in self._services.all and self.inside(other) != own:
                    pod = own or self.inside(other)
                    where = "not in" if own else "in"
                    text = f"names {printable(other)}, which is {where} pod {pod}, and that has an asyncinit of its own"
                    yield Finding((key, index), text)

    def inside(self, name: str) -> str | None:
        """Return the pod with an asyncinit of its own that a service is in."""
        pods_of = (pod for pod, members in self.members.items() if name in members)
        return next((pod for pod in pods_of if self._pods[pod].table.get("init") == "asyncinit"), None)

    def _of_service(self, name: str, finding: Finding) -> Problem:
        own, defaults = self._services.all[name], self._found.defaults
        if defaults is not None and not has(own.given, finding.key):
            return defaults.problem(finding)
        return own.problem(finding)

    def first(self, pod: str) -> str | None:
        """Return the member that is the pod's PID 1, if one is."""
        table = self._pods[pod].table
        if table.get("init") != "first":
            return None
        named, members = table.get("first"), self.members[pod]
        return named if named in members else members[0] if named is None and members else None

    def edges(self) -> dict[str, dict[str, list[str]]]:
        """Return what members wait for because of their pod, and pods because of their first member, by key."""
        result: dict[str, dict[str, list[str]]] = {}
        for pod, members in self.members.items():
            first = self.first(pod)
            result[pod_key(pod)] = {} if first is None else {"first": [first]}
            result |= {name: {"pod": [pod_key(pod)]} for name in members if name != first}
        return result

    def bound(self, specs: Mapping[str, ServiceSpec], whole: Whole) -> dict[str, ServiceSpec]:
        """Return services as they are in their pods, and the pods themselves; `whole` has the keys of each service."""
        result = dict(specs)
        for pod, one in self._pods.items():
            first = self.first(pod)
            origin = printable(one.layers[0].document.path)
            keys = msgspec.convert(laid_over({}, one.table), pods.PodKeys)
            box = result[pod_key(pod)] = pods.resolve(pod, keys, first, origin)
            sandbox = box.sandbox
            assert sandbox is not None
            for name in self.members[pod]:
                if name in specs and sandbox.init is PodInit.ASYNCINIT:
                    security = pods.secured(specs[name].security, whole[name].get("security"))
                    member = replace(result.pop(name), pod=None, security=security)
                    box = result[box.name] = replace(box, inner=(*box.inner, member))
                elif name in specs:
                    binds_to = specs[name].binds_to if name == first else (*specs[name].binds_to, box.name)
                    namespaces = pods.shared(sandbox, specs[name].namespaces)
                    security = pods.secured(specs[name].security, whole[name].get("security"))
                    result[name] = replace(specs[name], binds_to=binds_to, namespaces=namespaces, security=security)
        return result
