"""What all types of the control protocol have in common, and how it writes times."""

from __future__ import annotations

import time

import msgspec

INTERFACE = "io.asyncinit"
"""The Varlink interface's name; methods and errors are written after it with a dot."""


def timestamp(seconds: float) -> str:
    """Return a wall-clock time (seconds since 1970) as the protocol writes it: 2026-11-23T17:13:50.123Z."""
    milliseconds = int(seconds * 1000)
    whole, fraction = divmod(milliseconds, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{fraction:03d}Z"


def sendable(text: str) -> str:
    """Return text as JSON can have it: bytes of arguments and paths that are no UTF-8 are replaced."""
    return text if text.isascii() else text.encode(errors="replace").decode()


class Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all types here: immutable, written by name, and strict about what it does not know."""


class Nothing(Wire, frozen=True):
    """No parameters."""
