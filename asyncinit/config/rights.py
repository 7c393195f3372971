"""How what [security] speaks of is written: capabilities, system calls, paths of rules; knows no key, file or table."""

from __future__ import annotations

import errno
import os

from asyncinit.config import spec
from asyncinit.config.problems import quoted
from asyncinit.config.spec import capabilities, system_calls
from asyncinit.config.values import BadValueError, close_to


def capability(value: str) -> str:
    """Return a word of a set of capabilities: a name in full, or the name of a set; "~" before it stays."""
    mark, name = ("~", value[1:]) if value.startswith("~") else ("", value)
    if name in capabilities.SETS:
        return value
    bare = name.removeprefix("CAP_")
    if bare in capabilities.NAMES:
        return f"{mark}CAP_{bare}"
    folded = name.upper().replace("-", "_").removeprefix("CAP_")
    guess = folded if folded in capabilities.NAMES else close_to(folded, capabilities.NAMES)
    raise BadValueError(suggestion=quoted(f"{mark}CAP_{guess}") if guess else "")


def one_capability(value: str) -> str:
    """Return the full name of a capability."""
    if value.startswith("~") or value in capabilities.SETS:
        raise BadValueError
    return capability(value)


def system_call(value: str) -> str:
    """Return the name of a system call or of a set of them; whether a call exists is known where it is used."""
    if value.startswith("@"):
        if value not in system_calls.SETS:
            guess = close_to(value, system_calls.SETS)
            raise BadValueError(suggestion=quoted(guess) if guess else "")
    elif not (value.isascii() and value.isidentifier() and value == value.lower()):
        raise BadValueError
    return value


def filter_action(value: str) -> str:
    """Return the name of an errno, or KILL."""
    if value != spec.KILL and value not in errno.errorcode.values():
        raise BadValueError
    return value


def path(value: str) -> str:
    """Return an absolute path, or one that begins with a variable."""
    if not value.startswith(("/", "${")):
        raise BadValueError
    return value


def rule_path(value: str) -> str:
    """Return such a path, with "-" before it if it may be absent."""
    path(value.removeprefix("-"))
    return value


def credential_name(value: str) -> str:
    """Return the name of a file."""
    if not value or "/" in value or value in (".", "..") or len(os.fsencode(value)) > 255:
        raise BadValueError
    return value
