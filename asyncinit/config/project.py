"""What a project has beside service files, or in their place: a Procfile and environment files, read as tables of keys.

A Procfile becomes a TOML document with each entry on the line that it has in the Procfile, and a `.env` in the same
way. So all that is said of a key (its problem, its origin) names the right line of the user's own file, and nothing
else of asyncinit has to know that there are such files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from asyncinit.config import dotenv, procfile
from asyncinit.config.documents import Document, content_of
from asyncinit.config.layers import Table
from asyncinit.config.problems import Path, Problem, bare_or_quoted, shown
from asyncinit.config.values import close_to

ENVIRONMENT_FILE = ".env"
PORT = 5000
"""The port of the first instance of the first entry where nothing says another."""
_A_TYPE = 100  # ports that an entry has for its instances
_LAST_PORT = 65535
_ALL = "all"  # in a formation: what it does not name
_UNBUFFERED = "PYTHONUNBUFFERED"  # Python writes late into a pipe, and a person looks on


class Project(Struct, frozen=True):
    """What `asyncinit dev` was told: the `procfile` that is run, None: service files; `environment_files`, later win.

    Where these were not `named` on the command line they need not be there.
    `formation` says how many instances of an entry there shall be (one), "all" of the others. `port` is that of the
    first entry, over a PORT of the environment files and one that asyncinit was given (`inherited`, its environment).
    """

    procfile: str | None = None
    environment_files: tuple[str, ...] = ()
    named: bool = True
    formation: Mapping[str, int] = field(default_factory=dict)
    port: str | None = None
    inherited: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """Every file of it, in the order in which they are read."""
        return (*self.environment_files, *(() if self.procfile is None else (self.procfile,)))


NO_PROJECT = Project()
"""Service files alone."""


def of_procfile(path: str) -> Project:
    """Return the project of a Procfile, with the `.env` beside it if there is one."""
    variables = os.path.join(os.path.dirname(path), ENVIRONMENT_FILE)
    return Project(path, (variables,) if os.path.isfile(variables) else ())


class Translated(Struct, frozen=True):
    """A file as tables of services' keys, by name ("": for all services), and what is wrong in the file itself."""

    tables: Mapping[str, Table]
    problems: tuple[Problem, ...] = ()

    @property
    def variables(self) -> Mapping[str, str]:
        """What the table for all services has as environment, as programs see it."""
        found: Mapping[str, str] = self.tables[""].data["environment"]
        return {name: value.replace("$$", "$") for name, value in found.items()}


def environment(path: str) -> Translated:
    """Return what the environment file at `path` says."""
    content = content_of(path)
    found = dotenv.DotEnv(path, (), (content,)) if isinstance(content, Problem) else dotenv.parse(path, content)
    values = {one.name: one.value.replace("$", "$$") for one in found.variables}
    lines = {one.line: f"environment.{one.name} = {_written(values[one.name])}" for one in found.variables}
    data = {"environment": values}
    return Translated({"": Table(_document(path, lines, data), (), data)}, found.problems)


def processes(project: Project, variables: Sequence[Translated]) -> Translated:
    """Return the services that the project's Procfile makes, each with its port.

    A name with one instance is a service of that name. With more they are called as foreman calls them, NAME.1 and so
    on; with none the service is there, and is started on request alone.
    """
    assert project.procfile is not None
    path = project.procfile
    content = content_of(path)
    if isinstance(content, Problem):
        return Translated({}, (content,))
    found = procfile.parse(path, content)
    base, problems = _base(project, variables)
    problems += [*found.problems, *_unknown(project, [entry.name for entry in found.entries])]
    given = {**project.inherited, **_said(variables)}
    unbuffered = {} if _UNBUFFERED in given else {_UNBUFFERED: "1"}
    lines, data = {}, {}
    tables: dict[str, tuple[Path, dict[str, Any]]] = {}
    for index, entry in enumerate(found.entries):
        count = project.formation.get(entry.name, project.formation.get(_ALL, 1))
        made = {}
        for instance in range(max(count, 1)):
            port = base + index * _A_TYPE + instance
            if port > _LAST_PORT:
                problems.append(_beyond(path, entry, port))
                break
            keys = _service(entry, {"PORT": str(port), **unbuffered}) | ({} if count else {"enabled": False})
            made[str(instance + 1)] = keys
            tables[entry.name if count <= 1 else f"{entry.name}.{instance + 1}"] = (entry.name, str(instance + 1)), keys
        data[entry.name] = made
        lines[entry.line] = f"{bare_or_quoted(entry.name)} = {_written(made)}"
    document = _document(path, lines, data)
    return Translated({name: Table(document, *at) for name, at in tables.items()}, tuple(problems))


def _service(entry: procfile.Entry, environment: Mapping[str, str]) -> dict[str, Any]:
    command = procfile.executed(entry.command)
    return {"command": command, "shell": True, "restart": "never", "environment": dict(environment)}


def _said(variables: Sequence[Translated]) -> dict[str, str]:
    return {name: text for one in variables for name, text in one.variables.items()}


def _base(project: Project, variables: Sequence[Translated]) -> tuple[int, list[Problem]]:
    """Return the port of the first entry, and tell of a PORT that is none."""
    said = _said(variables).get("PORT")
    text = project.port or said or project.inherited.get("PORT") or str(PORT)
    if text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= _LAST_PORT:
        return int(text), []
    where, line = "--port" if project.port else "the environment", None
    if not project.port and said:
        document = next(one.tables[""].document for one in reversed(variables) if "PORT" in one.variables)
        where, line = document.path, document.line(("environment", "PORT"))
    return PORT, [Problem(where, line, None, "PORT", "", shown(text), f"a number from 1 to {_LAST_PORT}")]


def _beyond(path: str, entry: procfile.Entry, port: int) -> Problem:
    text = f"would have the port {port}, and {_LAST_PORT} is the last one"
    return Problem(path, entry.line, entry.name, entry.name, text)


def _unknown(project: Project, names: Sequence[str]) -> Iterable[Problem]:
    """Tell of what a formation names that is not there."""
    for name in project.formation:
        if name not in (_ALL, *names):
            text = f"{project.procfile} has no {shown(name)}"
            guess = close_to(name, names)
            yield Problem("--formation", None, None, "", text, "", f"one of {', '.join(names)}", guess)


def _written(said: object) -> str:
    from asyncinit.config.write import value  # PID 1 imports this module, and seldom reads a Procfile

    return value(said)


def _document(path: str, lines: Mapping[int, str], data: dict[str, Any]) -> Document:
    """Return the document of `data` that has each of `lines` at its place."""
    text = "".join(f"{lines.get(number, '')}\n" for number in range(1, max(lines, default=0) + 1))
    return Document(path, text, data)
