"""What asyncinit remembers of the logs and what is in files, as one: each line once, in order of time.

asyncinit's memory is the end of what is in the files. What a file has from before its first line is put before it;
where that is within one millisecond, or a file without times, the two are laid over each other line by line.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from asyncinit.cli.log_files import Line, LogFile
from asyncinit.cli.outcome import complain
from asyncinit.control.types import timestamp

_SPARE = 4096
"""Lines of a file that may be others' services or in memory too: so many more are read than were asked for."""

Entry = dict[str, Any]


class History:
    """The files of `services` (as Status tells them) of an asyncinit with pid `server_pid` (0: not seen)."""

    def __init__(self, services: Sequence[dict[str, Any]], server_pid: int) -> None:
        root = _root_of(server_pid)
        self._files = [
            LogFile(root + file["path"], file["format"], service["name"], file["stream"])
            for service in services
            for file in (service["log"] or {"files": []})["files"]
        ]

    def __bool__(self) -> bool:
        return bool(self._files)

    def with_memory(self, memory: list[Entry], since: float | None, newest: int | None) -> Iterator[Entry]:
        """Yield what is in the files and, after it, what is in `memory`: not older than `since`, the `newest` lines."""
        begin = "" if since is None else timestamp(since)
        told = {(entry["time"], entry["message"]) for entry in memory if entry["stream"] == "event"}
        before = [self._before(file, memory, begin, newest, told) for file in self._files]
        merged = heapq.merge(*before, memory, key=lambda entry: str(entry["time"]))
        return merged if newest is None else iter(deque(merged, maxlen=newest))

    def _before(
        self, file: LogFile, memory: Sequence[Entry], since: str, newest: int | None, told: set[tuple[str, str]]
    ) -> Iterator[Entry]:
        """Yield what a file has from before the memory of it."""
        known = [entry for entry in memory if entry["service"] == file.service and _is_of(file, entry)]
        wanted = None if newest is None or since else newest + len(known) + _SPARE
        lines = file.lines(since, wanted)
        try:
            older = _raw_before(file, lines, known) if file.form == "raw" else _timed_before(file, lines, known)
            for line in older:
                if line.stream != "event" or (line.time, line.message) not in told:
                    if line.stream == "event":  # it may stand in the other stream's file too
                        told.add((line.time, line.message))
                    yield {**line._asdict(), "cursor": None}
        except (OSError, EOFError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            complain(f"{file.service}: cannot read {file.path}: {why}; showing what is in memory")


def _is_of(file: LogFile, entry: Entry) -> bool:
    return entry["stream"] != "event" and file.stream in (None, entry["stream"])


def _timed_before(file: LogFile, lines: Iterator[Line], known: Sequence[Entry]) -> Iterator[Line]:
    if not known:
        yield from lines
        return
    first = known[0]["time"]
    together: list[Line] = []
    for line in lines:
        if line.time > first:
            break
        if line.time < first:
            yield line
        else:
            together.append(line)
    same_time = [entry for entry in known if entry["time"] == first]
    yield from together[: _overlap(file, [line for line in together if line.stream != "event"], same_time)]


def _raw_before(file: LogFile, lines: Iterator[Line], known: Sequence[Entry]) -> Iterator[Line]:
    complain(f"{file.service}: {file.path} is raw: the time of the file stands in for that of its lines")
    if not known:
        yield from lines
        return
    first = known[0]["time"]
    held: deque[Line] = deque()
    most = 2 * len(known) + _SPARE  # what may have come since is behind the overlap
    for line in lines:
        held.append(line)
        if len(held) > most:
            yield _not_after(held.popleft(), first)
    rest = list(held)
    for line in rest[: _overlap(file, rest, known)]:
        yield _not_after(line, first)


def _not_after(line: Line, time: str) -> Line:
    return line if line.time <= time else line._replace(time=time)


def _overlap(file: LogFile, lines: Sequence[Line], known: Sequence[Entry]) -> int:
    """Return how many of `lines` come before `known`: where that is found as a whole, last, or else begins."""
    size = len(known)
    for start in range(len(lines) - size, -1, -1):
        if all(map(file.same, lines[start : start + size], known)):
            return start
    # Its end is not in the file yet: a disk is full, or it was written a moment ago.
    for start in range(max(0, len(lines) - size + 1), len(lines)):
        if all(map(file.same, lines[start:], known)):
            return start
    return len(lines)


def _root_of(pid: int) -> str:
    """Return what to put before a path of a process: nothing where it sees the files that we see, or we cannot tell."""
    try:
        if pid and os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
            return f"/proc/{pid}/root"
    except OSError:
        pass
    return ""


def tell_unseen(services: Iterable[dict[str, Any]]) -> None:
    """Say of each service whose output asyncinit does not see where it goes."""
    for service in services:
        log = service["log"]
        if log is not None and not log["remembered"]:
            complain(f"{service['name']}: its output goes to {', '.join(log['to'])}, past asyncinit")
