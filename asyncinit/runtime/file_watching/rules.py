"""Which files do not matter: by `ignore`, by the .gitignore files, and by what is no content anywhere.

The first of these that says anything of a path decides. Of .gitignore files the one nearest to the path does, up to the
top of the repository; where there is none, up to the folder that paths are seen from. What was named itself matters in
any case. For a child: it reads files, and pathspec makes regular expressions of what they say.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from typing import Any

from pathspec import GitIgnoreSpec

from asyncinit.errors import AsyncinitError

GITIGNORE = ".gitignore"

NEVER = frozenset((".git", ".hg", ".svn", ".bzr", ".jj"))
"""Folders of version control: their content changes when somebody looks at the state of the work."""

_FOLDERS_UNLESS_TOLD = frozenset(("__pycache__", "node_modules"))
_FILES_UNLESS_TOLD = (
    *("*.py[cod]", ".*.sw[a-z]", "*.sw[op]", "4913", "*~", ".#*", "#*#", ".netrwhist"),  # vim, emacs
    *("*___jb_tmp___", "*___jb_old___", ".goutputstream-*", ".~lock.*#", ".DS_Store", "._*"),
)
# What editors and interpreters leave beside the files that are meant; in one expression, as every change asks for it.
_UNLESS_TOLD = re.compile("|".join(map(fnmatch.translate, _FILES_UNLESS_TOLD)))

_LARGEST = 1 << 20  # of a .gitignore; one that is larger is none


class RuleError(AsyncinitError):
    """A line of `ignore` has no meaning."""


class Rules:
    """The rules for what is below `top`; `base` is the folder that paths are seen from."""

    def __init__(self, top: str, base: str, ignore: tuple[str, ...], gitignore: bool) -> None:
        self._top = top
        self._own_base = base if _within(top, base) else top
        self._own = _own_spec(ignore)
        self._files: dict[str, GitIgnoreSpec | None] = {}
        self._gitignore = gitignore
        self._upmost = self._upper_end()

    def ignored(self, path: str, folder: bool) -> bool:
        """Tell whether a file or folder below the top does not matter, where the folder that has it does."""
        if os.path.basename(path) in NEVER:
            return True
        said = _said(self._own, self._own_base, path, folder)
        above = os.path.dirname(path)
        while said is None and self._gitignore and _within(above, self._upmost):
            said = _said(self._file_of(above), above, path, folder)
            if above == "/":
                break
            above = os.path.dirname(above)
        if said is not None:
            return said
        name = os.path.basename(path)
        return name in _FOLDERS_UNLESS_TOLD if folder else _UNLESS_TOLD.match(name) is not None

    def _upper_end(self) -> str:
        """Return the highest folder whose .gitignore counts: below one that it ignores, that is the top itself."""
        end = self._own_base
        folder = self._top
        while True:
            if os.path.lexists(os.path.join(folder, ".git")):
                end = folder
                break
            if folder == "/":
                break
            folder = os.path.dirname(folder)
        self._upmost = end
        folder = self._top
        while folder != end and _within(folder, end):
            if self.ignored(folder, True):
                return self._top
            folder = os.path.dirname(folder)
        return end

    def _file_of(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._files:
            self._files[folder] = _read(os.path.join(folder, GITIGNORE))
        return self._files[folder]


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _said(spec: GitIgnoreSpec | None, base: str, path: str, folder: bool) -> bool | None:
    """Return whether `spec`, whose lines are seen from `base`, has a path ignored; None where it says nothing of it."""
    if spec is None or not path.startswith(base.rstrip("/") + "/"):
        return None
    return spec.check_file(path[len(base.rstrip("/")) + 1 :] + ("/" if folder else "")).include


def _own_spec(lines: tuple[str, ...]) -> GitIgnoreSpec | None:
    try:
        return GitIgnoreSpec.from_lines(lines) if lines else None
    except ValueError as error:
        raise RuleError(f"[watch] ignore: {error}") from error


def _read(path: str) -> GitIgnoreSpec | None:
    """Return what a .gitignore says; None where there is none; git passes over lines without meaning, and so do we."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # it may be anything
    except OSError:
        return None
    try:
        data = os.read(fd, _LARGEST) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except OSError:
        data = b""
    finally:
        os.close(fd)
    lines = data.decode(errors="surrogateescape").splitlines()
    patterns: list[Any] = []
    for line in lines:
        try:
            patterns += GitIgnoreSpec.from_lines([line]).patterns
        except ValueError:
            continue
    return GitIgnoreSpec(patterns)
