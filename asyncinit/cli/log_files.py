"""Log files as entries of Logs: found with their old ones, read from where it is needed, compared as text.

The command reads them itself, not asyncinit: who may read them their modes say, and PID 1 has no work with it. Times
are RFC 3339 in UTC with milliseconds, so they are ordered as texts are.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, cast

from asyncinit.control.types import timestamp

_OLDEST = 100
"""The highest number that an old file can have."""
_BLOCK = 1 << 20
_TIME_LENGTH = len("2026-11-23T17:13:50.123Z")
_CUT = " [cut]"


class Line(NamedTuple):
    """One line of a file: `service` null for asyncinit's own, `stream` as in an entry of Logs."""

    time: str
    service: str | None
    stream: str
    message: str


class _Part(NamedTuple):
    """One file of a chain, open: what gives its lines, the time of its last change, and the file that is compressed."""

    reader: IO[bytes]
    changed: float
    packed: IO[bytes] | None

    def close(self) -> None:
        self.reader.close()
        if self.packed is not None:
            self.packed.close()


class LogFile:
    """One log file and its old ones; `path` is where we find it, `stream` what is not said in the lines themselves."""

    def __init__(self, path: str, form: str, service: str, stream: str | None) -> None:
        self.path = path
        self.form = form
        self.service = service
        self.stream = stream

    def open(self) -> list[_Part]:
        """Open all files, the oldest first.

        All at once, so that a rotation meanwhile neither hides one nor shows it twice. Raises OSError if not even the
        newest can be read.
        """
        found: list[_Part] = []
        seen: set[tuple[int, int]] = set()
        for name in (self.path, *(f"{self.path}.{number}" for number in range(1, _OLDEST + 1))):
            opened = _open_one(name)
            if opened is None:
                if name == self.path:
                    continue  # it is being rotated
                break
            file, packed = opened
            info = os.fstat(file.fileno())
            if (info.st_dev, info.st_ino) in seen:
                file.close()
                continue
            seen.add((info.st_dev, info.st_ino))
            reader = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file
            found.append(_Part(reader, info.st_mtime, file if packed else None))
        if not found:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        found.reverse()
        return found

    def lines(self, since: str, newest: int | None) -> Iterator[Line]:
        """Yield the lines from `since` on, in order; `newest`: about so many at the end are enough."""
        parts = self.open()
        try:
            if newest is not None:
                parts = _last_parts(parts, newest)
            for number, part in enumerate(parts):
                yield from self._lines_of(part, since, newest if number == 0 else None)
        finally:
            for part in parts:
                part.close()

    def _lines_of(self, part: _Part, since: str, newest: int | None) -> Iterator[Line]:
        if since and timestamp(part.changed) < since:
            return
        if part.packed is None and newest is not None:
            _seek_lines(part.reader, newest)
        elif part.packed is None and since and self.form != "raw":
            _seek_time(part.reader, since, self._time_of)
        for line in part.reader:
            parsed = self._parse(line, part.changed)
            if parsed is not None and parsed.time >= since:
                yield parsed

    def _time_of(self, line: bytes) -> str:
        start = len('{"time":"') if self.form == "json" else 0
        return line[start : start + _TIME_LENGTH].decode("ascii", "replace")

    def _parse(self, line: bytes, changed: float) -> Line | None:
        """Return a line of our service, None for one of another and for what is none."""
        text = line.decode("utf-8", "replace").removesuffix("\n")
        if self.form == "raw":
            return Line(timestamp(changed), self.service, self.stream or "stdout", text)
        return self._parse_json(text) if self.form == "json" else self._parse_text(text)

    def _parse_text(self, text: str) -> Line | None:
        time, _, rest = text.partition(" ")
        name, _, rest = rest.partition(" ")
        mark, _, message = rest.partition(" ")
        if len(time) != _TIME_LENGTH or name not in (self.service, "asyncinit") or mark not in ("|", "*"):
            return None
        if mark == "*":
            return Line(time, None if name == "asyncinit" else name, "event", message)
        return Line(time, name, self.stream or "stdout", message) if name == self.service else None

    def _parse_json(self, text: str) -> Line | None:
        try:
            item: dict[str, Any] = json.loads(text)
            service, stream = item["service"], item.get("stream", "event")
            if service == self.service or (service is None and stream == "event"):
                return Line(str(item["time"]), service, stream, str(item["message"]))
        except (ValueError, KeyError, AttributeError, TypeError):
            pass  # half a line of a crash, or something that others wrote
        return None

    def same(self, line: Line, entry: dict[str, Any]) -> bool:
        """Tell whether a line is what an entry of asyncinit's memory became in this file."""
        if line.message == entry["message"]:
            return True
        return self.form == "text" and line.message == entry["message"] + _CUT


def _open_one(name: str) -> tuple[IO[bytes], bool] | None:
    for suffix, packed in (("", False), (".gz", True)):
        try:
            return open(name + suffix, "rb"), packed
        except FileNotFoundError:
            continue
    return None


def _last_parts(parts: list[_Part], newest: int) -> list[_Part]:
    """Return the newest parts that have `newest` lines together, the oldest of them first; close the others."""
    count = 0
    for index in range(len(parts) - 1, -1, -1):
        if count >= newest:
            for part in parts[: index + 1]:
                part.close()
            return parts[index + 1 :]
        while block := parts[index].reader.read(_BLOCK):
            count += block.count(b"\n")
        parts[index].reader.seek(0)
    return parts


def _seek_lines(file: IO[bytes], count: int) -> None:
    """Go to where the last `count` lines of a file begin, or to its beginning."""
    position = file.seek(0, os.SEEK_END)
    left = count + 1  # the newline before the first of them
    while position > 0:
        size = min(_BLOCK, position)
        position = file.seek(position - size)
        block = file.read(size)
        here = block.count(b"\n")
        if here >= left:
            at = len(block)
            for _ in range(left):
                at = block.rfind(b"\n", 0, at)
            file.seek(position + at + 1)
            return
        left -= here
    file.seek(0)


def _seek_time(file: IO[bytes], since: str, time_of: Callable[[bytes], str]) -> None:
    """Go to a line before which all are older than `since`, where times only grow: by halves."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while high - low > _BLOCK:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        if time_of(file.readline()) < since:
            low = middle
        else:
            high = middle
    file.seek(low)
    if low:
        file.readline()
