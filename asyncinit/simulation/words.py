"""What a person writes of a scenario, a word at a time: --fail db@5s, --slow api=20s; knows no command line."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

from asyncinit.config import ends, values
from asyncinit.config.names import meant
from asyncinit.core.status import ExitStatus
from asyncinit.errors import AsyncinitError
from asyncinit.simulation.scenario import Fault, Illness, Onset, Request, Verb

NEVER = "never"


@dataclass(eq=False)
class WordError(AsyncinitError):
    """A word has no meaning: what was found, and what was expected."""

    text: str

    def __str__(self) -> str:
        return self.text


def time(word: str, what: str = "a time such as 5s") -> float:
    """Return the seconds of a length of time. Raises WordError."""
    try:
        seconds = values.duration(word)
    except values.BadValueError as error:
        hint = f"; did you mean {error.suggestion}?" if error.suggestion not in ("", '"none"') else ""
        raise WordError(f"found {word!r}, expected {what}{hint}") from None
    if seconds == math.inf:
        raise WordError(f"found {word!r}, expected {what}")
    return seconds


def services(word: str, known: Collection[str]) -> list[str]:
    """Return the services that a name or a pattern means. Raises WordError."""
    found = [name for name in sorted(known) if fnmatchcase(name, word)]
    if not found:
        guess = meant(word, known)
        raise WordError(f"no such service: {word}" + (f"; did you mean {guess}?" if guess else ""))
    return found


def pace(word: str, known: Collection[str]) -> dict[str, float]:
    """Return what NAME=TIME or NAME=never says. Raises WordError."""
    name, equals, text = word.rpartition("=")
    if not equals or not name:
        raise WordError(f"found {word!r}, expected NAME=TIME such as api=20s, or NAME=never")
    seconds = math.inf if text == NEVER else time(text, 'a time such as 20s, or "never"')
    return dict.fromkeys(services(name, known), seconds)


def faults(word: str, known: Collection[str]) -> list[Fault]:
    """Return what NAME@WHEN[:STATUS] says. Raises WordError."""
    expected = "NAME@WHEN[:STATUS] such as db@5s, db@start, db@ready+10s:SIGKILL"
    name, when = _at(word, expected)
    when, colon, status_text = when.partition(":")
    status = _status(status_text) if colon else ExitStatus(1)
    onset, after = Onset.BEGINNING, 0.0
    for one in (Onset.START, Onset.READY):
        if when == one or when.startswith(f"{one}+"):
            onset = one
            after = time(when[len(one) + 1 :]) if when != one else 0.0
            break
    else:
        after = time(when, "a time such as 5s, or start, start+TIME, ready, ready+TIME")
    return [Fault(found, onset, after, status, f"--fail {word}") for found in services(name, known)]


def illnesses(word: str, known: Collection[str]) -> list[Illness]:
    """Return what NAME@TIME or NAME@TIME..TIME says. Raises WordError."""
    name, when = _at(word, "NAME@TIME or NAME@TIME..TIME such as web@10s..1m")
    begins, dots, ends_ = when.partition("..")
    first, last = time(begins), time(ends_) if dots else math.inf
    if last <= first:
        raise WordError(f"found {when!r}, which ends before it begins")
    return [Illness(found, first, last) for found in services(name, known)]


def requests(verb: Verb, word: str, known: Collection[str]) -> list[Request]:
    """Return what NAME@TIME says of a request. Raises WordError."""
    name, when = _at(word, "NAME@TIME such as web@10s")
    moment = time(when)
    return [Request(moment, verb, found) for found in services(name, known)]


def shutdown(word: str) -> float:
    """Return what @TIME says. Raises WordError."""
    return time(word.removeprefix("@"))


def _at(word: str, expected: str) -> tuple[str, str]:
    name, at, when = word.rpartition("@")
    if not at or not name or not when:
        raise WordError(f"found {word!r}, expected {expected}")
    return name, when


def _status(text: str) -> ExitStatus:
    if text.isascii() and text.isdecimal():
        if int(text[:9]) > 255:
            raise WordError(f"found {text!r}, expected an exit code from 0 to 255, or a signal")
        return ExitStatus(int(text))
    try:
        return ExitStatus(signal=ends.signal_number(text))
    except values.BadValueError as error:
        hint = f"; did you mean {error.suggestion}?" if error.suggestion else ""
        raise WordError(f"found {text!r}, expected an exit code, or a signal such as SIGKILL{hint}") from None
