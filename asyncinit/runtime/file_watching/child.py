"""The child that watches files: tells its parent what has changed, once nothing has for a while; knows no service.

It ends with its parent, and it holds up nothing: it stands in `/`, and inotify keeps no file system busy.
"""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING, NoReturn

from asyncinit.linux import signals
from asyncinit.runtime.file_watching.messages import Failed, Message, Standing, Watched
from asyncinit.runtime.process import forked

if TYPE_CHECKING:
    from asyncinit.runtime.file_watching.tree import Tree

LONGEST = 10.0
"""Seconds at most from a first change until it is told, however many follow; not less than the quiet time."""

LENGTH = 4  # bytes before each message


def serve(watched: Watched, since: float | None, writer: int, parent: int) -> NoReturn:
    """Watch until the parent ends us; the function of a forked child."""
    try:
        writer = forked.settle(writer, parent)
        signals.reset_in_child()
        os.chdir("/")
        _watch(watched, since, writer)
    except BaseException as error:
        _tell(writer, Failed(_words(error)))
    finally:
        os._exit(0)


def _words(error: BaseException) -> str:
    from asyncinit.errors import AsyncinitError

    return str(error) if isinstance(error, AsyncinitError) else f"internal error: {error!r}"


def _watch(watched: Watched, since: float | None, writer: int) -> NoReturn:
    from asyncinit.runtime.file_watching.tree import Tree

    tree = Tree(watched, since)
    told = len(tree.folders)
    _tell(writer, Standing(told, tree.trouble))
    poll = select.poll()
    poll.register(tree.folders.fileno(), select.POLLIN)
    clock = _Clock(watched.quiet, told)
    while True:
        clock.note(tree.changes + len(tree.folders))
        if clock.due():
            told = _tell_changes(tree, writer, told)
            clock.told()
        elif poll.poll(clock.wait()):
            tree.read()


def _tell_changes(tree: Tree, writer: int, told: int) -> int:
    if len(tree.folders) != told:
        _tell(writer, Standing(len(tree.folders), tree.trouble))
    changed = tree.take()
    if changed is not None:
        _tell(writer, changed)
    return len(tree.folders)


class _Clock:
    """When changes are told: `quiet` seconds after the last one, and LONGEST after the first at the latest.

    `changes` counts those of before, which are told already.
    """

    def __init__(self, quiet: float, changes: int) -> None:
        self._quiet = quiet
        self._changes = changes
        self._first: float | None = None
        self._last = 0.0

    def note(self, changes: int) -> None:
        """Take in that there were so many changes by now."""
        if changes != self._changes:
            self._changes, self._last = changes, time.monotonic()
            self._first = self._first or self._last

    def told(self) -> None:
        """Wait for the next one."""
        self._first = None

    def wait(self) -> float | None:
        """Return for how many milliseconds nothing is due; None: for ever."""
        return max(0.0, self._deadline() - time.monotonic()) * 1000 + 1 if self._first else None

    def due(self) -> bool:
        """Tell whether it is time."""
        return self._first is not None and time.monotonic() >= self._deadline()

    def _deadline(self) -> float:
        return min(self._last + self._quiet, (self._first or 0.0) + max(LONGEST, self._quiet))


def _tell(writer: int, message: Message) -> None:
    import msgspec

    data = msgspec.msgpack.encode(message)
    forked.write_all(writer, len(data).to_bytes(LENGTH, "little") + data)
