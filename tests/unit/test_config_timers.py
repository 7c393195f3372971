"""[timer]: what its keys come to, what is told where they are wrong, and where it is shown again."""
# ruff: noqa: E501 - what is told stands on one line, as it is shown

from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest

from asyncinit.config.load import load, read
from asyncinit.config.show import show
from asyncinit.config.spec import Overlap, Timer
from asyncinit.core import at_start
from tests.unit.config_world import NOWHERE, problems_of, service, write

COMMAND = 'command = "x"\n'


def test_every_key_reaches_the_specification(tmp_path: Path) -> None:
    """A table that uses all keys gives a timer that has all of them."""
    text = """
    [timer]
    cron = ["30  3 * * *", "@daily", "30 3 * * *"]
    time_zone = "Europe/Berlin"
    every = "10m"
    after_boot = 0
    random_delay = "5m"
    persistent = true
    overlap = "queue"
    at_start = true
    """
    found = service(tmp_path, COMMAND + text).timer
    assert found == Timer(
        cron=("30 3 * * *", "@daily"),
        time_zone="Europe/Berlin",
        every=600,
        after_boot=0,
        random_delay=300,
        persistent=True,
        overlap=Overlap.QUEUE,
        at_start=True,
    )


def test_what_is_shown_reads_back_the_same(tmp_path: Path) -> None:
    """`show` writes a [timer] that means the same, and none where there is none."""
    for text in ('cron = "@daily"', "every = 0.25\npersistent = true", 'after_boot = "0s"\noverlap = "restart"'):
        folder = tmp_path / text[:5]
        write(folder, {"s/web.toml": f"{COMMAND}[timer]\n{text}", "s/db.toml": COMMAND})
        first = load(None, [str(folder / "s")], root=NOWHERE)
        assert "timer" not in show(first, "db")
        write(folder, {"t/web.toml": show(first, "web")})
        again = load(None, [str(folder / "t")], root=NOWHERE)
        assert again.services["web"].timer == first.services["web"].timer


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[timer]", ["2: timer: says nowhere when (expected one of cron, every, after_boot)"]),
        ('[timer]\ncron = "61 * * * *"', ['3: timer.cron: has a minute that cannot be (found "61 * * * *", expected minutes are 0 to 59)']),
        ('[timer]\ncron = ["* * * * *", "0 0 30 2 *"]', ['3: timer.cron[1]: has a day-of-month that cannot be (found "0 0 30 2 *", expected days of the month are 1 to 31, or "L" for the last)']),
        ('[timer]\ncron = "every night"', ['3: timer.cron: found "every night", expected a cron expression of five fields such as "30 3 * * *", or "@daily"']),
        ('[timer]\ncron = "0 * * * * *"', ['3: timer.cron: has six fields: there are none for seconds; `every` does what is due more often (found "0 * * * * *")']),
        ('[timer]\ncron = "@reboot"', ['3: timer.cron: is no moment of the clock (found "@reboot"); did you mean after_boot = "0s"?']),
        ('[timer]\ncron = "@dayly"', ['3: timer.cron: found "@dayly", expected one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly; did you mean "@daily"?']),
        ('[timer]\ncron = "@daily"\ntime_zone = "Europe/Berln"', ['4: timer.time_zone: is not a time zone (found "Europe/Berln"); did you mean "Europe/Berlin"?']),
        ('[timer]\ncron = "@daily"\ntime_zone = "../passwd"', ['4: timer.time_zone: is not a time zone (found "../passwd")']),
        ('[timer]\ncron = "@daily"\ntime_zone = "Berlin"', ['4: timer.time_zone: is not a time zone (found "Berlin"); did you mean "Europe/Berlin"?']),
        ("[timer]\nevery = 0", ["3: timer.every: cannot be zero here (found 0)"]),
        ('[timer]\nafter_boot = 1\ntime_zone = "UTC"\npersistent = true', [
            "4: timer.time_zone: has no effect without cron: intervals are the same everywhere",
            "5: timer.persistent: has no effect without cron or every",
        ]),
        ("essential = true\n[timer]\nevery = 1", ["3: timer: cannot be used here: an essential service's first end would be the end of all"]),
        ('cron = "@daily"', ["2: cron: is not a known key; did you mean [timer] cron?"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: list[str]) -> None:
    """Each mistake with its line, what was found, what was expected."""
    assert problems_of(tmp_path, COMMAND + text) == told


def test_huge_numbers_are_no_crash(tmp_path: Path) -> None:
    """An expression of any length and any digits is refused like any other."""
    for text in ("9" * 150 + " * * * *", "9" * 5000 + " * * * *", "1/1/1/1 * * * *", ", * * * *", "² * * * *"):
        assert len(problems_of(tmp_path, f'{COMMAND}[timer]\ncron = "{text}"')) == 1


def test_a_machine_without_time_zones_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a slim image every zone is unknown: the problem says what to install."""
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    monkeypatch.setattr(zoneinfo, "ZoneInfo", _no_zone)
    monkeypatch.setattr(zoneinfo, "available_timezones", set[str])
    text = f'{COMMAND}[timer]\ncron = "@daily"\ntime_zone = "Europe/Berlin"'
    (problem,) = problems_of(tmp_path, text)
    assert "install tzdata" in problem


def _no_zone(name: str) -> object:
    raise zoneinfo.ZoneInfoNotFoundError(name)


def test_a_target_has_no_timer(tmp_path: Path) -> None:
    """A target has no process that could be started."""
    (problem,) = problems_of(tmp_path, 'type = "target"\n[timer]\nevery = 1')
    assert "cannot be used here: a target" in problem


def test_defaults_are_for_those_that_have_a_timer(tmp_path: Path) -> None:
    """[defaults] timer makes no timer by itself, and is below the service's own keys."""
    files = {
        "asyncinit.toml": '[defaults.timer]\ntime_zone = "Asia/Tokyo"\nrandom_delay = "1m"\n',
        "services.d/a.toml": COMMAND,
        "services.d/b.toml": f'{COMMAND}[timer]\ncron = "@daily"\nrandom_delay = 0',
    }
    write(tmp_path, files)
    loaded = read(str(tmp_path / "asyncinit.toml"), root=NOWHERE)
    assert not loaded.errors
    services = loaded.configuration.services
    assert services["a"].timer is None
    assert services["b"].timer == Timer(cron=("@daily",), time_zone="Asia/Tokyo")


def test_what_is_armed_and_what_is_started(tmp_path: Path) -> None:
    """Of what is enabled or named in [init] start, timers are armed in place of a start; at_start is both."""
    timer = "[timer]\nevery = 1"
    files = {
        "web": COMMAND,
        "job": COMMAND + timer,
        "both": f"{COMMAND}{timer}\nat_start = true",
        "off": f"enabled = false\n{COMMAND}{timer}",
        "asked": f"on_demand = true\n{COMMAND}{timer}\n[[sockets]]\nunix = '/run/x.sock'",
    }
    write(tmp_path, {f"services.d/{name}.toml": text for name, text in files.items()})
    for start, started, armed in (
        ("", ["asked", "both", "web"], ["asked", "both", "job"]),
        ('start = ["off", "web"]', ["web"], ["off"]),
    ):
        write(tmp_path, {"asyncinit.toml": f"[init]\n{start}\n"})
        configuration = load(str(tmp_path / "asyncinit.toml"), root=NOWHERE)
        assert sorted(at_start.started(configuration)) == started
        assert sorted(at_start.armed(configuration)) == armed
