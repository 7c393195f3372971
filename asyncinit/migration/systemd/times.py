"""How systemd writes spans of time and sizes, as asyncinit writes them; knows no directive (systemd.time(7))."""

from __future__ import annotations

import re

from asyncinit.config.values import LONGEST, format_duration, format_size
from asyncinit.migration.systemd.words import Untranslatable

_UNITS = {
    **dict.fromkeys(("usec", "us", "µs", "μs"), 1e-6),
    **dict.fromkeys(("msec", "ms"), 1e-3),
    **dict.fromkeys(("", "seconds", "second", "sec", "s"), 1.0),
    **dict.fromkeys(("minutes", "minute", "min", "m"), 60.0),
    **dict.fromkeys(("hours", "hour", "hr", "h"), 3600.0),
    **dict.fromkeys(("days", "day", "d"), 86400.0),
    **dict.fromkeys(("weeks", "week", "w"), 7 * 86400.0),
    **dict.fromkeys(("months", "month", "M"), 30.44 * 86400.0),
    **dict.fromkeys(("years", "year", "y"), 365.25 * 86400.0),
}
_SPAN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Zµμ]*)")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGTPE]?)B?")


def seconds(text: str) -> float | None:
    """Return the seconds of a span, None for infinity. Raises Untranslatable."""
    if text.strip() == "infinity":
        return None
    total, position = 0.0, 0
    while position < len(text):
        match = _SPAN.match(text, position)
        if match is None or match[2] not in _UNITS:
            raise Untranslatable("is no span of time")
        total += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if not text.strip():
        raise Untranslatable("is no span of time")
    return round(total, 6)


def duration(text: str) -> str:
    """Return a span as a duration of asyncinit, "none" for infinity. Raises Untranslatable."""
    found = seconds(text)
    return "none" if found is None or found > LONGEST else format_duration(found)


def finite(text: str) -> str:
    """Return a span that ends. Raises Untranslatable."""
    found = duration(text)
    if found == "none":
        raise Untranslatable("a time without an end is not possible here")
    return found


def size(text: str) -> str | int:
    """Return a size as asyncinit writes it, "none" for infinity. Raises Untranslatable."""
    if text == "infinity":
        return "none"
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Untranslatable("is no size")
    return format_size(int(float(match[1]) * 1024 ** " KMGTPE".index(match[2] or " ")))
