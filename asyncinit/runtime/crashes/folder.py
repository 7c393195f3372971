"""Write crash reports into a folder, in a child with a deadline: PID 1 waits for no disk. Knows no services.

One file a report, named by time and service, written whole under another name and then renamed; the oldest of ours are
removed beyond `keep`. What cannot be written is told once, and stays in memory.
"""

from __future__ import annotations

import errno
import os
import re
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from asyncinit.control.types import CrashReport
from asyncinit.errors import SpawnError
from asyncinit.runtime.process.offload import Offloader, StepCallback

TIMEOUT = 10.0
_WAITING = 32  # reports that wait for the disk; of more the oldest are left out, and that is told
_OURS = re.compile(r"\d{8}T\d{6}\.\d{3}Z-.+\.json")


class CrashFolder:
    """Write reports to `path`, in the order in which they come, one child at a time; `complain` is told of trouble."""

    def __init__(self, path: str, keep: int, offloader: Offloader, complain: Callable[[str], None]) -> None:
        self._path = path
        self._keep = keep
        self._offloader = offloader
        self._complain = complain
        self._queue: deque[CrashReport] = deque()
        self._writing: list[CrashReport] = []
        self._busy = False
        self._told = False
        self._idle: list[Callable[[], None]] = []

    @property
    def unwritten(self) -> list[CrashReport]:
        """The reports that may not be on the disk yet."""
        return [*self._writing, *self._queue]

    def configure(self, path: str, keep: int) -> None:
        """Write to another folder, or keep another number, from now on."""
        self._path, self._keep = path, keep

    def add(self, report: CrashReport) -> None:
        """Write a report soon."""
        if len(self._queue) >= _WAITING:
            dropped = self._queue.popleft()
            text = f"the crash report of {dropped.service} is not written: the disk of {self._path} is too slow"
            self._complain(text)
        self._queue.append(report)
        self._go_on()

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call `callback` once nothing waits to be written."""
        if self._busy:
            self._idle.append(callback)
        else:
            callback()

    def _go_on(self) -> None:
        if self._busy or not self._queue:
            return
        self._busy = True
        reports = [(file_name(report), msgspec.json.format(msgspec.json.encode(report))) for report in self._queue]
        self._writing = list(self._queue)
        self._queue.clear()
        path, keep = self._path, self._keep
        self._offloader.run(lambda step: write(path, keep, reports, step), type(None), TIMEOUT, self._written)

    def _written(self, result: SpawnError | None) -> None:
        self._busy = False
        self._writing.clear()
        if result is None:
            self._told = False
        elif not self._told:
            self._told = True
            self._complain(f"{result}; reports stay in memory")
        self._go_on()
        if not self._busy:
            waiting, self._idle = self._idle, []
            for callback in waiting:
                callback()


def file_name(report: CrashReport) -> str:
    """Return a report's file name: it sorts by time."""
    return f"{report.time.replace('-', '').replace(':', '')}-{report.service[:200]}.json"


def write(path: str, keep: int, reports: Sequence[tuple[str, bytes]], step: StepCallback) -> None:
    """In a child: write the reports, and remove the oldest ones of the folder beyond `keep`."""
    step(f"make the folder {path}")
    os.makedirs(path, 0o700, exist_ok=True)
    for name, data in reports:
        step(f"write {path}/{name}")
        _write_whole(path, name, data + b"\n")
    step(f"remove old crash reports from {path}")
    ours = sorted(name for name in os.listdir(path) if _OURS.fullmatch(name))
    for name in ours[: max(0, len(ours) - keep)]:
        try:
            os.unlink(f"{path}/{name}")
        except FileNotFoundError:
            pass  # somebody else tidies too


def _write_whole(path: str, name: str, data: bytes) -> None:
    temporary = f"{path}/.{name}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        written = 0
        while written < len(data):
            size = os.write(fd, data[written:])
            if not size:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            written += size
        os.replace(temporary, f"{path}/{name}")
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)
