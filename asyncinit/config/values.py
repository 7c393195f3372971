"""How single values are written: durations, sizes, commands, modes, names; knows no key, file or table.

Each function takes what TOML gave and returns the resolved value, or raises `BadValueError`, which says in the user's
words what is wrong and, where it can be guessed, what was meant. The `format_*` functions are their inverses.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Sequence

from asyncinit.config.names import is_plain_name, is_service_name, is_template
from asyncinit.config.problems import quoted
from asyncinit.config.spec import NONE

LONGEST = 10 * 365 * 86400.0
"""Longest duration in seconds: beyond it timers of some loops overflow, and "none" is what is meant."""

WATCHDOG_LEAST = 10.0
"""Shortest time of a hardware watchdog in seconds: an exec must fit in, on a slow board too."""

_LARGEST_ID = 2**32 - 2  # (uid_t) -1 means "leave as it is" to the kernel

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_DURATION = re.compile(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m(?!s))?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?")
_LOOSE_DURATION = re.compile(rf"{_NUMBER}\s*([a-zµ]*)[\s,]*")
_SECONDS = (86400.0, 3600.0, 60.0, 1.0)  # of d, h, m, s; milliseconds are divided, which rounds right
_UNITS = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}
_SIZE = re.compile(rf"{_NUMBER}([KMGT]?)")
_LOOSE_SIZE = re.compile(rf"{_NUMBER}\s*([kmgt]?)i?b?", re.IGNORECASE)
_OCTAL = re.compile(r"[0-7]{1,4}")
_SHELL_WORDS = frozenset(("&&", "||", "|", ";", "&", ">", ">>", "<", "2>", "2>&1", ">&2"))


class BadValueError(ValueError):
    """A value that is not what its key takes.

    `problem` is a phrase after the key ("is longer than 10 years"), empty where `expected` says enough; `expected` is
    empty where the kind's own description fits; `suggestion` is what was probably meant, as TOML.
    """

    def __init__(self, problem: str = "", *, expected: str = "", suggestion: str = "") -> None:
        super().__init__(problem or expected)
        self.problem = problem
        self.expected = expected
        self.suggestion = suggestion


def close_to(word: str, known: Iterable[str]) -> str:
    """Return the one of `known` that a misspelt `word` probably is, or an empty string."""
    import difflib  # only when something is wrong

    if len(word) > 80:  # its cost is the product of the lengths
        return ""
    by_fold = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.65)
    return by_fold[found[0]] if found else ""


# ---------------------------------------------------------------------------------------------------------------------
# Time and size


def duration(value: str | float) -> float:
    """Return the seconds of "500ms", "5s", "1m30s", a number of seconds, or `NONE` for "none"."""
    if isinstance(value, str):
        seconds = _written_duration(value)
    else:
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
        if math.isnan(seconds) or seconds < 0:
            raise BadValueError("is not a length of time")
        if seconds == math.inf:
            raise BadValueError("is endless", suggestion='"none"')
    if seconds != NONE and seconds > LONGEST:
        raise BadValueError("is longer than 10 years", suggestion='"none"')
    return seconds


def _written_duration(text: str) -> float:
    if text == "none":
        return NONE
    match = _DURATION.fullmatch(text) if text else None
    if match is None:
        raise BadValueError(suggestion=meant_duration(text))
    *larger, milliseconds = match.groups()
    parts = [float(number) * unit for number, unit in zip(larger, _SECONDS, strict=True) if number]
    if milliseconds:
        parts.append(float(milliseconds) / 1000)
    return math.fsum(parts)


def meant_duration(text: str) -> str:
    """Return the length of time that was probably meant by `text`, as TOML, or an empty string."""
    folded = text.strip().casefold()
    if folded in ("none", "infinity", "infinite", "inf", "never", "unlimited", "forever"):
        return '"none"'
    parts = _LOOSE_DURATION.findall(folded)
    if not parts or _LOOSE_DURATION.sub("", folded) or len(folded) > 80:
        return ""
    written = "".join(number + _UNITS.get(unit, "?") for number, unit in parts)
    return f'"{written}"' if _DURATION.fullmatch(written) else ""


def finite(value: str | float) -> float:
    """Return the seconds of a duration that must end."""
    seconds = duration(value)
    if seconds == NONE:
        raise BadValueError('cannot be "none" here')
    return seconds


def positive(value: str | float) -> float:
    """Return the seconds of a duration that must end and is more than zero."""
    finite(value)
    return over_zero(value)


def over_zero(value: str | float) -> float:
    """Return the seconds of a duration that is more than zero, or `NONE`."""
    seconds = duration(value)
    if seconds == 0:
        raise BadValueError("cannot be zero here")
    return seconds


def watchdog(value: str | float) -> float:
    """Return the seconds after which a hardware watchdog resets the machine, or `NONE`."""
    seconds = duration(value)
    if seconds < WATCHDOG_LEAST:
        raise BadValueError(f"is too short: a live re-exec takes some seconds, and at least {WATCHDOG_LEAST:g}s is")
    return seconds


def idle(value: str | float) -> float:
    """Return the seconds of a duration that is more than zero, or `NONE` for "none"."""
    seconds = duration(value)
    if seconds == 0:
        raise BadValueError("cannot be zero here")
    return seconds


def format_duration(seconds: float) -> str:
    """Return the text that `duration` reads as exactly `seconds`."""
    if seconds == NONE:
        return "none"
    if seconds == int(seconds):
        rest, parts = int(seconds), []
        for unit, length in (("h", 3600), ("m", 60), ("s", 1)):
            count, rest = divmod(rest, length)
            if count:
                parts.append(f"{count}{unit}")
        return "".join(parts) or "0s"
    thousandths = round(seconds * 1000)
    if seconds < 1 and thousandths / 1000 == seconds:
        return f"{thousandths}ms"
    from decimal import Decimal  # repr() may be in exponent form, which is not ours

    return f"{Decimal(repr(seconds)):f}s"


def size(value: str | int) -> float:
    """Return the bytes of "64K", "512M" (powers of 1024), a number of bytes, or `NONE` for "none"."""
    if isinstance(value, int):
        if value < 0:
            raise BadValueError("is negative")
        return value
    if value == "none":
        return NONE
    match = _SIZE.fullmatch(value)
    if match is None:
        loose = _LOOSE_SIZE.fullmatch(value.strip())
        raise BadValueError(suggestion=f'"{loose[1]}{loose[2].upper()}"' if loose else "")
    exponent = " KMGT".index(match[2] or " ")
    return int(float(match[1]) * 1024**exponent)


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


# ---------------------------------------------------------------------------------------------------------------------
# Commands, modes, names


def command(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command: a list as it is, a string split as a POSIX shell splits words."""
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise BadValueError(f"cannot be split into words: {str(error).lower()}") from None
    else:
        words = list(value)
    if not words:
        raise BadValueError("is empty")
    if not words[0]:
        raise BadValueError("names no program: its first word is empty")
    return tuple(words)


