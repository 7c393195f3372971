"""The folders that one inotify instance watches, by path and by number; knows not what for."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from asyncinotify import Event, Inotify, Mask, Watch

from asyncinit.errors import AsyncinitError

_MASK = (
    Mask.CLOSE_WRITE
    | Mask.CREATE
    | Mask.DELETE
    | Mask.MOVED_FROM
    | Mask.MOVED_TO
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
    | Mask.ONLYDIR
    | Mask.EXCL_UNLINK
)
_EVENTS_AT_ONCE = 100  # of the longest names
_MOST = 50_000  # in a row, so that a flood of events does not keep from telling


class WatchError(AsyncinitError):
    """Nothing can be watched here."""


class Folders:
    """The folders, each by every path that it was asked for by. Raises WatchError where the kernel has no more."""

    def __init__(self) -> None:
        self._inotify = _open()
        self._watches: dict[int, Watch] = {}
        self._paths: dict[int, list[str]] = {}
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, path: str) -> bool:
        return path in self._numbers

    def fileno(self) -> int:
        """Return what is readable when there are events."""
        return self._inotify.fd

    def events(self) -> Iterator[tuple[Event, tuple[str, ...]]]:
        """Yield the events that are there, with the paths of their folder: none where it is not watched any more."""
        for _ in range(_MOST):
            try:
                event = self._inotify.sync_get()
            except BlockingIOError:
                return
            if event is not None:
                yield event, self.paths(event.watch.wd) if event.watch is not None else ()

    def paths(self, number: int) -> tuple[str, ...]:
        """Return the paths of the folder that the kernel knows by this number."""
        return tuple(self._paths.get(number, ()))

    def watch(self, path: str) -> None:
        """Watch a folder, from now on; raises OSError."""
        if path in self._numbers:
            return
        try:
            watch = self._inotify.add_watch(path, _MASK)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise WatchError(_too_many(len(self))) from error
            raise
        self._watches[watch.wd] = watch
        self._numbers[path] = watch.wd
        self._paths.setdefault(watch.wd, []).append(path)

    def is_still(self, path: str) -> bool:
        """Tell whether the folder that is watched by this path is still there by it."""
        try:
            return bool(self._inotify.add_watch(path, _MASK).wd == self._numbers.get(path))
        except OSError:
            return False

    def below(self, path: str) -> list[str]:
        """Return the folders that are watched, of this one and all below it."""
        return [one for one in self._numbers if one == path or one.startswith(path + "/")]

    def everything(self) -> list[str]:
        """Return all paths that are watched."""
        return list(self._numbers)

    def leave(self, path: str) -> None:
        """Watch a folder no more by this path; harmless where it is not."""
        number = self._numbers.pop(path, None)
        if number is None:
            return
        self._paths[number].remove(path)
        if not self._paths[number]:
            del self._paths[number]
            try:
                self._inotify.rm_watch(self._watches.pop(number))
            except OSError:
                pass  # the kernel does not watch it any more either


def _open() -> Inotify:
    try:
        inotify = Inotify(cache_size=_EVENTS_AT_ONCE)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise WatchError(f"cannot watch files: {os.strerror(error.errno or 0)}") from error
        text = f"too many programs of this user watch files; raise {_limit('max_user_instances')}"
        raise WatchError(text) from error
    os.set_blocking(inotify.fd, False)  # what its constructor calls NONBLOCK is another flag
    return inotify


def _too_many(folders: int) -> str:
    return (
        f"there are more folders than this user may watch ({folders} of them are watched here); leave some out by "
        f"[watch] ignore, or raise {_limit('max_user_watches')}"
    )


def _limit(name: str) -> str:
    """Return how a limit of inotify is called, and what it is now; a user namespace may have a lower one."""
    texts = []
    inner = f"/proc/sys/user/{name.replace('max_user_', 'max_inotify_')}"
    for path, called in ((f"/proc/sys/fs/inotify/{name}", f"sysctl fs.inotify.{name}"), (inner, inner)):
        try:
            with open(path, encoding="ascii") as file:
                texts.append(f"{called} (now {file.read().strip()})")
        except OSError:
            continue
    return " or ".join(texts) or f"sysctl fs.inotify.{name}"
