"""Drafts into folders of services and pods: all files or none, read back and checked before anything is replaced.

The files are written into a hidden folder beside their places, together with copies of what is there already; that
whole is checked, and only then each file takes its place by a rename. Whatever goes wrong, what was there is there.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from asyncinit.config.check import check
from asyncinit.config.documents import Document
from asyncinit.config.documents import read as read_document
from asyncinit.config.listing import DROP_INS
from asyncinit.config.places import FOLDER, POD_FOLDER
from asyncinit.config.problems import Problem, errors_of, printable
from asyncinit.errors import why
from asyncinit.migration.layout import text_of
from asyncinit.migration.refusing import take_out
from asyncinit.migration.report import Entry, MigrationError
from asyncinit.migration.service import Draft, Translation

SUFFIX = ".toml"


class Written(Struct, frozen=True):
    """What was written, or with `dry_run` would be: texts by path, in order; `warnings` are the check's."""

    files: Mapping[str, str]
    replaced: tuple[str, ...]
    warnings: tuple[Problem, ...]


def write(
    translation: Translation, output: str, command: str, *, force: bool = False, dry_run: bool = False
) -> Written:
    """Write the files of a translation into the folder `output` (pods into the pods.d beside it), all or none.

    `command` is what the files say they are written by. Without `force` no file is replaced. Raises MigrationError,
    with all that is wrong, one thing a line.
    """
    if not translation.drafts:
        raise MigrationError("there is no service in what was given; nothing is written")
    paths = {_path(draft, output): draft for draft in translation.drafts}
    files = _files(translation, output, command)
    there = tuple(path for path in files if os.path.lexists(path))
    if there and not force:
        lines = [f"{printable(path)} is there already; --force replaces it" for path in there]
        raise MigrationError("\n".join(lines))
    stage = _Stage(output, dry_run)
    try:
        stage.copy_what_is_there()
        problems = stage.check(files)
        while errors := errors_of(problems):
            taken = [take_out(paths.get(problem.file), problem) for problem in errors]
            if not any(taken):
                told = "\n".join(map(str, errors))
                raise MigrationError(f"the result does not pass `asyncinit check`; nothing is written\n{told}")
            files = _files(translation, output, command)
            problems = stage.check(files)
        if not dry_run:
            stage.put_in_place(files)
    except OSError as error:
        raise MigrationError(
            f"cannot write {printable(stage.shown(str(error.filename or output)))}: {why(error.errno or 0)}"
        ) from None
    finally:
        stage.remove()
    return Written(files, there, tuple(problems))


def _files(translation: Translation, output: str, command: str) -> dict[str, str]:
    entries: dict[str, list[Entry]] = {}
    for entry in translation.ledger.entries():
        entries.setdefault(entry.setting.service, []).append(entry)
    files: dict[str, str] = {}
    for draft in translation.drafts:
        path = _path(draft, output)
        if path in files:
            kind = "pods" if draft.pod else "services"
            raise MigrationError(f"there are two {kind} called {printable(draft.name)} in what was given")
        files[path] = text_of(draft, entries.get(draft.name, []), command)
    return files


def _path(draft: Draft, output: str) -> str:
    if not draft.pod:
        return os.path.join(output, draft.name + SUFFIX)
    whole = os.path.abspath(output)
    if os.path.basename(whole) != FOLDER:
        raise MigrationError(
            f"{printable(draft.name)} is a pod, and pods are read from the {POD_FOLDER} beside a {FOLDER}: "
            f"call the folder of --output {FOLDER}"
        )
    return os.path.join(os.path.dirname(output.rstrip("/")), POD_FOLDER, draft.name + SUFFIX)


