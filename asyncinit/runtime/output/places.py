"""The places that output goes to beside the console, each open once: files, the system log, pipes to loggers.

Knows no service but by the name of its pipe. Both ends of trouble with a place are told, once, and what it has dropped.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from msgspec import Struct, field

from asyncinit.config.spec import Log, LogLevel
from asyncinit.errors import SpawnError
from asyncinit.linux.mounts import remote_file_system
from asyncinit.runtime.output.buffer import Buffer, BufferState
from asyncinit.runtime.output.compress import RunInChild
from asyncinit.runtime.output.files import Files, reason
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.output.log_file import FilePolicy
from asyncinit.runtime.output.logger_pipe import LoggerPipe, PipeState
from asyncinit.runtime.output.syslog import SyslogWriter
from asyncinit.runtime.reexec.keep import Keep

if TYPE_CHECKING:
    import asyncio

_RETRY_LIMIT = 5.0
"""The longest wait before a system log that is not there is looked for again, while there is something to write."""

_SLOW = "it does not take them in time"


class PlacesState(Struct):
    """What is carried over a re-exec: the pipes, and what is not written yet.

    `files` are opened again by their paths; of those in `torn` the last line is only half written.
    """

    pipes: dict[str, PipeState] = {}
    files: dict[str, BufferState] = {}
    torn: list[str] = []
    syslog: BufferState = field(default_factory=BufferState)


class Places:
    """Open places for `journal`, which is told of what happens to them; `syslog` is where the system log's socket is.

    `run_in_child` is for what may take long.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, journal: Journal, run_in_child: RunInChild | None, syslog: str
    ) -> None:
        self._loop = loop
        self._journal = journal
        self._syslog_place = syslog
        self._syslog: Buffer | None = None
        self._files = Files(loop, run_in_child, self._complain)
        self._pipes: dict[str, LoggerPipe] = {}

    def file(self, path: str, log: Log) -> Buffer:
        """Return the file at an absolute path, kept as `log` says from now on; raises SpawnError."""
        kind = remote_file_system(path) if path not in self._files.by_path else ""
        if kind:
            why = f'{kind} can hang, and asyncinit with it; have a service write it: to = "service:NAME"'
            raise SpawnError(f"open log file {path}", errno.EOPNOTSUPP, why)
        policy = FilePolicy(log.mode, log.max_size, log.keep, log.compress)
        fresh = path not in self._files.by_path
        try:
            buffer = self._files.open(path, policy).buffer
        except OSError as error:
            raise SpawnError(f"open log file {path}", error.errno or 0, reason(error)) from error
        if fresh:
            self._watch(buffer, path)
        return buffer

    def system_log(self) -> Buffer:
        """Return the system log; it need not be there yet."""
        if self._syslog is None:
            place, loop = self._syslog_place, self._loop
            self._syslog = Buffer(loop, lambda writable: SyslogWriter(loop, writable, place), retry_limit=_RETRY_LIMIT)
            self._watch(self._syslog, f"the system log {place}")
        return self._syslog

    def pipe(self, logger: str) -> LoggerPipe:
        """Return the pipe to a service that reads the output of others; raises SpawnError."""
        pipe = self._pipes.get(logger)
        if pipe is None:
            try:
                pipe = self._pipes[logger] = LoggerPipe(self._loop)
            except OSError as error:
                raise SpawnError(f"make a pipe to {logger}", error.errno or 0) from error
            self._watch(pipe.buffer, f"the service {logger}")
        return pipe

    def end_input(self, logger: str, done: Callable[[], None]) -> Callable[[], None] | None:
        """Let a logger read what is left, and the end: see `LoggerPipe.end_input`. None: it has no pipe."""
        pipe = self._pipes.get(logger)
        return None if pipe is None else pipe.end_input(done)

    def close_pipe(self, logger: str) -> None:
        """Give back the pipe to a service that is declared no more."""
        pipe = self._pipes.pop(logger, None)
        if pipe is not None:
            pipe.close()

    def keep_only(self, files: Collection[str], syslog: bool) -> None:
        """Let go of all other files, and of the system log, once what is buffered for them is written."""
        self._files.keep_only(files)
        if self._syslog is not None and not syslog:
            self._syslog.finish()
            self._syslog = None

    def reopen(self) -> int:
        """Let go of all log files and open them by their paths again; return how many there are."""
        if self._syslog is not None:
            self._syslog.retry()
        return self._files.reopen()

    def named(self) -> list[tuple[str, Buffer]]:
        """Return what is open, each with its name for people."""
        files = [(path, one.buffer) for path, one in self._files.by_path.items()]
        pipes = [(f"the service {name}", pipe.buffer) for name, pipe in self._pipes.items()]
        return files + pipes + ([("the system log", self._syslog)] if self._syslog is not None else [])

    def name_of(self, buffer: Buffer) -> str:
        """Return the name of a place for people."""
        return next((name for name, one in self.named() if one is buffer), "the console")

    def flush(self, seconds: float) -> None:
        """Write what is buffered, blocking for up to `seconds`, for the very end; what is lost then is told."""
        deadline = time.monotonic() + seconds
        for name, buffer in self.named():
            if not buffer.flush(max(0.0, deadline - time.monotonic())) and buffer.alive:
                self._complain(f"{buffer.unwritten} lines for {name} could not be written and are lost")
        for name, pipe in self._pipes.items():
            if pipe.unread:
                self._complain(f"{pipe.unread} bytes were not read by the service {name} and are lost")

    def close(self) -> None:
        """Give everything back."""
        for _, buffer in self.named():
            buffer.close()
        for pipe in self._pipes.values():
            pipe.close()

    # -----------------------------------------------------------------------------------------------------------------

    def _watch(self, buffer: Buffer, name: str) -> None:
        """Tell of what happens to a buffer: trouble, and lines that it drops."""
        journal = self._journal
        why = _SLOW

        def troubled(error: OSError | None) -> None:
            nonlocal why
            if error is not None:
                why = reason(error)
                self._complain(f"cannot write to {name}: {why}; lines wait in memory, and it is tried again")
            else:
                journal.event(None, f"{name} is written to again")

        def notice(lines: int, size: int) -> bytes:
            nonlocal why
            text = f"{lines} lines of output ({size} bytes) for {name} were dropped: {why}"
            why = _SLOW
            journal.event(None, text, LogLevel.WARNING, {"dropped": lines})
            form = next((form for one, form in journal.outlets() if one is buffer), None)
            return b"" if form is None else journal.notice(form, None, text, lines)

        buffer.relieved = journal.relieve
        buffer.lost = journal.lose
        buffer.troubled = troubled
        buffer.dropping = lambda: self._complain(f"{name} has no room: the oldest lines for it are being dropped")
        buffer.notice = notice

    def _complain(self, text: str) -> None:
        self._journal.event(None, text, LogLevel.WARNING)

    # -----------------------------------------------------------------------------------------------------------------
    # Over a re-exec

    def freeze(self, keep: Keep) -> PlacesState:
        """Return what is carried over a re-exec."""
        files = self._files.by_path
        return PlacesState(
            {name: pipe.freeze(keep) for name, pipe in self._pipes.items()},
            {path: one.buffer.freeze(keep) for path, one in files.items()},
            [path for path, one in files.items() if one.file.midline],
            self._syslog.freeze(keep) if self._syslog is not None else BufferState(),
        )

    def thaw_pipes(self, state: PlacesState) -> None:
        """Take the pipes; before anything asks for them."""
        for name, carried in state.pipes.items():
            self._pipes[name] = LoggerPipe(self._loop, carried)
            self._watch(self._pipes[name].buffer, f"the service {name}")

    def thaw(self, state: PlacesState) -> None:
        """Go on with what was not written, once the routes are there; before anything new is written."""
        for path, buffered in state.files.items():
            known = self._files.by_path.get(path)
            if known is not None:
                known.file.resume(path in state.torn)
                known.buffer.thaw(buffered)
        if self._syslog is not None:
            self._syslog.thaw(state.syslog)
