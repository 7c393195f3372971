"""Slots of cron expressions where clocks are put forward and back, against what the clocks of the place show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asyncinit.config.calendar import slot_after, zone_of
from asyncinit.config.spec import SHORT_FORMS, five_fields, names_moments


def slots(expression: str, zone: tzinfo, since: datetime, until: datetime) -> list[str]:
    """Every slot after `since` until `until`, as clocks in the zone show them, with their offset."""
    found = []
    moment: float | None = since.timestamp()
    while moment is not None and (moment := slot_after(expression, zone, moment)) is not None:
        if moment > until.timestamp():
            break
        found.append(datetime.fromtimestamp(moment, zone).isoformat())
    return found


def day(expression: str, name: str, date: str, days: int = 1) -> list[str]:
    """Every slot of a day (or more) in a zone."""
    zone = ZoneInfo(name)
    begin = datetime.fromisoformat(date).replace(tzinfo=zone)
    end = (datetime.fromisoformat(date) + timedelta(days=days)).replace(tzinfo=zone)
    return slots(expression, zone, begin - timedelta(seconds=1), end - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("expression", "zone", "date", "expected"),
    [
        # Berlin, 2026-03-29: 2:00 becomes 3:00.
        ("30 2 * * *", "Europe/Berlin", "2026-03-29", ["2026-03-29T03:00:00+02:00"]),
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-29", ["2026-03-29T03:00:00+02:00"]),
        ("30 3 * * *", "Europe/Berlin", "2026-03-29", ["2026-03-29T03:30:00+02:00"]),
        ("*/30 1-3 * * *", "Europe/Berlin", "2026-03-29", [
            "2026-03-29T01:00:00+01:00", "2026-03-29T01:30:00+01:00",
            "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00",
        ]),
        ("*/10 2 * * *", "Europe/Berlin", "2026-03-29", []),
        # Berlin, 2026-10-25: 3:00 becomes 2:00.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25", ["2026-10-25T02:30:00+02:00"]),
        ("0 3 * * *", "Europe/Berlin", "2026-10-25", ["2026-10-25T03:00:00+01:00"]),
        ("*/30 2 * * *", "Europe/Berlin", "2026-10-25", [
            "2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00",
        ]),
        # New York, 2026-03-08 and 2026-11-01.
        ("15 2 * * *", "America/New_York", "2026-03-08", ["2026-03-08T03:00:00-04:00"]),
        ("15 1 * * *", "America/New_York", "2026-11-01", ["2026-11-01T01:15:00-04:00"]),
        # Lord Howe changes by half an hour: 2026-10-04 2:00 becomes 2:30, 2026-04-05 2:00 becomes 1:30.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["2026-10-04T02:30:00+11:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", ["2026-04-05T01:45:00+11:00"]),
        ("0 2 * * *", "Australia/Lord_Howe", "2026-04-05", ["2026-04-05T02:00:00+10:30"]),
        ("45 * * * *", "Australia/Lord_Howe", "2026-04-05", [
            "2026-04-05T00:45:00+11:00", "2026-04-05T01:45:00+11:00", "2026-04-05T01:45:00+10:30",
            *(f"2026-04-05T{hour:02d}:45:00+10:30" for hour in range(2, 24)),
        ]),
        # Santiago puts its clocks forward at midnight: 2026-09-06 begins at 1:00.
        ("0 0 * * *", "America/Santiago", "2026-09-06", ["2026-09-06T01:00:00-03:00"]),
    ],
)  # fmt: skip
def test_slots_on_the_day_of_a_change(expression: str, zone: str, date: str, expected: list[str]) -> None:
    """What does not exist runs right after the gap, what exists twice the first time; with a star time just passes."""
    assert day(expression, zone, date) == expected


def test_a_day_that_was_left_out() -> None:
    """Apia had no 2011-12-30: what was due then comes at the first moment of the next day."""
    expected = ["2011-12-29T03:30:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T03:30:00+14:00"]
    assert day("30 3 * * *", "Pacific/Apia", "2011-12-29", days=3) == expected


def test_short_forms() -> None:
    """Each is accepted by the library, whatever the case, and "@daily" means midnight."""
    for name in SHORT_FORMS:
        assert next(CronSim(five_fields(name.upper()), datetime(2026, 1, 1, tzinfo=UTC)))
    assert day("@daily", "Europe/Berlin", "2026-06-01") == ["2026-06-01T00:00:00+02:00"]


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("30 3 * * *", True),
        ("0,30 1-5/2 * * *", True),
        ("@daily", True),
        ("@hourly", False),
        ("*/5 3 * * *", False),
        ("0 */2 * * *", False),
    ],
)
def test_which_expressions_name_moments(expression: str, named: bool) -> None:
    """A star at the beginning of the minute or the hour makes an interval of it, as in Debian's cron."""
    assert names_moments(expression) is named