class _Stage:
    """The folder in which a result is made and checked; `made` are the folders that were not there before."""

    def __init__(self, output: str, dry_run: bool) -> None:
        self.output = output
        self.pods = os.path.join(os.path.dirname(output.rstrip("/")), POD_FOLDER)
        self.made: list[str] = []
        self.keep_made = False
        try:
            if not dry_run:
                self._make(output)
            # Hidden, inside the folder: nobody reads it as a service, and it is on the same file system.
            self.root = tempfile.mkdtemp(prefix=".import-", dir=None if dry_run else output)
        except OSError as error:
            self._unmake()
            raise MigrationError(
                f"cannot write {printable(str(error.filename or output))}: {why(error.errno or 0)}"
            ) from None
        self.before: set[Problem] = set()
        self.services_stage = os.path.join(self.root, os.path.basename(os.path.abspath(output)) or FOLDER)
        self.pods_stage = os.path.join(self.root, POD_FOLDER)

    def _make(self, folder: str) -> None:
        """Make a folder and what is missing above it."""
        missing = []
        while folder and not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder.rstrip("/"))
        for one in reversed(missing):
            os.mkdir(one, 0o755)
            self.made.append(one)

    def shown(self, path: str) -> str:
        """Return a path of the stage as the user knows it."""
        for here, there in ((self.services_stage, self.output), (self.pods_stage, self.pods)):
            if path == here or path.startswith(here + "/"):
                return there + path[len(here) :]
        return path

    def staged(self, path: str) -> str:
        """Return where a file of the result stands in the stage."""
        stage = self.pods_stage if os.path.dirname(path) == self.pods else self.services_stage
        return os.path.join(stage, os.path.basename(path))

    def copy_what_is_there(self) -> None:
        """Copy the folders as they are, and learn what is wrong with them already. Raises OSError."""
        os.mkdir(self.services_stage, 0o755)
        _copy(self.output, self.services_stage)
        if os.path.basename(self.services_stage) == FOLDER:  # else there are no pods
            os.mkdir(self.pods_stage, 0o755)
            _copy(self.pods, self.pods_stage)
        self.before = set(self._problems())

    def check(self, files: Mapping[str, str]) -> list[Problem]:
        """Lay the files over what is there, and return what is wrong with all of it that was not before."""
        for path, text in files.items():
            _write(self.staged(path), text)
        return [problem for problem in self._problems() if problem not in self.before]

    def _problems(self) -> list[Problem]:
        problems = check([self.services_stage]).problems
        return [
            replace(problem, file=self.shown(problem.file), problem=self._as_known(problem.problem))
            for problem in problems
        ]

    def _as_known(self, text: str) -> str:
        """Return a text with the paths that are in it as the user knows them."""
        for here, there in ((self.services_stage, self.output), (self.pods_stage, self.pods)):
            text = text.replace(printable(here) + "/", os.path.join(printable(there), ""))
        return text

    def put_in_place(self, files: Mapping[str, str]) -> None:
        """Have each file take its place; if one cannot, take back the others. Raises OSError."""
        old = os.path.join(self.root, "old")
        os.mkdir(old)
        done: list[tuple[str, str | None]] = []
        try:
            for number, path in enumerate(files):
                self._make(os.path.dirname(path) or ".")
                kept = os.path.join(old, str(number)) if os.path.lexists(path) else None
                if kept is not None:
                    os.rename(path, kept)
                done.append((path, kept))
                os.rename(self.staged(path), path)
        except BaseException:
            for path, kept in reversed(done):
                with suppress(OSError):
                    os.unlink(path)
                if kept is not None:
                    with suppress(OSError):
                        os.rename(kept, path)
            raise
        self.keep_made = True

    def remove(self) -> None:
        """Remove the stage, and the folders that were made for nothing."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._unmake()

    def _unmake(self) -> None:
        for folder in reversed(self.made if not self.keep_made else []):
            with suppress(OSError):
                os.rmdir(folder)


def _copy(folder: str, stage: str) -> None:
    """Copy what a folder has of services and drop-ins; what is no ordinary file stays where it is."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        path, copy = os.path.join(folder, name), os.path.join(stage, name)
        if name.startswith("."):
            continue
        if name.endswith(DROP_INS) and os.path.isdir(path):
            os.mkdir(copy)
            _copy(path, copy)
        elif name.endswith(SUFFIX) and _is_file(path):
            shutil.copyfile(path, copy)


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False  # a link to nowhere, which is no service of those that are there either


def _write(path: str, text: str) -> None:
    """Write a file and read it back. Raises OSError, MigrationError."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    again = read_document(path)
    if not isinstance(again, Document) or again.text != text:
        raise MigrationError(f"{printable(os.path.basename(path))} reads back as something else than was written")
