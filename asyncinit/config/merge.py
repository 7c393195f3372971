"""Lay a service's keys over [defaults], and its drop-ins over these; check what each table must agree on in itself.

Works on parsed TOML. Tables are merged key by key, everything else replaces. Where keys exclude each other (the kinds
of [ready], signal and command of [stop] and [reload]) one above drops the others below. A target takes of the defaults
only what it can have, a oneshot no kind of readiness and no sockets, and what has no [timer] none of theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from asyncinit.config.keys import PREFERABLE, TARGET_KEYS, ServiceKeys
from asyncinit.config.problems import Finding, Path, Severity, shown
from asyncinit.config.sections import health, limits, log, namespaces, ready, security, sockets, timer, watch
from asyncinit.config.values import BadValueError, close_to, duration, shell_words

Table = Mapping[str, Any]

_EXCLUSIVE = {
    "ready": ready.READY_KINDS,
    "health": health.HEALTH_KINDS,
    "stop": ("signal", "command"),
    "reload": ("signal", "command"),
}
_MOST = 50  # keys that one could list
EDGES = ("requires", "wants", "after", "before", "binds_to")
"""Keys that name services and order the start."""

RELATIONS = (*EDGES, "conflicts", "on_failure", "on_success")
"""Keys that name services."""

NEEDS = ("requires", "binds_to")
"""Keys that name what a service cannot be up without."""

STARTS = ("requires", "wants", "binds_to", "on_failure", "on_success")
"""Keys that have the services they name started."""


def merged(name: str, defaults: Table, own: Table) -> dict[str, Any]:
    """Return the keys of service `name`: `own` over those of `defaults` that apply to it; short forms in full."""
    kind = own.get("type", defaults.get("type", "service"))
    base = {key: value for key, value in defaults.items() if kind != "target" or key in TARGET_KEYS}
    if kind == "oneshot":  # it never is ready in between
        base = _without(base, (*sockets.OF_SERVERS, "watchdog"))
        for table in ("ready", "health"):
            if isinstance(base.get(table), dict):
                base[table] = _without(base[table], _EXCLUSIVE[table])
    if "timer" not in own:  # what the defaults say of timers is for those that have one
        base.pop("timer", None)
    if "watch" not in own and isinstance(base.get("watch"), dict) and not base["watch"].get("paths"):
        del base["watch"]  # and of watching: for those that have paths
    for edge in RELATIONS:  # a default edge to a service is for the others
        if isinstance(base.get(edge), list):
            base[edge] = [other for other in base[edge] if other != name]
    if isinstance(base.get("log"), dict):
        base["log"] = log.for_others(base["log"], name)
    return laid_over(base, own)


def laid_over(below: Table, above: Table) -> dict[str, Any]:
    """Return what two tables of a service's keys say together; short forms in full."""
    below, above = _in_full(below), _in_full(above)
    for table, keys in _EXCLUSIVE.items():
        lower, upper = below.get(table), above.get(table)
        if isinstance(lower, dict) and isinstance(upper, dict) and any(key in upper for key in keys):
            below[table] = _without(lower, keys)
    if isinstance(below.get("log"), dict):
        below["log"] = log.below(below["log"], above.get("log"))
    return _over(below, above)


def _without(table: Table, keys: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in keys}


def _in_full(table: Table) -> dict[str, Any]:
    short = {"restart": "policy", "security": "profile"}
    return {**table, **{name: {key: table[name]} for name, key in short.items() if isinstance(table.get(name), str)}}


