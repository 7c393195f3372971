"""Every exception that asyncinit raises; imports nothing of asyncinit.

Fields come first and the message is made from them, so that the command line, the log and the control socket can each
show what they need. Messages are lower case: what could not be done, why, and what to do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


def why(errno: int) -> str:
    """Return what an errno means, in lower case: "no such file or directory"."""
    text = os.strerror(errno)
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


class AsyncinitError(Exception):
    """Base of all errors that asyncinit raises on purpose."""


@dataclass(eq=False)
class SpawnError(AsyncinitError):
    """A process could not be started: the step that failed and why.

    `step` is written to be read after a service's name: "set user www-data", "execute /usr/bin/web".
    """

    step: str
    errno: int = 0
    detail: str = ""

    def __str__(self) -> str:
        return f"cannot {self.step}: {self.detail or why(self.errno)}"


@dataclass(eq=False)
class TransitionError(AsyncinitError):
    """An event arrived in a state where it must never arrive: a bug of asyncinit, not of a service."""

    service: str
    phase: str
    event: str

    def __str__(self) -> str:
        return f"{self.service}: event {self.event} cannot happen in phase {self.phase}; this is a bug in asyncinit"


@dataclass(eq=False)
class AddressError(AsyncinitError):
    """The text of a probe's address has no meaning: what was found and what was expected."""

    text: str
    expected: str

    def __str__(self) -> str:
        return f"cannot use the address {self.text!r}: expected {self.expected}"


@dataclass(eq=False)
class UnknownServiceError(AsyncinitError):
    """A name was given that no service has."""

    name: str
    suggestion: str = ""

    def __str__(self) -> str:
        hint = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        return f"no such service: {self.name}{hint}"


class MissingCtypesError(AsyncinitError, ImportError):
    """Python was installed without its ctypes module, so most of the kernel is out of reach."""

    def __str__(self) -> str:
        return (
            "cannot import ctypes: this Python was installed without it (Debian: install python3, not python3-minimal)"
        )