_FIELD = [
    st.sampled_from(["*", "*/7", "0", "30", "15,45", "10-20/5"]),
    st.sampled_from(["*", "*/2", "0", "2", "1-3", "3,23"]),
    st.sampled_from(["*", "*", "1", "25-31", "*/3", "L"]),
    st.sampled_from(["*", "*", "3,10", "4-9"]),
    st.sampled_from(["*", "*", "0", "MON-FRI", "7"]),
]
_EXPRESSIONS = st.tuples(*_FIELD).map(" ".join)
_ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"]
)


@settings(max_examples=150)
@given(_EXPRESSIONS, _ZONES, st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))
@example("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 25, 0, 30))
@example("0 0 * * 0", "America/Santiago", datetime(2026, 9, 6, 3, 59, 59, 999999))
def test_the_next_slot_is_the_next(expression: str, name: str, start: datetime) -> None:
    """It is later than the moment, is what clocks show or the end of a gap, and none was left out before it."""
    zone = ZoneInfo(name)
    moment = start.replace(tzinfo=UTC).timestamp()
    found = slot_after(expression, zone, moment)
    assert found is not None and found > moment
    local = datetime.fromtimestamp(found, zone)
    assert _shown(expression, local) or _ends_a_gap(local)
    # From a little before the same slot is found: what comes between does not depend on where one begins to look.
    assert slot_after(expression, zone, found - 0.001) == found
    for earlier in (1, 3600, 86400):
        if found - earlier < moment:
            assert slot_after(expression, zone, max(moment, found - earlier)) == found


def _shown(expression: str, local: datetime) -> bool:
    """Tell whether a clock that shows this is meant by the expression."""
    naive = local.replace(tzinfo=None)
    return next(CronSim(expression, naive - timedelta(seconds=1))) == naive


def _ends_a_gap(local: datetime) -> bool:
    """Tell whether clocks were put forward right before this."""
    before = datetime.fromtimestamp(local.timestamp() - 1, local.tzinfo)
    return local.replace(tzinfo=None) - before.replace(tzinfo=None) > timedelta(seconds=1)


def test_the_systems_own_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """TZ is a name, a path or a rule, as the C library takes it; what is none of these is UTC."""
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    for text, hours in [
        ("Europe/Berlin", 2),
        (":Europe/Berlin", 2),
        ("/usr/share/zoneinfo/Europe/Berlin", 2),
        ("CET-1CEST,M3.5.0,M10.5.0/3", 2),
        ("XYZ3", -3),
        ("/nonexistent", 0),
        ("no zone", 0),
    ]:
        assert summer.astimezone(zone_of(None, {"TZ": text})).utcoffset() == timedelta(hours=hours), text
    assert str(zone_of("Asia/Tokyo", {"TZ": "UTC"})) == "Asia/Tokyo"
    with pytest.raises(LookupError):
        zone_of("Mars/Olympus", {})