def _over(base: Table, own: Table) -> dict[str, Any]:
    result = dict(base)
    for key, value in own.items():
        below = result.get(key)
        result[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def leaves(table: Table, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each value that is no table."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def has(table: Table, path: Path) -> bool:
    """Tell whether something stands at `path`."""
    node: object = table
    for key in path:
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return True


# ---------------------------------------------------------------------------------------------------------------------
# Checks


def check_table(table: Table) -> Iterator[Finding]:
    """Check what the keys of one service, or of [defaults], must agree on among themselves."""
    for section, keys in _EXCLUSIVE.items():
        inner = table.get(section)
        if isinstance(inner, dict):
            given = [key for key in keys if key in inner and (key != "notify" or inner[key] is True)]
            if len(given) > 1:
                yield Finding((section, given[1]), f"cannot stand beside {given[0]}: [{section}] takes one of them")
    for section, check in (("ready", ready.check), ("health", health.check)):
        inner = table.get(section)
        if isinstance(inner, dict):
            yield from check(inner)
    restart = table.get("restart")
    if isinstance(restart, dict):
        yield from _check_restart(restart)
    yield from sockets.check_tables(table.get("sockets"))
    yield from _check_prefer(table.get("prefer"))
    if isinstance(table.get("limits"), dict):
        yield from limits.check(table["limits"])
    if isinstance(table.get("namespaces"), dict):
        yield from namespaces.check(table["namespaces"])
    if isinstance(table.get("security"), dict):
        yield from security.check(table["security"], table.get("namespaces"))
    if isinstance(table.get("log"), dict):
        yield from log.check(table["log"])
    hooks = table.get("hooks")
    if isinstance(hooks, dict):
        yield from _check_hooks(hooks)


def _check_restart(restart: Table) -> Iterator[Finding]:
    on, never = restart.get("on"), restart.get("never_on")
    if isinstance(on, list) and isinstance(never, list):
        for end in {end for end in on if isinstance(end, int | str)}.intersection(
            end for end in never if isinstance(end, int | str)
        ):
            yield Finding(("restart", "never_on"), f"has {shown(end)}, which restart.on has too")
    if "delay" in restart and "max_delay" in restart:
        try:
            shorter = duration(restart["max_delay"]) < duration(restart["delay"])
        except (BadValueError, TypeError, ValueError):
            return  # told elsewhere
        if shorter:
            yield Finding(("restart", "max_delay"), "is shorter than restart.delay")


def _check_prefer(prefer: object) -> Iterator[Finding]:
    for index, key in enumerate(prefer[:_MOST] if isinstance(prefer, list) else ()):
        if not isinstance(key, str) or key in PREFERABLE:
            continue
        guess = close_to(key, PREFERABLE)
        expected = ", ".join(sorted(name for name in PREFERABLE if "." not in name))
        yield Finding(("prefer", index), "", shown(key), f"one of {expected}", f'"{guess}"' if guess else "")


def _check_hooks(hooks: Table) -> Iterator[Finding]:
    for stage, commands in hooks.items():
        for command in commands if isinstance(commands, list) else ():
            if isinstance(command, str) and command.startswith("-"):
                words = [word for word in commands if isinstance(word, str)]
                problem = "is a list of commands, and one begins with a dash"
                yield Finding(("hooks", stage), problem, shown(command), suggestion=f"[{shown(words)}]")
                break


def _below_unknown_header(own: Table) -> bool:
    """Tell whether the command stands in a table that services don't have: that is told, and is the mistake."""
    known = ServiceKeys.__struct_fields__
    return any(isinstance(table, dict) and "command" in table and name not in known for name, table in own.items())


def check_service(own: Table, whole: Table) -> Iterator[Finding]:
    """Check one service: what it says itself (`own`) and with the defaults (`whole`)."""
    kind = whole.get("type", "service")
    if kind == "target":
        for key in own:
            if key not in TARGET_KEYS:
                yield Finding((key,), "cannot be used here: a target is a name for a group and has no process")
        return
    command = whole.get("command")
    if command is None:
        if not _below_unknown_header(own):
            problem = "is missing: every service but a target has one"
            yield Finding(("command",), problem, expected='command = ["PROGRAM"]')
    elif whole.get("shell") is True and isinstance(command, list):
        yield Finding(("command",), "is a list, but shell = true gives a text to the shell", expected="a string")
    elif whole.get("shell") is not True and (words := shell_words(command)):
        problem = f"has {shown(words[0])}, which only a shell acts on, and no shell runs"
        yield Finding(("command",), problem, suggestion="shell = true", severity=Severity.WARNING)
    yield from sockets.check_service(own, whole)
    if kind == "oneshot":
        yield from _check_oneshot(own)
    else:
        yield from _check_health(own.get("health"), whole.get("health"))
    yield from timer.check(whole)
    yield from watch.check(whole)
    yield from log.check_service(whole)
    yield from namespaces.check_service(whole)


def _check_health(own: object, whole: object) -> Iterator[Finding]:
    """Check that there is something to probe: in [defaults] the other keys may stand alone."""
    if not isinstance(own, dict) or not isinstance(whole, dict):
        return
    unknown = own.keys() - health.HealthTable.__struct_fields__  # is told, and is the mistake
    if not unknown and not any(key in whole for key in health.HEALTH_KINDS):
        yield Finding(("health",), "has no probe", expected=f"one of {', '.join(health.HEALTH_KINDS)}")


def _check_oneshot(own: Table) -> Iterator[Finding]:
    signs = own.get("ready")
    for key, value in signs.items() if isinstance(signs, dict) else ():
        if key in ready.READY_KINDS and value is not False:
            yield Finding(("ready", key), "cannot be used here: a oneshot is ready when it has exited successfully")
    for key in ("health", "watchdog"):
        if key in own:
            yield Finding((key,), "cannot be used here: it is for a service that is ready, and a oneshot completes")
