"""One file: read without ever blocking, decoded, parsed; or the one problem that stands against it.

Knows no keys. A file that a service runs from must be an ordinary file: a FIFO would make PID 1 wait for a writer.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from typing import Any

from asyncinit.config.lines import Lines
from asyncinit.config.problems import Finding, Path, Problem, dotted, printable

LARGEST = 4 * 1024 * 1024
"""Bytes of the largest file that is read: thousands of services; beyond it, it is the wrong file."""

_DOTTED = re.compile(r"""(?<![\w"'-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){200}""", re.ASCII)
# A key of so many parts is none of ours, and costs tomllib the square of their number, in time and in memory.

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Document:
    """A TOML file: its path as the user knows it, text, and data as tomllib gave it."""

    def __init__(self, path: str, text: str, data: dict[str, Any]) -> None:
        self.path = path
        self.text = text
        self.data = data
        self._lines: Lines | None = None

    def line(self, key: Path) -> int | None:
        """Return the line of a key, or of the closest table around it; None where it cannot be found out."""
        if self._lines is None:
            self._lines = Lines(self.text)
        return self._lines.find(key)

    def problem(self, finding: Finding, service: str | None, prefix: int = 0) -> Problem:
        """Return a finding with its file and line; the first `prefix` parts of its key are not shown."""
        return Problem(
            file=self.path,
            line=self.line(finding.key),
            service=service,
            key=dotted(finding.key[prefix:]),
            problem=finding.problem,
            found=finding.found,
            expected=finding.expected,
            suggestion=finding.suggestion,
            severity=finding.severity,
        )


def read(path: str, service: str | None = None) -> Document | Problem:
    """Read the file at `path`, or say why it cannot be used; never blocks on a FIFO, socket or device."""
    content = content_of(path, service)
    return content if isinstance(content, Problem) else parse(path, content, service)


def content_of(path: str, service: str | None = None) -> bytes | Problem:
    """Return what is in the file at `path`, or why it cannot be read; never blocks as `read`."""
    try:
        content = _content(path)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        if isinstance(error, FileNotFoundError) and os.path.islink(path):
            reason = "it is a link to a file that does not exist"
        return Problem(path, None, service, "", f"cannot be read: {reason}")
    return Problem(path, None, service, "", content) if isinstance(content, str) else content


def _content(path: str) -> bytes | str:
    """Return the bytes of an ordinary file, or what else is there."""
    if not stat.S_ISREG(mode := os.stat(path).st_mode):  # before open(2), which wakes some devices
        return f"is {_KINDS.get(stat.S_IFMT(mode), 'no file')}, not a file"
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return "is not a file"
        content = bytearray()
        while len(content) <= LARGEST:
            block = file.read(LARGEST + 1 - len(content))
            if not block:
                return bytes(content)
            content += block
    return f"is larger than {LARGEST // 1024 // 1024} MiB: not a configuration file"


def decoded(path: str, content: bytes, service: str | None = None) -> str | Problem:
    """Return `content` as text with plain newlines, or the problem with its encoding."""
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        kind = "is UTF-16 text; expected UTF-8" if utf16 else f"is not UTF-8 text (byte 0x{content[error.start]:02x})"
        return Problem(path, None if utf16 else line, service, "", kind)


def parse(path: str, content: bytes, service: str | None = None) -> Document | Problem:
    """Return the document that `content` is, or the problem with its encoding or syntax."""
    text = decoded(path, content, service)
    if isinstance(text, Problem):
        return text
    if many := _DOTTED.search(text):
        line = text.count("\n", 0, many.start()) + 1
        return Problem(path, line, service, "", "has a key of more than 200 parts")
    try:
        data = tomllib.loads(text)
    except RecursionError:
        return Problem(path, None, service, "", "is nested too deeply")
    except (ValueError, OverflowError) as error:  # tomllib's own, and those of int() and datetime that it lets through
        return _syntax_problem(path, text, str(error), service)
    return Document(path, text, data)


def _syntax_problem(path: str, text: str, message: str, service: str | None) -> Problem:
    what, at, place = message.rpartition(" (at ")
    if not at:  # int() reads no more digits, for it would take the square of their number in time
        what = (
            "has an integer of too many digits" if "digits" in message else f"is not valid TOML: {printable(message)}"
        )
        return Problem(path, None, service, "", what)
    what = what[:1].lower() + what[1:]
    lines = text.replace("\r\n", "\n").rstrip().split("\n")
    where = re.match(r"line ([0-9]+), column ([0-9]+)", place)
    if where:
        line = min(int(where[1]), len(lines))
        column = f" (column {where[2]})"
    else:
        line, column = len(lines), ""
        what += "" if "overwrite" in what else ", and the file ends"
    return Problem(
        path, line, service, "", f"is not valid TOML: {printable(what)}{column}{_hint(lines[line - 1], what)}"
    )


def _hint(line: str, what: str) -> str:  # noqa: PLR0911 - one line a mistake
    """Return what a person probably did wrong in a line that tomllib refused, or nothing."""
    _, equals, value = line.partition("=")
    value = value.strip()
    if "overwrite" in what or "declare" in what or "twice" in what or "mutate" in what:
        return "; this key or table was there before"
    if not equals and "file ends" in what:
        return ""
    if not equals:
        return '; a line is: key = "value"' if line.strip() and not line.strip().startswith("[") else ""
    if len(value) > 1 and value[0] == "0" and value.isdigit():
        return f'; a number has no leading 0: write "{value}"'
    if value in ("True", "False", "yes", "no", "on", "off", "Yes", "No", "TRUE", "FALSE"):
        return f"; write {'true' if value.lower() in ('true', 'yes', 'on') else 'false'}"
    if not value:
        return "; the value is missing"
    if (value[0].isalpha() and value not in ("true", "false", "inf", "nan")) or value[0] in "/.$~":
        return "; a text stands in quotes"
    if "escape" in what or "\\" in value:
        return "; a backslash is written \\\\, or the text in single quotes"
    return ""
