"""What was named to be watched, and what inotify's events mean for it; knows no service, waits for nothing.

A folder is watched before it is read, so that what comes into it meanwhile is seen either way; one that is new is
walked through, and what lies in it counts as changed. Of a file its folder is watched, since editors replace files
rather than write to them. Of what is not there the nearest folder above is, until it is. Links that were named are
followed, others are not.

What counts: a file that was written and closed, came, went or was renamed. One that was made counts when it is closed,
or a copy would be seen half done. What came and went again between two tellings does not count.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from typing import NamedTuple

from asyncinotify import Event, Mask
from pathspec import GitIgnoreSpec

from asyncinit.runtime.file_watching.folders import Folders, WatchError
from asyncinit.runtime.file_watching.messages import MOST_PATHS, Changed, Watched
from asyncinit.runtime.file_watching.rules import GITIGNORE, Rules

_GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG))
_WILD = frozenset("*?[")
_MOST_STEPS = 50  # as many links as the kernel follows, and some that come and go meanwhile


class _Found(NamedTuple):
    """What is found at a path, links followed: another file of the same name is another one."""

    device: int
    inode: int
    folder: bool
    place: str


class _Root:
    """A path that was named: a file, a folder, or (`pattern`) files below a folder."""

    def __init__(self, path: str, pattern: GitIgnoreSpec | None, make_rules: Callable[[str], Rules]) -> None:
        self.path = path
        self.found: _Found | None = None
        self._pattern = pattern
        self._make_rules = make_rules
        self._rules = make_rules(path)

    def read_rules(self) -> None:
        """Read the rules anew."""
        self._rules = self._make_rules(self.path)

    def matters(self, path: str, folder: bool = False) -> bool:
        """Tell whether something below it is meant, where the folder that has it is."""
        if not folder and self._pattern is not None:
            below = path[len(self.path.rstrip("/")) + 1 :]
            if not self._pattern.match_file(below):
                return False
        return not self._rules.ignored(path, folder)


class Tree:
    """What is watched of `watched`; `since` (wall clock): what has changed after that counts, seen by its times.

    `changes` counts them, each path as often as it changes. Raises WatchError and RuleError, in the constructor and
    from `read`.
    """

    def __init__(self, watched: Watched, since: float | None = None) -> None:
        self._base = watched.base
        self.folders = Folders()
        self._deep: dict[str, list[_Root]] = {}
        self._steps: dict[str, dict[str, list[_Root]]] = {}
        self._changed: dict[str, None] = {}
        self.changes = 0
        self._born: set[str] = set()
        self._unreadable: dict[str, None] = {}
        self._since = since
        self._roots = [_root(path, watched) for path in watched.paths]
        for root in self._roots:
            self._establish(root, report=False)
        self._since = None

    @property
    def trouble(self) -> str:
        """Return what cannot be watched, in words."""
        if not self._unreadable:
            return ""
        first = self._shown(next(iter(self._unreadable)))
        more = f" and {len(self._unreadable) - 1} more" if len(self._unreadable) > 1 else ""
        return f"{first}{more} cannot be read, and changes there are not seen"

    def take(self) -> Changed | None:
        """Return what has changed since the last time; None where nothing is different from then."""
        paths = [path for path in self._changed if path not in self._born or os.path.lexists(path)]
        self._changed.clear()
        self._born.clear()
        if not paths:
            return None
        return Changed(tuple(self._shown(path) for path in paths[:MOST_PATHS]), len(paths))

    def read(self) -> None:
        """Take in the events that are there."""
        for event, paths in self.folders.events():
            self._happened(event, paths)

    # -----------------------------------------------------------------------------------------------------------------
    # Events

    def _happened(self, event: Event, paths: tuple[str, ...]) -> None:
        mask = event.mask
        if mask & Mask.Q_OVERFLOW:
            self._look_again(report=True)
            self._change(*(root.path for root in self._roots))
        for path in paths:
            if mask & (Mask.IGNORED | Mask.UNMOUNT):
                self._go_on_without([path])
            elif mask & Mask.MOVE_SELF:
                # Where the folder above is watched too it has told that, and this one has another path by now.
                if not self.folders.is_still(path):
                    self._go_on_without(self.folders.below(path))
            elif event.name is not None:
                self._happened_in(path, str(event.name), mask)

    def _happened_in(self, folder: str, name: str, mask: Mask) -> None:
        path = os.path.join(folder, name)
        for root in tuple(self._steps.get(folder, {}).get(name, ())):
            self._step_taken(root, path, mask)
        roots = self._deep.get(folder)
        if not roots:
            return
        if name == GITIGNORE and not mask & (Mask.CREATE | Mask.ISDIR):
            self._look_again(report=False)
        elif mask & Mask.ISDIR:
            self._folder_changed([root for root in roots if root.matters(path, folder=True)], path, mask)
        elif path in self._changed or any(root.matters(path) for root in roots):
            self._file_changed(path, mask)

    def _file_changed(self, path: str, mask: Mask) -> None:
        if mask & Mask.CREATE:
            if path not in self._changed:
                self._born.add(path)
            if not _complete(path):
                return
        self._change(path)

    def _folder_changed(self, roots: list[_Root], path: str, mask: Mask) -> None:
        if mask & (Mask.CREATE | Mask.MOVED_TO):
            for root in roots:
                self._walk(root, path, report=True)
        elif mask & Mask.MOVED_FROM and roots:
            self._change(path)
            self._go_on_without(self.folders.below(path))

    def _step_taken(self, root: _Root, path: str, mask: Mask) -> None:
        """Something on the way to what was named, or it itself, has come, gone or was written."""
        if mask & Mask.CREATE and not mask & Mask.ISDIR and not _complete(path):
            return  # it will be closed
        before, now = root.found, _found(root.path)
        if now != before and before is not None and before.folder:
            for folder in self.folders.below(root.path):  # by another name it may well be there still
                self._forget(folder)
        self._establish(root, report=now != before)
        if (now is None or not now.folder) and (now != before or (now is not None and path == now.place)):
            self._change(root.path)

    def _go_on_without(self, folders: list[str]) -> None:
        """Watch these folders no more, and anew what was named and has lost one on the way to it, or itself."""
        lost = dict.fromkeys(root for folder in folders for root in self._forget(folder))
        for root in lost:
            before = root.found
            self._establish(root, report=True)
            if root.found != before:
                self._change(root.path)

    def _forget(self, folder: str) -> list[_Root]:
        """Watch a folder no more; return what was named and loses by that."""
        self.folders.leave(folder)
        roots = [root for steps in self._steps.pop(folder, {}).values() for root in steps]
        return roots + [root for root in self._deep.pop(folder, ()) if root.path == folder]

    def _change(self, *paths: str) -> None:
        self._changed.update(dict.fromkeys(paths))
        self.changes += 1

    def _look_again(self, report: bool) -> None:
        """Begin anew with what was missed, or by other rules; what is watched meanwhile stays so."""
        self._deep.clear()
        self._steps.clear()
        for root in self._roots:
            root.read_rules()
            self._establish(root, report)
        for folder in self.folders.everything():
            if folder not in self._deep and folder not in self._steps:
                self.folders.leave(folder)

    # -----------------------------------------------------------------------------------------------------------------
    # What is watched

    def _establish(self, root: _Root, report: bool) -> None:
        """Watch what was named, or what it will come into; `report`: what is found there has changed."""
        for names in self._steps.values():
            for roots in names.values():
                if root in roots:
                    roots.remove(root)
        path = root.path
        for _ in range(_MOST_STEPS):
            try:
                found = os.lstat(path)
            except OSError as error:
                self._cannot(path, error)
                if self._await(root, path):
                    break
                continue  # it has come meanwhile
            if not stat.S_ISDIR(found.st_mode):
                self._step(root, *os.path.split(path))
            if not stat.S_ISLNK(found.st_mode):
                break
            path = _target(path)
        root.found = _found(root.path)
        if root.found is not None and root.found.folder:
            self._walk(root, root.path, report)

    def _await(self, root: _Root, path: str) -> bool:
        """Watch the nearest folder above what is not there; tell whether it still is not."""
        while True:
            above, name = os.path.split(path)
            while not os.path.isdir(above) and above != "/":
                above, name = os.path.split(above)
            if self._step(root, above, name):
                return not os.path.lexists(os.path.join(above, name))
            if os.path.isdir(above):
                return True  # it cannot be read

    def _step(self, root: _Root, folder: str, name: str) -> bool:
        if not self._watch(folder):
            return False
        roots = self._steps.setdefault(folder, {}).setdefault(name, [])
        if root not in roots:
            roots.append(root)
        return True

    def _walk(self, root: _Root, top: str, report: bool) -> None:
        left = [top]
        while left:
            folder = left.pop()
            if not self._watch(folder):
                continue
            covering = self._deep.setdefault(folder, [])
            if root not in covering:
                covering.append(root)
            if self._since is not None and _changed_at(folder) > self._since:
                self._change(folder)  # something has gone, or come
            for path, is_folder in self._content(folder):
                if not root.matters(path, is_folder):
                    continue
                if is_folder:
                    left.append(path)
                elif report or (self._since is not None and _changed_at(path) > self._since):
                    self._change(path)

    def _content(self, folder: str) -> Iterable[tuple[str, bool]]:
        try:
            with os.scandir(folder) as entries:
                return [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            self._cannot(folder, error)
            return ()

    def _watch(self, folder: str) -> bool:
        """Watch one folder; tell whether it is."""
        try:
            self.folders.watch(folder)
        except OSError as error:
            self._cannot(folder, error)
            return False
        self._unreadable.pop(folder, None)
        return True

    def _cannot(self, path: str, error: OSError) -> None:
        """Pass over what is not there (any more), remember what cannot be read. Raises WatchError for all else."""
        if error.errno == errno.EACCES:
            self._unreadable[path] = None
        elif error.errno not in _GONE:
            raise WatchError(f"cannot watch {self._shown(path)}: {os.strerror(error.errno or 0)}") from error

    def _shown(self, path: str) -> str:
        """Return a path as it is seen from the base, in characters that can be sent."""
        base = self._base.rstrip("/") + "/"
        return os.fsencode(path.removeprefix(base)).decode(errors="replace")


def _root(path: str, watched: Watched) -> _Root:
    def rules(top: str) -> Rules:
        return Rules(top, watched.base, watched.ignore, watched.gitignore)

    whole = os.path.normpath(os.path.join(watched.base, path))
    parts = whole.split("/")
    wild = next((number for number, part in enumerate(parts) if _WILD.intersection(part)), None)
    if wild is None or os.path.lexists(whole):  # a file may be called so
        return _Root(whole, None, rules)
    pattern = GitIgnoreSpec.from_lines(["/" + "/".join(parts[wild:])])
    return _Root("/".join(parts[:wild]) or "/", pattern, rules)


def _found(path: str) -> _Found | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _Found(found.st_dev, found.st_ino, stat.S_ISDIR(found.st_mode), os.path.realpath(path))


def _target(link: str) -> str:
    try:
        return os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
    except OSError:
        return link  # it is another thing by now, and its folder is watched


def _complete(path: str) -> bool:
    """Tell whether what was made just now is all there: no file that is to be written, and closed, by whom made it."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return not stat.S_ISREG(found.st_mode) or found.st_nlink > 1


def _changed_at(path: str) -> float:
    try:
        return os.lstat(path).st_ctime
    except OSError:
        return 0.0
