"""How moments are written: cron expressions and time zones. Knows no key; reads the system's list of zones.

The libraries for both are imported where one is declared: most configurations have neither.
"""

from __future__ import annotations

from asyncinit.config.problems import quoted
from asyncinit.config.spec import SHORT_FORMS, five_fields
from asyncinit.config.values import BadValueError, close_to, meant_duration

_LONGEST = 200
_RANGES = {
    "minute": "minutes are 0 to 59",
    "hour": "hours are 0 to 23",
    "day-of-month": 'days of the month are 1 to 31, or "L" for the last',
    "month": "months are 1 to 12, or JAN to DEC",
    "day-of-week": "days of the week are 0 (or 7, Sunday) to 6, or SUN to SAT",
}


def cron(text: str) -> str:
    """Return a cron expression that has a moment to come."""
    words = text.split()
    if len(text) > _LONGEST:
        raise BadValueError("is longer than any expression has to be")
    if text.strip().lower() == "@reboot":
        raise BadValueError("is no moment of the clock", suggestion='after_boot = "0s"')
    if text.startswith("@") and text.lower() not in SHORT_FORMS:
        guess = close_to(text, SHORT_FORMS)
        expected = "one of " + ", ".join(SHORT_FORMS)
        raise BadValueError(expected=expected, suggestion=quoted(guess) if guess else "")
    if len(words) == 6:
        raise BadValueError("has six fields: there are none for seconds; `every` does what is due more often")
    if not text.startswith("@") and len(words) != 5:
        raise BadValueError(suggestion=_meant(words))
    _try(five_fields(text))
    return " ".join(words)


def _meant(words: list[str]) -> str:
    """Return what was probably meant by words that are no expression: "daily", "every 5 minutes"."""
    text = " ".join(words).casefold()
    if f"@{text}" in SHORT_FORMS:
        return quoted(f"@{text}")
    for start in ("every ", "@every "):
        if text.startswith(start) and (length := meant_duration(text.removeprefix(start))):
            return f"every = {length}"
    return ""


def _try(expression: str) -> None:
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    try:
        # Every leap year and every weekday of each date are in the 50 years that are looked through.
        found = next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)), None)
    except (CronSimError, ValueError) as error:  # ValueError: a number of thousands of digits
        field = str(error).removeprefix("Bad ")
        problem = f"has a {field} that cannot be" if field in _RANGES else ""
        raise BadValueError(problem, expected=_RANGES.get(field, "")) from None
    if found is None:
        raise BadValueError("names a moment that never comes")


def time_zone(name: str) -> str:
    """Return the name of a time zone that is known here."""
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there; no such name can be; a folder
        known = available_timezones()
        if not known:
            raise BadValueError("cannot be looked up: no time zones are installed here; install tzdata") from None
        guess = next((zone for zone in sorted(known) if zone.endswith(f"/{name}")), "") or close_to(name, known)
        raise BadValueError("is not a time zone", suggestion=quoted(guess) if guess else "") from None
    return name
