"""The dependency graph: who starts after whom, who stops before whom, who needs whom. Pure; knows no states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from asyncinit.config.spec import ServiceSpec


class Graph:
    """The edges between services, both ways round. Names that no service has are left out.

    `hard[x]`: must be satisfied before x starts (requires, binds_to, awaits). `soft[x]`: x waits for their first
    attempt (wants, after, and the other side of before). `after[x]`: both. `before[x]`: the same edges from the other
    end: what may start only after x, and so stops before it. The inner mappings are ordered sets.
    """

    def __init__(self, specs: Mapping[str, ServiceSpec]) -> None:
        known = specs.keys()

        def present(names: Iterable[str], own: str) -> tuple[str, ...]:
            return tuple(dict.fromkeys(name for name in names if name in known and name != own))

        follows: dict[str, list[str]] = {name: [] for name in specs}
        for name, spec in specs.items():
            for later in present(spec.before, name):
                follows[later].append(name)
        self.hard = {n: dict.fromkeys(present((*s.requires, *s.binds_to, *s.awaits), n)) for n, s in specs.items()}
        self.soft = {n: dict.fromkeys(present((*s.wants, *s.after, *follows[n]), n)) for n, s in specs.items()}
        self.after = {n: self.hard[n] | self.soft[n] for n in specs}
        self.before: dict[str, dict[str, None]] = {name: {} for name in specs}
        for name, earlier in self.after.items():
            for other in earlier:
                self.before[other][name] = None
        self.needs = {n: present((*s.requires, *s.binds_to), n) for n, s in specs.items()}
        self.wants = {n: present(s.wants, n) for n, s in specs.items()}
        self.needed_by: dict[str, list[str]] = {name: [] for name in specs}
        self.bound_by: dict[str, list[str]] = {name: [] for name in specs}
        for name, spec in specs.items():
            for other in present(spec.binds_to, name):
                self.bound_by[other].append(name)
        for name, needs in self.needs.items():
            for other in needs:
                self.needed_by[other].append(name)

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
