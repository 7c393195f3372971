"""Slots of cron expressions in a time zone: the calendar's arithmetic; knows no clock and no service.

The library for cron expressions does the counting. A moment that does not exist (clocks are put forward over it) comes
right after the gap, one that comes twice (they are put back) counts the first time. Expressions whose minute or hour
begins with a star follow the time as it passes: not in the gap, and twice in an hour that comes twice.
"""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim

from asyncinit.config.spec import five_fields, names_moments

_LOCAL = "/etc/localtime"
# Farther away than this nothing is looked for: the library gives up after 50 years.
_LAST = datetime(9900, 1, 1, tzinfo=UTC).timestamp()
# Nowhere were clocks changed and changed back within so many seconds.
_STEP = 86400


def slot_after(expression: str, zone: tzinfo, moment: float) -> float | None:
    """Return the first slot of an expression in `zone` after `moment` (wall), None if there is none."""
    moment = min(max(moment, 0.0), _LAST)
    fields = five_fields(expression)
    return _named(fields, zone, moment) if names_moments(expression) else _passing(fields, zone, moment)


def _named(fields: str, zone: tzinfo, moment: float) -> float | None:
    # The library goes by what clocks show: where they were put back, its first slot may lie before the moment.
    for slot in CronSim(fields, datetime.fromtimestamp(moment, zone)):
        found = slot.timestamp()
        if found > moment:
            return found
    return None


def _passing(fields: str, zone: tzinfo, moment: float) -> float | None:
    """Let the library count as if clocks were never changed, from one change to the next."""
    while True:
        offset = _offset(zone, moment)
        slot = next(CronSim(fields, datetime.fromtimestamp(moment + offset, UTC)), None)
        if slot is None:
            return None
        found = slot.timestamp() - offset
        change = _next_change(zone, moment, found)
        if change is None:
            return found
        if _shows(fields, change + _offset(zone, change)):
            return change
        moment = change


def _shows(fields: str, local: float) -> bool:
    """Tell whether clocks that show `local` show a slot."""
    slot = next(CronSim(fields, datetime.fromtimestamp(local - 1, UTC)), None)
    return slot is not None and slot.timestamp() == local


def _offset(zone: tzinfo, moment: float) -> float:
    offset = datetime.fromtimestamp(moment, zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


def _next_change(zone: tzinfo, moment: float, until: float) -> float | None:
    """Return the first moment after `moment`, at most `until`, at which the zone's clocks are changed."""
    before = _offset(zone, moment)
    low = math.floor(moment)
    while low < until:
        high = min(low + _STEP, math.ceil(until))
        if _offset(zone, high) != before:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            return float(high)
        low = high
    return None


def zone_of(name: str | None, environment: Mapping[str, str]) -> tzinfo:
    """Return the time zone of this name, or (None) the system's own; raises OSError or LookupError where it is unknown.

    The system's own is what the C library takes for it: TZ, a name or a POSIX rule, else /etc/localtime, else UTC.
    """
    if name is not None:
        return ZoneInfo(name)
    named = environment.get("TZ", "").removeprefix(":")
    if not named:
        return _from_file(_LOCAL)
    if named.startswith("/"):
        return _from_file(named)
    try:
        return ZoneInfo(named)
    except (KeyError, ValueError, OSError):
        return _from_rule(named)


def _from_file(path: str) -> tzinfo:
    try:
        with open(path, "rb") as file:
            return ZoneInfo.from_file(file, key=_name_of(path))
    except (OSError, ValueError):
        return UTC


def _name_of(path: str) -> str | None:
    """Return the zone's name, which is not in the file: by convention the path is a link to one that has it."""
    name = os.path.realpath(path).partition("/zoneinfo/")[2]
    return name or None


def _from_rule(rule: str) -> tzinfo:
    """Return the zone of a POSIX rule ("CET-1CEST,M3.5.0,M10.5.0/3"): a file (RFC 8536) that has it as its footer."""
    header = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 1)
    body = struct.pack(">lBBs", 0, 0, 0, b"\0")
    data = header + body + header + body + b"\n" + rule.encode("ascii", "replace") + b"\n"
    try:
        return ZoneInfo.from_file(io.BytesIO(data), key=rule)
    except ValueError:
        return UTC
