"""Templates, NAME@.toml: which instances there are, and what each of them declares; reads no file.

`${INSTANCE}` stands for the instance's name in every value of a template and of its drop-ins: in commands, paths and
addresses, and in the names of other services too. It is replaced before anything is examined, so that each value is
checked as what it becomes. An instance comes into being by `instances`, by a file or drop-in of its own, or by its
name, where something starts it. One that is named alone is `summoned`: who names it starts it, and nothing else does.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from asyncinit.config.declared import Declarations
from asyncinit.config.layers import Declared
from asyncinit.config.merge import RELATIONS, STARTS, merged
from asyncinit.config.names import instance_of, is_service_name, is_template, template_of
from asyncinit.config.problems import Finding, Problem
from asyncinit.config.sections import log
from asyncinit.config.spec import NO_INSTANCES, Instances

MOST = 10_000
"""Instances of all templates; more come only of templates that name each other without end."""

_TRIAL = "1"  # the instance as which a template without any is examined
_DEEPEST = 20  # no key that is known is so deep in a file
_VARIABLE = re.compile(r"\$\$|\$\{INSTANCE(?::-[^}]*)?\}")


class Services(Struct):
    """All services, instances among them; `summoned` are those that only others start.

    `idle` are templates without an instance, as an instance would be; `of` has the instances of each template, `named`
    those that it names itself.
    """

    all: dict[str, Declared]
    summoned: set[str] = set()
    idle: dict[str, Declared] = {}
    of: dict[str, list[str]] = {}
    named: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []


def instantiate(found: Declarations, asked: Instances = NO_INSTANCES) -> Services:
    """Return all services of what was found, with the instances that are `asked` for."""
    result = Services(dict(found.services), of={name: [] for name in found.tables if is_template(name)})
    result.named = {template: tuple(_declared(found, template)) for template in result.of}
    declared = {
        name: None
        for template, named in result.named.items()
        for name in (counted(template, named, asked.counts[template]) if template in asked.counts else named)
    }
    declared |= {name: None for name in found.tables if not is_template(name)}
    starts = [name for name in found.settings.get("start", ()) if isinstance(name, str)]
    summoned = [*(name for name in found.overlays if template_of(name)), *starts, *asked.names]
    for one in found.services.values():
        summoned += _named(one, found)
    queue = deque((*declared, *summoned))
    while queue:
        name = queue.popleft()
        if name in result.all or not is_service_name(name):
            continue
        made = found.made.get(name) or _make(found, name, instance_of(name))
        if made is None:
            continue
        if len(result.all) >= len(found.services) + MOST:
            result.problems.append(made.layers[0].problem(Finding((), f"has more than {MOST} instances with others")))
            break
        found.made[name] = result.all[name] = made
        if name not in declared and not _is_enabled_itself(found, name):
            result.summoned.add(name)
        result.of.setdefault(template_of(name), []).append(name)
        queue += _named(made, found)
    for template in result.of:
        if not result.of[template] and (trial := _make(found, template, _TRIAL)):
            result.idle[template] = trial
    return result


def _declared(found: Declarations, template: str) -> Iterator[str]:
    """Return the names of the instances that a template has by its own word."""
    trial = _make(found, template, _TRIAL)
    instances = trial.table.get("instances", ()) if trial is not None else ()
    for instance in range(1, instances + 1) if isinstance(instances, int) else instances:
        yield f"{template}{instance}"


def counted(template: str, named: Sequence[str], count: int) -> list[str]:
    """Return so many instances of a template, those that it names itself first, and then further numbers.

    One whose instances are not all numbers has those that it names.
    """
    numbers = numbers_of(named)
    if numbers is None:
        return list(named)
    first = numbers[-1] + 1 if numbers else 1
    return [f"{template}{number}" for number in (*numbers, *range(first, first + count))][:count]


def numbers_of(named: Sequence[str]) -> list[int] | None:
    """Return the numbers that instances are called by, in order; None where one is called otherwise."""
    texts = [instance_of(name) for name in named]
    if not all(text.isdecimal() and text == str(int(text)) for text in texts):
        return None
    return sorted(map(int, texts))


def _named(one: Declared, found: Declarations) -> list[str]:
    """Return the instances that a service starts."""
    table = merged(one.name, found.defaults.table if found.defaults else {}, one.table)
    named = [name for key in STARTS for name in table.get(key, ())]
    return [name for name in named + log.loggers(table.get("log")) if template_of(name)]


def _make(found: Declarations, name: str, instance: str) -> Declared | None:
    """Return what is declared of an instance (or of a template, as if it were this instance); None: nothing is."""
    template = template_of(name) or name
    base = found.tables.get(name) or found.tables.get(template)
    if base is None:
        return None
    overlays = found.overlays.get(template, []) + (found.overlays.get(name, []) if name != template else [])
    filled = [(table, filled_in(table.data, instance)) for table in (base, *overlays)]
    return Declared(name, [layer for table, given in filled for layer in found.layers(name, table, given)])


def filled_in(value: Any, instance: str, depth: int = 0) -> Any:
    """Return a value of a template with the instance in the place of each ${INSTANCE}; $$ stays as it is."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: "$$" if found[0] == "$$" else instance, value) if "$" in value else value
    if depth == _DEEPEST:
        return value
    if isinstance(value, dict):
        return {key: filled_in(item, instance, depth + 1) for key, item in value.items()}
    return [filled_in(item, instance, depth + 1) for item in value] if isinstance(value, list) else value


def _is_enabled_itself(found: Declarations, name: str) -> bool:
    """Tell whether a drop-in of an instance's own says whether it is enabled."""
    layers = (found.layers(name, table, table.data) for table in found.overlays.get(name, []))
    return any("enabled" in layer.given for layer in itertools.chain.from_iterable(layers))


def expanded(name: str, keys: dict[str, Any], of: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the keys of service `name` with all instances but itself in the place of each template that they name."""
    changed = {
        key: [other for named in keys[key] for other in of.get(named, (named,)) if other != name or named == name]
        for key in RELATIONS
        if any(named in of for named in keys.get(key, ()))
    }
    return keys | changed if changed else keys
