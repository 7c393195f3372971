"""What `asyncinit check` finds out: all problems of what it is given; prints nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.documents import Document
from asyncinit.config.documents import read as read_document
from asyncinit.config.listing import DROP_INS
from asyncinit.config.load import Loaded, read
from asyncinit.config.places import FILE, FOLDER, POD_FOLDER, PROCFILE, declared
from asyncinit.config.problems import Problem, dotted, errors_of, in_order, printable
from asyncinit.config.profiles import KEY
from asyncinit.config.project import of_procfile
from asyncinit.config.resolve import Mode
from asyncinit.config.settings import FileKeys


class Counts(Struct, frozen=True):
    """What was looked at, and how much is wrong with it."""

    files: int
    services: int
    errors: int
    warnings: int


class Checked(Struct, frozen=True):
    """What a check found: `problems` in order, each `str()` a line; `ok` is what the exit status tells."""

    problems: tuple[Problem, ...]
    counts: Counts

    def ok(self, strict: bool = False) -> bool:
        """Tell whether there are no errors, and with `strict` no warnings either."""
        return not self.counts.errors and not (strict and self.counts.warnings)


def check(
    paths: Sequence[str] = (),
    *,
    config: str | None = None,
    services: Sequence[str] = (),
    mode: Mode = Mode.CONTAINER,
    root: str = "/",
    profiles: Sequence[str] = (),
) -> Checked:
    """Check `paths`, or without any what would be run with these options; never raises for what is in a file.

    Folders among the paths are checked together, as `run --services` reads them. A configuration file is checked with
    the services it leads to. A service's file, or a drop-in, is read with its whole folder, for the names it gives, but
    only its own problems are told. A Procfile is checked with the `.env` beside it, as `dev` reads them.

    All that is checked with `profiles`, and then with each single one that a file has: a profile may be for another
    place, and shall not be found broken there.
    """
    results = _Reading(config, services, mode, root, tuple(profiles)).of(paths)
    known = {problem for loaded in results for problem in loaded.problems}
    for profile in sorted({name for loaded in results for name in loaded.profiles}):
        if tuple(profiles) != (profile,):
            alone = _Reading(config, services, mode, root, (profile,))
            results += [replace(loaded, problems=_new(loaded, known, profile)) for loaded in alone.of(paths)]
    return _counted(results)


def _new(loaded: Loaded, known: Collection[Problem], profile: str) -> tuple[Problem, ...]:
    """Return the problems that are not `known`, each with the profile that they are there for."""
    table = f".{dotted((KEY, profile))}."
    new = [problem for problem in loaded.problems if problem not in known]
    return tuple(problem if table in f".{problem.key}." else replace(problem, profile=profile) for problem in new)


class _Reading(Struct, frozen=True):
    """How the files are read: arguments of `config.load.read`."""

    config: str | None
    services: Sequence[str]
    mode: Mode
    root: str
    profiles: tuple[str, ...]

    def of(self, paths: Sequence[str]) -> list[Loaded]:
        """Return what comes of reading `paths`."""
        if not paths:
            if self.root == "/" and os.path.lexists(PROCFILE) and not declared(self.config, self.services, self.root):
                return [_procfile(PROCFILE)]
            return [read(self.config, self.services, self.mode, root=self.root, profiles=self.profiles)]
        folders = [path for path in paths if os.path.isdir(path)]
        results = [read(self.config, folders, root=self.root, profiles=self.profiles)] if folders else []
        return results + [self._file(path) for path in paths if path not in folders]

    def _file(self, path: str) -> Loaded:
        if PROCFILE in os.path.basename(path).split("."):  # Procfile.dev, too
            return _procfile(path)
        if _is_configuration(path):
            return read(path, root=self.root, profiles=self.profiles)
        return _service_file(path, self)

    def folder(self, folders: Sequence[str], pods: Sequence[str] = ()) -> Loaded:
        """Return what folders have, for the company of one file among them."""
        return read(self.config, folders, root=self.root, pods=pods, may_be_empty=True, profiles=self.profiles)


def _procfile(path: str) -> Loaded:
    return read(mode=Mode.DEV, project=of_procfile(path))


def _counted(results: Sequence[Loaded]) -> Checked:
    problems = in_order(problem for loaded in results for problem in loaded.problems)
    errors = len(errors_of(problems))
    files = {file for loaded in results for file in loaded.configuration.files}
    declared = [item for loaded in results for item in loaded.configuration.services.items()]
    services = {spec.origin + "\0" + name for name, spec in declared if spec.sandbox is None}
    return Checked(problems, Counts(len(files), len(services), errors, len(problems) - errors))


def _is_configuration(path: str) -> bool:
    """Tell whether a file is meant as asyncinit.toml, by its name or by what it has."""
    if os.path.basename(path) == FILE:
        return True
    document = read_document(path)
    return isinstance(document, Document) and bool(document.data) and document.data.keys() <= set(_TABLES)


_TABLES = FileKeys.__struct_fields__


def _service_file(path: str, reading: _Reading) -> Loaded:
    """Return what concerns the one file `path`, a service's or a drop-in, read in the company of its folder."""
    folder, name = os.path.dirname(path) or ".", os.path.basename(path)
    if os.path.basename(os.path.abspath(folder)) == POD_FOLDER:
        return _pod_file(folder, path, reading)
    loaded, listed = _as_drop_in(os.path.abspath(folder), name, reading)
    if loaded is None:
        listed = os.path.join(folder, name)
        loaded = reading.folder([folder])
    problems = [replace(problem, file=path) for problem in loaded.problems if problem.file == listed]
    if listed not in loaded.configuration.files and not problems:
        document = read_document(path)
        name_problem = Problem(path, None, None, "", "is not the file of a service: its name does not end in .toml")
        problems.append(document if isinstance(document, Problem) else name_problem)
    services = {name: spec for name, spec in loaded.configuration.services.items() if spec.origin == printable(listed)}
    configuration = replace(loaded.configuration, services=services, files=(path,))
    return replace(loaded, configuration=configuration, problems=tuple(problems))


def _pod_file(folder: str, path: str, reading: _Reading) -> Loaded:
    """Return what concerns the one file of a pod, read in the company of its folder and of the services beside it."""
    beside = os.path.join(os.path.dirname(os.path.abspath(folder)), FOLDER)
    services = [beside] if os.path.isdir(beside) else []
    loaded = reading.folder(services, pods=[folder])
    listed = os.path.join(folder, os.path.basename(path))
    problems = tuple(replace(problem, file=path) for problem in loaded.problems if problem.file == listed)
    return replace(loaded, configuration=replace(loaded.configuration, services={}, files=(path,)), problems=problems)


def _as_drop_in(folder: str, name: str, reading: _Reading) -> tuple[Loaded | None, str]:
    """Return what is read where `folder` is one of drop-ins, and its file's path there; None: it is no such folder."""
    above, own = os.path.split(folder)
    if not own.endswith(DROP_INS) or own == FOLDER:
        return None, ""
    loaded = reading.folder([above])
    listed = os.path.join(above, own, name)
    return (loaded if listed in loaded.configuration.files else None), listed
