"""`asyncinit timers`, as a process: the table, JSON, names, and the explanation of an expression."""

from __future__ import annotations

import json
import re
import subprocess
import time

import pytest

from asyncinit.cli.timers import ahead
from asyncinit.control.types import TimerStatus, timestamp
from asyncinit.core.status import State
from tests.fake_operations import Running
from tests.linux.test_cli import COMMAND, asyncinit, environment, running  # noqa: F401 - a fixture
from tests.linux.test_cli import service as service_status


def timer(name: str, **changes: object) -> TimerStatus:
    values: dict[str, object] = {
        "name": name,
        "armed": True,
        "schedule": ["every 10 min"],
        "next": timestamp(time.time() + 3 * 86400 + 9000),
        "last": None,
        "result": None,
        "skipped": 0,
    }
    return TimerStatus(**(values | changes))  # type: ignore[arg-type]


def given(running: Running) -> None:  # noqa: F811
    running.operations.timers_given = [
        timer("db", armed=False, next=None),
        timer("web", skipped=3, last=timestamp(time.time()), result="failed: exited with \x1b[31m1"),
        timer("web2", next=timestamp(time.time() + 30.4), schedule=["30 3 * * * Europe/Berlin", "every 1 h"]),
    ]


def test_the_table(running: Running) -> None:  # noqa: F811
    """What comes first is at the top, what is not armed at the end; no control character gets through."""
    given(running)
    done = asyncinit(running, "timers")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["NAME", "web2", "web", "db"]
    assert re.search(r"  \d{1,2}s  ", rows[1])
    assert rows[1].endswith("30 3 * * * Europe/Berlin; every 1 h")
    assert "3d 2h" in rows[2]
    assert rows[2].endswith("failed: exited with  [31m1  every 10 min (3 left out)")
    assert "not armed" in rows[3]


def test_names_and_json(running: Running) -> None:  # noqa: F811
    """Names, patterns, and the wire's own words as JSON; what has no timer, or is not there, is told."""
    given(running)
    found = json.loads(asyncinit(running, "timers", "--json", "web*").stdout)["timers"]
    assert [one["name"] for one in found] == ["web", "web2"]
    assert set(found[0]) == set(TimerStatus.__struct_fields__)
    assert asyncinit(running, "timers", "web2").stdout.count("\n") == 2
    assert asyncinit(running, "timers", "nobody").returncode == 3
    running.operations.services_by_name["x"] = service_status("x", State.READY)
    done = asyncinit(running, "timers", "x")
    assert (done.returncode, done.stderr) == (1, "asyncinit: x has no timer\n")
    running.operations.timers_given = []
    assert asyncinit(running, "timers").stdout == "no timers\n"


def explain(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "timers", *words],
        env=environment("/nonexistent", TZ="America/New_York"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_expression_is_explained() -> None:
    """In words, with its next moments by the clocks of the zone; no asyncinit has to run."""
    done = explain("--explain", "30 3 * * MON", "--time-zone", "Asia/Tokyo")
    assert done.returncode == 0, done.stderr
    words, *moments = done.stdout.splitlines()
    assert "03:30" in words and "Monday" in words
    assert len(moments) == 5
    assert all(line.startswith("Mon ") and line.endswith("03:30:00 JST") for line in moments)
    assert "00:00:00 E" in explain("--explain", "@daily").stdout, "without a zone, the system's"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--explain", "x"), "is not a cron expression"),
        (("--explain", "30 25 * * *"), "hours are 0 to 23"),
        (("--explain", "@dayly"), 'did you mean "@daily"?'),
        (("--explain", "@daily", "--time-zone", "Mars"), "is not a time zone"),
        (("--explain", "@daily", "web"), "takes neither names"),
        (("--time-zone", "UTC"), "is for --explain"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(words: tuple[str, ...], told: str) -> None:
    """With a line that says what was expected."""
    done = explain(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0.4, "0s"), (59.6, "1m"), (61, "1m 1s"), (3600, "1h"), (3661, "1h 1m"), (90061, "1d 1h")],
)
def test_how_long_until(seconds: float, text: str) -> None:
    """Its two largest units."""
    assert ahead(seconds) == text
