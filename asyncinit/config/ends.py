"""How ends of processes are written: exit codes, signals, causes that have a name; knows no key, file or table.

As in `values`: each function takes what TOML gave and returns the resolved value, or raises `BadValueError`; the
`format_*` functions are their inverses.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from asyncinit.config.spec import Cause, Outcomes
from asyncinit.config.values import BadValueError, close_to

_REAL_TIME = re.compile(r"(RTMIN|RTMAX)(?:([+-])([0-9]{1,2}))?")


def signal_number(value: str | int) -> int:
    """Return the number of "SIGTERM", "TERM", "RTMIN+3" or a number that this system has a signal for."""
    if isinstance(value, int):
        if value in signal.valid_signals():
            return int(value)
        raise BadValueError("is not the number of a signal")
    name = value.upper().removeprefix("SIG")
    known = signal.Signals.__members__.get("SIG" + name)
    if known is not None:
        return int(known)
    match = _REAL_TIME.fullmatch(name)
    if match:
        number = int(signal.Signals["SIG" + match[1]]) + int((match[2] or "+") + (match[3] or "0"))
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
        raise BadValueError("is not a real-time signal", expected='"SIGRTMIN" to "SIGRTMIN+30"')
    guess = close_to(name, (known.removeprefix("SIG") for known in signal.Signals.__members__))
    raise BadValueError(suggestion=f'"SIG{guess}"' if guess else "")


def format_signal(number: int) -> str:
    """Return the name of a signal, as `signal_number` reads it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def exit_code(value: int) -> int:
    """Return an exit code as a process can have it."""
    if not 0 <= value <= 255:
        raise BadValueError(expected="an exit code from 0 to 255")
    return value


def code_key(value: str) -> int:
    """Return an exit code that is written as a key, which TOML always takes for text."""
    if not (value.isascii() and value.isdigit() and len(value) <= 3):
        raise BadValueError(expected="an exit code from 0 to 255")
    return exit_code(int(value))


def end(value: int | str) -> int | signal.Signals:
    """Return an exit code, or a signal by its name (as a `Signals`, or a negative number where it has no name)."""
    if isinstance(value, int):
        return exit_code(value)
    if value.isascii() and value.isdigit():
        raise BadValueError(suggestion=value[:20])
    number = signal_number(value)
    try:
        return signal.Signals(number)
    except ValueError:
        return -number


def end_or_cause(value: int | str) -> int | signal.Signals | Cause:
    """Return what `end` does, or a cause that has a name of its own ("oom")."""
    if isinstance(value, str) and value in _CAUSES:
        return Cause(value)
    try:
        return end(value)
    except BadValueError as error:
        guess = close_to(value, _CAUSES) if isinstance(value, str) else ""
        raise BadValueError(
            error.problem, expected=error.expected, suggestion=f'"{guess}"' if guess else error.suggestion
        ) from None


_CAUSES = frozenset(cause.value for cause in Cause)


def outcomes(values: Sequence[int | str]) -> Outcomes:
    """Return the set of ends that a list of codes, signal names and causes names."""
    codes, signals, causes = set(), set(), set()
    for value in values:
        found = end_or_cause(value)
        if isinstance(found, Cause):
            causes.add(found)
        elif isinstance(found, signal.Signals) or found < 0:
            signals.add(abs(int(found)))
        else:
            codes.add(found)
    return Outcomes(frozenset(codes), frozenset(signals), frozenset(causes))


def format_outcomes(ends: Outcomes) -> list[int | str]:
    """Return the list that `outcomes` reads as `ends`."""
    return [
        *sorted(ends.codes),
        *map(format_signal, sorted(ends.signals)),
        *sorted(cause.value for cause in ends.causes),
    ]
