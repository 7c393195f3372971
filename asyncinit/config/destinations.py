"""How it is written where output goes: destinations, files, their size, words of syslog; as `values`, knows no key."""

from __future__ import annotations

from asyncinit.config.problems import quoted
from asyncinit.config.spec import CONSOLE, FILE, INHERIT, NONE, NULL, SERVICE, SYSLOG
from asyncinit.config.values import BadValueError, close_to, filled, service_name, size

SMALLEST_FILE = 4096
"""Bytes that a log file must be allowed to have."""

_WORDS = (CONSOLE, FILE, SYSLOG, INHERIT, NULL)
_OTHER_WORDS = {
    **dict.fromkeys(("stdout", "stderr", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "terminal"), CONSOLE),
    **dict.fromkeys(("none", "devnull", "/dev/null"), NULL),
    **dict.fromkeys(("/dev/log", "journal", "journald"), SYSLOG),
}


def file_size(value: str | int) -> float:
    """Return the size of a file that is replaced when it is so large: a size, and not so small that it is one line."""
    bytes_ = size(value)
    if bytes_ < SMALLEST_FILE:
        raise BadValueError("is too small", expected='at least "4K"')
    return bytes_


def format_size(size_: float) -> str | int:
    """Return what `size` reads as exactly so many bytes."""
    if size_ == NONE:
        return "none"
    number, unit = int(size_), ""
    for larger in "KMGT":
        if not number or number % 1024:
            break
        number, unit = number // 1024, larger
    return f"{number}{unit}" if unit else number


def destination(value: str) -> str:
    """Return where output goes: a word, or "service:NAME"."""
    if value in _WORDS:
        return value
    if value.startswith(SERVICE):
        service_name(value[len(SERVICE) :])
        return value
    guess = _OTHER_WORDS.get(value.casefold(), "")
    if not guess and "/" not in value:
        near = close_to(value, (*_WORDS, *_OTHER_WORDS))
        guess = _OTHER_WORDS.get(near, near)
    if "/" in value and not guess:
        raise BadValueError(suggestion=f"file = {quoted(value)}" if len(value) < 80 else "")
    raise BadValueError(suggestion=f'"{guess}"' if guess else "")


def log_file(value: str) -> str:
    """Return the path of a file that output is written to: no device, and no descriptor under a path."""
    filled(value)
    if value == "/dev/null":
        raise BadValueError("is a device", suggestion='to = "null"')
    if value.startswith(("/dev/", "/proc/")) and not value.startswith("/dev/shm/"):
        raise BadValueError("is a device or a descriptor, not a file", suggestion='to = "console"')
    if value.endswith("/"):
        raise BadValueError("is a folder")
    return value


def word(value: str) -> str:
    """Return a word of visible ASCII characters."""
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise BadValueError
    return value
