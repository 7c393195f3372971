"""Compose files together: those that are named, one over the other, with `include` and `extends`; makes no draft."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from asyncinit.config import dotenv
from asyncinit.config.problems import printable, shown
from asyncinit.migration.compose.parsing import Value, parse
from asyncinit.migration.report import MigrationError
from asyncinit.migration.sources import read_source

_MOST_FILES = 100
_REPLACED = ("command", "entrypoint", "test")
"""Lists of which the upper file's counts alone."""


class Project(Struct):
    """All that the files say: the services with what they extend, the other sections, the variables of `.env`."""

    services: dict[str, Value]
    sections: dict[str, Value]
    variables: Mapping[str, str]
    named: tuple[str, ...]
    dotenv: str = ""
    overlooked: list[str] = field(default_factory=list)

    def folder_of(self, value: Value) -> str:
        """Return where the paths of a value begin: in the first of the files that were named, or in that of its own
        file, where that is extended or included."""
        file = os.path.abspath(value.file)
        return os.path.dirname(self.named[0] if file in self.named else file)


def read(paths: Sequence[str]) -> Project:
    """Read the files. Raises MigrationError."""
    reader = _Reader()
    whole: Value | None = None
    for path in paths:
        document = reader.document(path)
        whole = document if whole is None else _over(document, whole)
    assert whole is not None
    folder = os.path.dirname(paths[0])
    services = {
        name: reader.extended(name, value, whole.table["services"].table, ())
        for name, value in (whole.table["services"].table if "services" in whole.table else {}).items()
    }
    variables, file = _variables(os.path.join(folder, ".env"))
    sections = {name: value for name, value in whole.table.items() if name != "services"}
    named = tuple(map(os.path.abspath, paths))
    project = Project(services, sections, variables, named, file)
    for stem in ("compose.override", "docker-compose.override"):
        for suffix in (".yml", ".yaml"):
            path = os.path.join(folder, stem + suffix)
            if os.path.isfile(path) and os.path.abspath(path) not in named:
                project.overlooked.append(path)
    return project


class _Reader:
    """Reads each file once, with those that it includes."""

    def __init__(self) -> None:
        self._files: dict[str, Value] = {}
        self._reading: set[str] = set()

    def document(self, path: str) -> Value:
        """Return a file as a table whose `services` is one too, with what it includes."""
        name = os.path.abspath(path)
        if name in self._reading:
            raise MigrationError(f"{printable(path)} includes itself")
        if name in self._files:
            return self._files[name]
        if len(self._files) >= _MOST_FILES:
            raise MigrationError(f"{printable(path)} is one of more than {_MOST_FILES} files; nobody has so many")
        self._reading.add(name)
        document = parse(path, read_source(path))
        if not isinstance(document.data, dict):
            raise MigrationError(f"{printable(path)}: is no Compose file: expected a table with services")
        services = document.table.get("services")
        if services is not None and not isinstance(services.data, dict):
            raise MigrationError(f"{services.where}: services: expected a table of services")
        for service, value in services.table.items() if services is not None else ():
            if not isinstance(value.data, dict):
                raise MigrationError(f"{value.where}: services.{printable(service)}: expected a table")
        for included in self._included(document):
            document = _over(document, self.document(included))
        self._files[name] = document
        self._reading.discard(name)
        return document

    def _included(self, document: Value) -> list[str]:
        include = document.table.get("include")
        found = []
        for item in include.items if include is not None else ():
            path = item.table.get("path")
            paths = [item] if item.text else path.items or [path] if path is not None else []
            found += [os.path.join(os.path.dirname(one.file), one.text) for one in paths if one.text]
        return found

    def extended(self, name: str, value: Value, services: Mapping[str, Value], seen: tuple[str, ...]) -> Value:
        """Return a service over the one that it extends."""
        extends = value.table.get("extends")
        if extends is None:
            return value
        base = extends.text or (extends.table["service"].text if "service" in extends.table else None)
        file = extends.table["file"].text if "file" in extends.table else None
        path = os.path.join(os.path.dirname(extends.file), file) if file else extends.file
        key = f"{os.path.abspath(path)}:{base}"
        if key in seen or len(seen) > 20:
            raise MigrationError(f"{extends.where}: services.{printable(name)} extends itself")
        others = services if not file else self.document(path).table.get("services", Value(path, 1, {})).table
        if base is None or base not in others:
            told = f"there is no service {shown(base or '')} in {printable(path)}"
            raise MigrationError(f"{extends.where}: extends: {told}")
        below = self.extended(base, others[base], others, (*seen, key))
        # What a service depends on is not taken over; so Compose has it.
        lower = {one: what for one, what in below.table.items() if one not in ("depends_on", "links", "extends")}
        return _over(value, Value(below.file, below.line, lower))


def _over(upper: Value, lower: Value, key: str = "") -> Value:
    """Return one value over another: tables key by key, lists one after the other, all else replaces."""
    if upper is lower:  # included by two
        return upper
    if key in _EITHER and None not in (upper.data, lower.data) and type(upper.data) is not type(lower.data):
        upper, lower = _EITHER[key](upper), _EITHER[key](lower)
    if isinstance(upper.data, dict) and isinstance(lower.data, dict):
        merged = dict(lower.table)
        for name, value in upper.table.items():
            merged[name] = _over(value, merged[name], name) if name in merged else value
        return Value(upper.file, upper.line, merged)
    if isinstance(upper.data, list) and isinstance(lower.data, list) and key not in _REPLACED:
        return Value(upper.file, upper.line, [*lower.items, *upper.items])
    return upper


def _as_table(environment: Value) -> Value:
    """Return an environment that is a list as a table."""
    return Value(environment.file, environment.line, dict(pairs(environment)))


def _as_conditions(depends: Value) -> Value:
    """Return a `depends_on` that is a list of names as a table."""
    names = {item.text or "": Value(item.file, item.line, {}) for item in depends.items}
    return Value(depends.file, depends.line, depends.table or names)


def _as_list(value: Value) -> Value:
    """Return a text as a list of one."""
    return value if value.items else Value(value.file, value.line, [value])


_EITHER = {"environment": _as_table, "depends_on": _as_conditions, "env_file": _as_list}
"""Keys that are written in two ways, with what has both the same."""


def pairs(environment: Value) -> list[tuple[str, Value]]:
    """Return the variables of an `environment`, whichever way it is written; None as value: passed on."""
    if isinstance(environment.data, dict):
        return list(environment.data.items())
    found = []
    for item in environment.items:
        name, equals, text = (item.text or "").partition("=")
        found.append((name, Value(item.file, item.line, text if equals else None)))
    return found


def _variables(path: str) -> tuple[dict[str, str], str]:
    """Return what the `.env` beside the first file says, which Compose takes variables from."""
    if not os.path.isfile(path):
        return {}, ""
    found = dotenv.parse(path, read_source(path).encode())
    if found.problems:
        raise MigrationError("\n".join(map(str, found.problems)))
    return {variable.name: variable.value for variable in found.variables}, path
