"""`asyncinit timers --explain CRON`: what an expression means, and when; asks no server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime

from asyncinit.cli.outcome import UsageError
from asyncinit.config import times
from asyncinit.config.calendar import slot_after, zone_of
from asyncinit.config.spec import five_fields
from asyncinit.config.values import BadValueError

MOMENTS = 5
"""How many of the next moments are shown."""


def explain(expression: str, zone_name: str | None) -> int:
    """Print an expression in words and its next moments, by the clocks of a zone."""
    from cronsim import CronSim

    cron = _accepted("--explain", "a cron expression", expression, times.cron)
    name = None if zone_name is None else _accepted("--time-zone", "a time zone", zone_name, times.time_zone)
    zone = zone_of(name, os.environ)
    print(CronSim(five_fields(cron), datetime.now(zone)).explain())
    moment: float | None = time.time()
    for _ in range(MOMENTS):
        moment = slot_after(cron, zone, moment) if moment is not None else None
        if moment is not None:
            print(datetime.fromtimestamp(moment, zone).strftime("%a %Y-%m-%d %H:%M:%S %Z").rstrip())
    return 0


def _accepted(option: str, what: str, text: str, check: Callable[[str], str]) -> str:
    try:
        return check(text)
    except BadValueError as error:
        details = [error.problem or f"is not {what}", error.expected and f"expected {error.expected}"]
        hint = f"; did you mean {error.suggestion}?" if error.suggestion else ""
        raise UsageError(f"{option} {text}: {', '.join(filter(None, details))}{hint}") from None
