"""OnCalendar= as cron expressions, where these can say it; knows no directive (systemd.time(7))."""

from __future__ import annotations

import re

from asyncinit.migration.systemd.words import Untranslatable

_SHORT = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "monthly": "0 0 1 * *",
    "weekly": "0 0 * * MON",
    "yearly": "0 0 1 1 *",
    "annually": "0 0 1 1 *",
    "quarterly": "0 0 1 1,4,7,10 *",
    "semiannually": "0 0 1 1,7 *",
}
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DATE = re.compile(r"(?:(?P<year>[^-\s:]+)-)?(?P<month>[^-\s:~]+)(?P<sign>[-~])(?P<day>[^-\s:]+)")
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z_]*(?:/[A-Za-z0-9_+-]+)+")


def cron(text: str) -> tuple[str, str | None, str]:
    """Return a calendar event as a cron expression, with its time zone, and what is not quite the same ("": nothing).

    Raises Untranslatable for what cron cannot say.
    """
    words = text.split()
    zone = words.pop() if len(words) > 1 and _ZONE.fullmatch(words[-1]) else None
    if len(words) == 1 and words[0].lower() in _SHORT:
        return _SHORT[words[0].lower()], zone, ""
    weekdays, month, day, hour, minute, second = "*", "*", "*", "0", "0", "0"
    if words and words[0][:1].isalpha():
        weekdays = _weekdays(words.pop(0))
    if words and ":" not in words[0] and (match := _DATE.fullmatch(words[0])):
        month, day = _date(match)
        words.pop(0)
    if words:
        hour, minute, second = _time(words.pop(0))
    if words:
        raise Untranslatable("is no calendar event that is known")
    if day != "*" and weekdays != "*":
        raise Untranslatable("cron takes either the day of the month or the weekday, and not both together")
    note = "" if second in ("0", "00") else "at the full minute: cron knows no seconds"
    if note and not second.isdigit():
        raise Untranslatable("cron knows no seconds; `every` does what is due more often")
    return " ".join((minute, hour, day, month, weekdays)), zone, note


def _weekdays(text: str) -> str:
    parts = []
    for part in filter(None, text.rstrip(",").split(",")):
        first, dots, last = part.partition("..")
        if not dots and "-" in part:
            first, dots, last = part.partition("-")
        names = [_weekday(name) for name in (first, *([last] if dots else []))]
        if len(names) == 2 and _DAYS.index(names[0]) > _DAYS.index(names[1]):
            raise Untranslatable("a range of weekdays over the end of the week is not possible: list them")
        if names[-1:] == ["SUN"] and len(names) == 2:  # in cron the week begins with Sunday
            names = ["*"] if names[0] == "MON" else list(_DAYS[_DAYS.index(names[0]) :])
            parts += names
        else:
            parts.append("-".join(names))
    return "*" if "*" in parts else ",".join(parts)


def _weekday(text: str) -> str:
    short = text[:3].upper()
    if short not in _DAYS:
        raise Untranslatable("is no calendar event that is known")
    return short


def _date(match: re.Match[str]) -> tuple[str, str]:
    if match["year"] not in (None, "*"):
        raise Untranslatable("a year is not possible: cron knows none")
    month = _field(match["month"], 1, 12)
    if match["sign"] == "~":
        if match["day"] not in ("1", "01"):
            raise Untranslatable("days are counted from the end of the month for the last one alone")
        return month, "L"
    return month, _field(match["day"], 1, 31)


def _time(text: str) -> tuple[str, str, str]:
    parts = text.split(":")
    if not 2 <= len(parts) <= 3:
        raise Untranslatable("is no time of day")
    hour, minute = _field(parts[0], 0, 23), _field(parts[1], 0, 59)
    second = "0" if len(parts) == 2 else _field(parts[2].partition(".")[0], 0, 59)
    return hour, minute, second


def _field(text: str, low: int, high: int) -> str:
    """Return a list of values, ranges and steps as cron writes it."""
    return ",".join(_part(part, low, high) for part in text.split(","))


def _part(text: str, low: int, high: int) -> str:
    values, slash, step = text.partition("/")
    first, dots, last = values.partition("..")
    if values == "*":
        found = "*"
    elif dots:
        found = f"{_number(first, low, high)}-{_number(last, low, high)}"
    else:
        found = _number(first, low, high) + (f"-{high}" if slash else "")
    if not slash:
        return found
    if not step.isdecimal() or not int(step):
        raise Untranslatable("has a step that is no number")
    if found == f"{low}-{high}":
        found = "*"
    return f"{found}/{int(step)}"


def _number(text: str, low: int, high: int) -> str:
    if not text.isdecimal() or len(text) > 4 or not low <= int(text) <= high:
        raise Untranslatable("is no calendar event that is known")
    return str(int(text))
