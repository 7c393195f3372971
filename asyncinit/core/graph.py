"""The dependency graph: who starts after whom, who stops before whom, who needs whom. Pure; knows no states."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from asyncinit.config.spec import ServiceSpec, ServiceType


class Graph:
    """The edges between services, both ways round. Names that no service has are left out.

    `detached` are services that are not declared any more, but still there (`reconfiguration`): what is declared has no
    edge to them.

    `hard[x]`: must be satisfied before x starts (requires, binds_to, awaits). `soft[x]`: x waits for their first
    attempt (wants, after, the other side of before, and the services that read its output). `after[x]`: both.
    `before[x]`: the same edges from the other end: what may start only after x, and so stops before it. `outlives[x]`:
    that, and what comes behind a oneshot of these, which has completed long before x stops and would hide it;
    `outlived_by[x]`: the same from the other end. `conflicts[x]`: what cannot be up beside x, whichever of them says
    so. The inner mappings are ordered sets. `written_to`: the services that others write to, on their standard input.
    """

    def __init__(self, declared: Mapping[str, ServiceSpec], detached: Mapping[str, ServiceSpec] | None = None) -> None:
        specs = {**declared, **(detached or {})}

        def present(names: Iterable[str], own: str) -> tuple[str, ...]:
            known = declared if own in declared else specs
            return tuple(dict.fromkeys(name for name in names if name in known and name != own))

        follows: dict[str, list[str]] = {name: [] for name in specs}
        for name, spec in specs.items():
            for later in present(spec.before, name):
                follows[later].append(name)
        self.hard = {n: dict.fromkeys(present((*s.requires, *s.binds_to, *s.awaits), n)) for n, s in specs.items()}
        self.soft = {
            n: dict.fromkeys(present((*s.wants, *s.after, *follows[n], *s.log.loggers), n)) for n, s in specs.items()
        }
        self.after = {n: self.hard[n] | self.soft[n] for n in specs}
        self.before: dict[str, dict[str, None]] = {name: {} for name in specs}
        for name, earlier in self.after.items():
            for other in earlier:
                self.before[other][name] = None
        passed = {name for name, spec in specs.items() if spec.type is ServiceType.ONESHOT}
        self.outlives = {name: _through(self.before, name, passed) for name in specs}
        self.outlived_by = {name: _through(self.after, name, passed) for name in specs}
        self.needs = {n: present((*s.requires, *s.binds_to), n) for n, s in specs.items()}
        self.bound_to = {n: present(s.binds_to, n) for n, s in specs.items()}
        self.conflicts: dict[str, dict[str, None]] = {name: {} for name in specs}
        for name, spec in specs.items():
            for other in spec.conflicts:
                if other in specs and other != name:
                    self.conflicts[name][other] = self.conflicts[other][name] = None
        self.wants = {n: present((*s.wants, *s.log.loggers), n) for n, s in specs.items()}
        self.written_to = frozenset(other for n, s in specs.items() for other in present(s.log.loggers, n))
        self.needed_by: dict[str, list[str]] = {name: [] for name in specs}
        self.bound_by: dict[str, list[str]] = {name: [] for name in specs}
        for name, bound in self.bound_to.items():
            for other in bound:
                self.bound_by[other].append(name)
        for name, needs in self.needs.items():
            for other in needs:
                self.needed_by[other].append(name)

    def drop(self, name: str) -> None:
        """Forget a service that is detached."""
        for other in self.after.pop(name):
            self.before[other].pop(name, None)
        for other in self.before.pop(name):
            for edges in (self.hard, self.soft, self.after):
                edges[other].pop(name, None)
        for other in self.outlived_by.pop(name):
            self.outlives[other].pop(name, None)
        for other in self.outlives.pop(name):
            self.outlived_by[other].pop(name, None)
        for other in self.conflicts.pop(name):
            self.conflicts[other].pop(name, None)
        for table in (self.hard, self.soft, self.needs, self.wants, self.bound_to, self.needed_by, self.bound_by):
            table.pop(name, None)

    def pulled_in(self, names: Iterable[str], enabled: Mapping[str, bool]) -> list[str]:
        """Return `names` and all that must be started for them: what is needed, and what is wanted if enabled."""
        order: dict[str, None] = {}
        stack = list(reversed(list(names)))
        while stack:
            name = stack.pop()
            if name in order:
                continue
            order[name] = None
            stack.extend(other for other in self.needs[name] if other not in order)
            stack.extend(other for other in self.wants[name] if other not in order and enabled[other])
        return list(order)

    def brought_down(self, names: Iterable[str]) -> list[str]:
        """Return `names` and all that needs them, directly or not."""
        return self._closure(names, self.needed_by)

    def torn_down(self, names: Iterable[str]) -> list[str]:
        """Return `names` and all that is bound to them, directly or not."""
        return self._closure(names, self.bound_by)

    @staticmethod
    def _closure(names: Iterable[str], edges: Mapping[str, list[str]]) -> list[str]:
        order: dict[str, None] = {}
        stack = list(reversed(list(names)))
        while stack:
            name = stack.pop()
            if name not in order:
                order[name] = None
                stack.extend(edges[name])
        return list(order)


def _through(edges: Mapping[str, dict[str, None]], name: str, passed: Collection[str]) -> dict[str, None]:
    """Return where `edges` lead from `name`, and on from there where that is one of `passed`."""
    found = dict(edges[name])
    stack = [other for other in found if other in passed]
    while stack:
        for other in edges[stack.pop()]:
            if other not in found:
                found[other] = None
                if other in passed:
                    stack.append(other)
    return found
