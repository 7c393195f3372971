"""When a service is started by itself, resolved; and how cron expressions are written. Knows no clock and no zone."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

SHORT_FORMS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""Names that stand for a whole cron expression."""


class Overlap(StrEnum):
    """What becomes of a run that is due while the last one is still going on."""

    SKIP = "skip"
    QUEUE = "queue"
    RESTART = "restart"


class Timer(Struct, frozen=True):
    """The [timer] section.

    `cron` are expressions as they were written, in `time_zone` (None: the system's own). `every`, `after_boot` and
    `random_delay` are seconds, None where they are not given.
    """

    cron: tuple[str, ...] = ()
    time_zone: str | None = None
    every: float | None = None
    after_boot: float | None = None
    random_delay: float = 0.0
    persistent: bool = False
    overlap: Overlap = Overlap.SKIP
    at_start: bool = False


def five_fields(expression: str) -> str:
    """Return a cron expression in full: what a short form such as "@daily" stands for, anything else as it is."""
    return SHORT_FORMS.get(expression.lower(), expression)


def names_moments(expression: str) -> bool:
    """Tell whether an expression names moments of the day, and is no interval in disguise ("*/5 * * * *").

    As in Debian's cron, by the first character of the minute and of the hour: such jobs run once for each moment that
    they name, however the clock is set around it.
    """
    minute, hour = five_fields(expression).split()[:2]
    return not minute.startswith("*") and not hour.startswith("*")
