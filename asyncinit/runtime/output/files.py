"""The log files that are open, each once, however many services write to it; knows no service.

Carried over a re-exec: what is not written yet. The files themselves are opened again by their paths, to append.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from asyncinit.runtime.output.buffer import Buffer
from asyncinit.runtime.output.compress import Compressor, RunInChild
from asyncinit.runtime.output.log_file import FilePolicy, LogFile

if TYPE_CHECKING:
    import asyncio

RETRY_LIMIT = 5.0
"""The longest wait before a full disk is tried again; only while there is something to write."""

_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What is no fault of a path: the file is opened when it is over."""


class OpenFile:
    """One file and what waits to be written to it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        path: str,
        policy: FilePolicy,
        run_in_child: RunInChild | None,
        complain: Callable[[str], None],
    ) -> None:
        self.file = LogFile(path, policy, rotated=self._rotated, complain=complain)
        self.buffer = Buffer(loop, lambda writable: self.file, retry_limit=RETRY_LIMIT)
        self._compressor = None if run_in_child is None else Compressor(self.file, run_in_child, complain)

    def _rotated(self) -> None:
        if self.file.policy.compress and self._compressor is not None:
            self._compressor.look()


class Files:
    """All log files by their absolute paths; `run_in_child` is for what may take long, `complain` takes a line."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, run_in_child: RunInChild | None, complain: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._run_in_child = run_in_child
        self._complain = complain
        self.by_path: dict[str, OpenFile] = {}

    def open(self, path: str, policy: FilePolicy) -> OpenFile:
        """Return the file at `path`, kept as `policy` says from now on; raises OSError where it can't be opened.

        What may pass, as a full disk, is no error: it is opened when something is written.
        """
        known = self.by_path.get(path)
        if known is not None:
            known.file.policy = policy
            return known
        made = OpenFile(self._loop, path, policy, self._run_in_child, self._complain)
        try:
            made.file.open()
        except OSError as error:
            if error.errno not in _PASSING:
                raise
        self.by_path[path] = made
        return made

    def keep_only(self, paths: Collection[str]) -> None:
        """Let go of all other files, once what is buffered for them is written."""
        for path in [path for path in self.by_path if path not in paths]:
            self.by_path.pop(path).buffer.finish()

    def reopen(self) -> int:
        """Open every file anew by its path: somebody may have moved it. Return how many there are."""
        for path, one in self.by_path.items():
            try:
                one.file.reopen()
            except OSError as error:
                self._complain(f"cannot open {path} again: {reason(error)}; what was moved away is written on")
            one.buffer.retry()
        return len(self.by_path)


def reason(error: OSError) -> str:
    """Return why something failed, in lower case."""
    text = error.strerror or os.strerror(error.errno or 0)
    return text[:1].lower() + text[1:]