def shell_words(value: str | Sequence[str]) -> list[str]:
    """Return the words of a command string that only a shell would act on ("&&", "|"): probably a mistake."""
    if not isinstance(value, str):
        return []
    try:
        words = shlex.split(value)
    except ValueError:
        return []
    return [word for word in words if word in _SHELL_WORDS or word.endswith(";")]


def octal(value: str) -> int:
    """Return the number of a string of octal digits, at most 7777."""
    if not _OCTAL.fullmatch(value):
        raise BadValueError
    return int(value, 8)


def umask(value: str) -> int:
    """Return the file mode creation mask of a string of octal digits, at most 0777 (umask(2))."""
    mask = octal(value)
    if mask > 0o777:
        raise BadValueError("is more than 0777")
    return mask


def service_name(value: str) -> str:
    """Return a service's name, an instance's (web@8080), or a template's (web@), which stands for its instances."""
    if not is_service_name(value) and not is_template(value):
        stem = value.removesuffix(".toml")
        meant = stem if stem != value and is_service_name(stem) else ""
        if value.endswith(("@%i", "@%I", "@%i.service", "@%I.service")):  # systemd's word for an instance
            meant = value.partition("%")[0] + "${INSTANCE}"
        raise BadValueError(suggestion=quoted(meant) if meant else "")
    return value


def instance_name(value: str) -> str:
    """Return the name of an instance: what stands after the @."""
    if not is_plain_name(value):
        raise BadValueError
    return value


def account(value: str | int) -> str:
    """Return the name or decimal id of a user or group."""
    if isinstance(value, int) or (value.isascii() and value.isdigit()):
        number = int(value) if len(str(value)) <= 10 else -1
        if not 0 <= number <= _LARGEST_ID:
            raise BadValueError("is not an id")
        return str(number)
    if not value or value.startswith("-") or any(c in ":/," or c.isspace() or not c.isprintable() for c in value):
        raise BadValueError
    return value


def text_line(value: str) -> str:
    """Return a text that is one line without control characters."""
    if not value.isprintable():
        raise BadValueError("has a line break or control character")
    return value


def filled(value: str) -> str:
    """Return a text that is not empty."""
    if not value:
        raise BadValueError("is empty")
    return value


def condition(value: str) -> str:
    """Return what must hold, with the "!" before it that turns it round."""
    if not value.removeprefix("!"):
        raise BadValueError("is empty")
    if value.startswith("! "):
        raise BadValueError("has a space after the sign", suggestion=quoted("!" + value[1:].strip()))
    return value


def variable(value: str) -> str:
    """Return the name of an environment variable."""
    if not value or "=" in value:
        raise BadValueError
    return value


def directory(value: str) -> str:
    """Return a folder's name below /run, /var/lib, ...: relative, without "." and ".." in it."""
    if value.startswith("/"):
        name = value.strip("/").rpartition("/")[2]
        raise BadValueError("is absolute", suggestion=quoted(name) if 0 < len(name) < 80 else "")
    if any(part in ("", ".", "..") for part in value.split("/")):
        raise BadValueError
    return value


def terminal(value: bool | str) -> bool | str:
    """Return whether a service has a terminal of its own, or the path of one."""
    if isinstance(value, str) and not value.startswith("/dev/"):
        raise BadValueError
    return value


def environment_file(value: str) -> str:
    """Return the path of an environment file, with the "-" before it that makes it optional."""
    if not value.removeprefix("-"):
        raise BadValueError("is empty")
    return value


def control_read(value: str) -> str:
    """Return who may read over the control socket: "owner", "all" or "group:NAME"."""
    if value not in ("owner", "all"):
        kind, colon, name = value.partition(":")
        if kind != "group" or not colon:
            guess = close_to(value, ("owner", "all"))
            raise BadValueError(suggestion=f'"{guess}"' if guess else "")
        account(name)
    return value
