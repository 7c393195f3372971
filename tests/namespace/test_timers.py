"""Timers, as real PID 1 on both loops: what runs when, with a clock that is set, and over the end of asyncinit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from asyncinit.cli.screen import seconds_of
from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import PROGRAMS, PYTHON, ROOT, wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)
JOB = 'type = "oneshot"\nshell = true\ncommand = "echo $TRIGGER_TIMER_REALTIME_USEC"\n'


class Clock:
    """The wall clock of an asyncinit that runs `settable_clock`."""

    def __init__(self, folder: Path, start: datetime) -> None:
        self.path = folder / "clock"
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self.set(start)

    def set(self, moment: datetime) -> None:
        self._offset = moment.timestamp() - time.time()
        os.write(self._fd, f"{self._offset}\n".encode())

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self._offset, UTC)

    def close(self) -> None:
        os.close(self._fd)


@contextmanager
def clockwork(folder: Path, kind: str, start: datetime, services: dict[str, str]) -> Iterator[tuple[Init, Clock]]:
    """Run services under a clock that shows `start`."""
    clock = Clock(folder, start)
    program = (str(PROGRAMS / "settable_clock.py"),)
    environment = {"SETTABLE_CLOCK": str(clock.path)}
    try:
        with Init(folder, services, loop=kind, program=program, environment=environment) as init:
            yield init, clock
    finally:
        clock.close()


def timers(init: Init) -> dict[str, dict[str, Any]]:
    """What `asyncinit timers` tells, by service; nothing while it does not answer."""
    done = init.call("timers", "--json")
    return {one["name"]: one for one in json.loads(done.stdout)["timers"]} if done.returncode == 0 else {}


def runs(init: Init, name: str) -> list[datetime]:
    """When the timer of a job elapsed each time, by its own words."""
    return [datetime.fromtimestamp(int(line) / 1e6, UTC) for line in init.lines(name)]


def next_is(init: Init, name: str, moment: datetime) -> bool:
    following = timers(init).get(name, {}).get("next")
    return following is not None and seconds_of(following) == moment.timestamp()


@on_both_loops
def test_the_wall_clock_set_back_one_hour(tmp_path: Path, kind: str) -> None:
    """The night's job has run and does not run again; what counts minutes goes on at once; intervals do not notice."""
    services = {
        "nightly": f'{JOB}[timer]\ncron = "30 3 * * *"\ntime_zone = "Europe/Berlin"\n',
        "minutely": f'{JOB}[timer]\ncron = "* * * * *"\n',
        "poll": f'{JOB}[timer]\nevery = "500ms"\n',
    }
    due = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)  # half past three in Berlin
    with clockwork(tmp_path, kind, due - timedelta(hours=5), services) as (init, clock):
        wait_until(lambda: next_is(init, "nightly", due))
        clock.set(due - timedelta(seconds=1))
        wait_until(lambda: len(runs(init, "nightly")) == 1 and len(runs(init, "minutely")) >= 2)
        minutes, polled = len(runs(init, "minutely")), len(runs(init, "poll"))
        clock.set(clock.now() - timedelta(hours=1))
        wait_until(lambda: next_is(init, "nightly", due + timedelta(days=1)))
        assert next_is(init, "minutely", due - timedelta(minutes=59)), "by the new time"
        clock.set(due - timedelta(seconds=1))
        wait_until(lambda: len(runs(init, "minutely")) >= minutes + 2)  # it was late, and half past three came again
        wait_until(lambda: len(runs(init, "poll")) > polled + 3)
        assert len(runs(init, "nightly")) == 1
        clock.set(due + timedelta(days=1, seconds=-1))
        wait_until(lambda: len(runs(init, "nightly")) == 2)
        first, second = runs(init, "nightly")
        assert first >= due
        assert second >= due + timedelta(days=1)
        assert all(state != "failed" for _, state in init.states())
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_the_wall_clock_put_forward(tmp_path: Path, kind: str) -> None:
    """What was jumped over runs once, at once; what would be days late is left for its next time."""
    services = {
        "nightly": f'{JOB}[timer]\ncron = ["30 3 * * *", "45 3 * * *"]\n',
        "evening": f'{JOB}[timer]\ncron = "0 20 * * *"\n',
    }
    night = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
    with clockwork(tmp_path, kind, night, services) as (init, clock):
        wait_until(lambda: next_is(init, "nightly", night + timedelta(minutes=30)))
        clock.set(night + timedelta(hours=1))
        wait_until(lambda: len(runs(init, "nightly")) == 1)
        assert next_is(init, "nightly", night + timedelta(hours=24.5))
        clock.set(night + timedelta(days=30))
        wait_until(lambda: next_is(init, "evening", night + timedelta(days=30, hours=17)))
        assert (len(runs(init, "nightly")), len(runs(init, "evening"))) == (1, 0)


@on_both_loops
def test_a_board_without_a_battery(tmp_path: Path, kind: str) -> None:
    """From 1970 to the right time: what is persistent runs if its last run is long ago, and nothing runs for 1970."""
    services = {"nightly": f'{JOB}[timer]\ncron = "30 3 * * *"\n', "often": f'{JOB}[timer]\ncron = "*/5 * * * *"\n'}
    begin = datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
    with clockwork(tmp_path, kind, begin, services) as (init, clock):
        wait_until(lambda: next_is(init, "nightly", datetime(1970, 1, 1, 3, 30, tzinfo=UTC)))
        noon = datetime(2026, 11, 23, 12, 2, tzinfo=UTC)
        clock.set(noon)
        wait_until(lambda: next_is(init, "nightly", datetime(2026, 11, 24, 3, 30, tzinfo=UTC)))
        wait_until(lambda: len(runs(init, "often")) == 1)
        assert runs(init, "nightly") == []


def keeping(folder: Path) -> list[str]:
    """What asyncinit runs under so that its /var/lib is a folder of the test's."""
    state = folder / "state"
    state.mkdir(exist_ok=True)
    return ["sh", "-c", 'mount --bind "$0" /var/lib && XDG_STATE_HOME=/var/lib exec "$@"', str(state)]


@on_both_loops
def test_what_was_missed_is_made_up_for(tmp_path: Path, kind: str) -> None:
    """A persistent timer goes on where an earlier asyncinit left it; what it has missed runs at once, once."""

    def life(every: str) -> Init:
        services = {"poll": f'{JOB}[timer]\nevery = "{every}"\npersistent = true\n'}
        return Init(tmp_path, services, loop=kind, prefix=keeping(tmp_path))

    def stamp() -> Path | None:
        return next((path for path in (tmp_path / "state").rglob("poll")), None)

    with life("300ms") as init:
        wait_until(stamp)
        init.kill()
        assert init.wait() == 0
    path = stamp()
    assert path is not None
    left = float(path.read_text().split()[0])
    with life("1h") as init:
        wait_until(lambda: timers(init).get("poll", {}).get("next"))
        poll = timers(init)["poll"]
        assert seconds_of(poll["last"]) == pytest.approx(left, abs=0.01)
        assert seconds_of(poll["next"]) == pytest.approx(left + 3600, abs=5)
        assert init.states("poll") == []
        init.kill(signal.SIGKILL)
        init.wait()
    path.write_text(f"{time.time() - 400 * 86400}\n")
    with life("1h") as init:
        init.wait_state("poll", "completed")
        assert seconds_of(timers(init)["poll"]["next"]) > time.time() + 3000
        assert len(runs(init, "poll")) == 1
        wait_until(lambda: float(path.read_text().split()[0]) > left)
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_a_state_directory_that_cannot_be_written(tmp_path: Path, kind: str) -> None:
    """On a read-only system the timer works, a warning says what it lacks, and `prefer` makes that a remark."""
    timer = '[timer]\nevery = "200ms"\npersistent = true\n'
    services = {"poll": JOB + timer, "easy": f'prefer = ["timer.persistent"]\n{JOB}{timer}'}
    prefix = ["sh", "-c", 'mount -t tmpfs -o ro none /var/lib && XDG_STATE_HOME=/var/lib exec "$@"', "sh"]
    with Init(tmp_path, services, loop=kind, prefix=prefix) as init:
        for name in services:
            init.wait_state(name, "completed", 3)
        told = [r for r in init.records if "will not remember" in r.get("message", "")]
        assert sorted(record["service"] for record in told) == ["easy", "poll"], "each once"
        assert all("read-only file system" in record["message"] for record in told)
        wait_until(lambda: init.status().get("easy", {}).get("not_applied") == ["timer.persistent"])
        assert init.status()["poll"]["not_applied"] == []


@on_both_loops
def test_a_container_of_timers_alone(tmp_path: Path, kind: str) -> None:
    """It is ready at once and stays; jobs run and fail without changing that; it ends when asked, with 0."""
    services = {
        "bad": 'type = "oneshot"\ncommand = ["false"]\n[timer]\nevery = "100ms"\n',
        "slow": 'type = "oneshot"\ncommand = ["sleep", "1000"]\n[timer]\nevery = "100ms"\n',
        "off": f'enabled = false\n{JOB}[timer]\nevery = "100ms"\n',
        "nightly": f'{JOB}[timer]\ncron = "@yearly"\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("bad", "failed", 3)
        wait_until(lambda: timers(init)["slow"]["skipped"] > 2)
        assert init.call("status", "--ready").returncode == 0
        found = timers(init)
        assert found["off"] == {**found["off"], "armed": False, "next": None, "last": None, "result": None}
        assert found["bad"]["result"] in {"failed: exited with 1", "starting", "stopping"}
        status = init.status()
        assert status["nightly"]["next_start"] == found["nightly"]["next"]
        assert init.call("stop", "slow").returncode == 0
        init.wait_state("slow", "starting", 2)
        assert "not armed" in init.call("timers").stdout
        assert init.call("timers", "nobody").returncode == 3
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_a_service_is_restarted_by_the_clock(tmp_path: Path, kind: str) -> None:
    """overlap = "restart" gives a service that runs a new process; it never has two."""
    services = {"web": 'command = ["sleep", "1000"]\n[timer]\nevery = "300ms"\noverlap = "restart"\nat_start = true\n'}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "ready", 4)
        assert len(init.processes()) <= 1
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_timers_come_and_go_with_the_configuration(tmp_path: Path, kind: str) -> None:
    """A reload arms, changes and disarms timers in place; a run that is going on is not touched by it."""
    web = 'command = ["sleep", "1000"]\n'
    job = 'type = "oneshot"\ncommand = ["sleep", "1000"]\n[timer]\n'
    file = tmp_path / "services.d" / "job.toml"
    with Init(tmp_path, {"web": web}, loop=kind) as init:
        init.wait_state("web", "ready")
        for text, found in (
            (f'{job}every = "1h"\n', {"job": ["every 1 h"]}),
            (f'{job}every = "200ms"\n', {"job": ["every 200 ms"]}),
            (f'{job}cron = "@yearly"\n', {"job": ["@yearly"]}),
        ):
            file.write_text(text)
            assert init.call("reload-config").returncode == 0
            assert {name: timer["schedule"] for name, timer in timers(init).items() if timer["armed"]} == found
            if "200ms" in text:
                init.wait_state("job", "starting")
        pid = init.status()["job"]["pid"]
        assert pid is not None
        file.write_text("enabled = false\n" + file.read_text())
        assert init.call("reload-config").returncode == 0
        assert not timers(init)["job"]["armed"]
        assert init.status()["job"]["pid"] == pid
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_timers_go_on_over_a_re_exec(tmp_path: Path, kind: str) -> None:
    """The next program has the same deadlines, to the draw of chance, and loses no elapse of an interval."""
    services = {
        "nightly": f'{JOB}[timer]\ncron = "@yearly"\nrandom_delay = "10h"\n',
        "long": f'{JOB}[timer]\nevery = "10h"\nrandom_delay = "10h"\n',
        "poll": f'{JOB}[timer]\nevery = "300ms"\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("poll", "completed")
        before = timers(init)
        for count in range(1, 4):
            assert init.call("reexec").returncode == 0
            seen = len(runs(init, "poll"))
            wait_until(lambda seen=seen: len(runs(init, "poll")) > seen + 1)
            after = timers(init)
            assert after["nightly"] == before["nightly"], count
            assert seconds_of(after["long"]["next"]) == pytest.approx(seconds_of(before["long"]["next"]), abs=1)
        moments = runs(init, "poll")
        steps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
        assert min(steps) >= 0.29, "never twice for one interval"
        init.kill()
        assert init.wait() == 0


@on_both_loops
@pytest.mark.slow
def test_a_timer_that_is_far_away_wakes_nobody(tmp_path: Path, kind: str) -> None:
    """Armed on both clocks, asyncinit does not wake up once in five seconds."""
    services = {
        "nightly": f'{JOB}[timer]\ncron = "@yearly"\nrandom_delay = "1h"\n',
        "poll": f'{JOB}[timer]\nevery = "10h"\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: "all services are ready" in init.output, 60)

        def switches() -> int:
            text = Path(f"/proc/{init.pid}/status").read_text()
            return sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)

        def quiet() -> bool:
            before = switches()
            subprocess.run(["sleep", "5"], check=True)
            return switches() == before

        wait_until(quiet, timeout=60)


def test_the_example(tmp_path: Path) -> None:
    """examples/cron, as its page says: it polls at once, backs up on request, and says when it comes next."""
    folder = tmp_path / "cron"
    subprocess.run(["cp", "-r", str(ROOT / "examples/cron"), str(folder)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    command = [PYTHON, "-m", "asyncinit", "run", "--services", "services.d"]

    def ask(*words: str) -> subprocess.CompletedProcess[str]:
        asked = [PYTHON, "-m", "asyncinit", *words]
        return subprocess.run(
            asked, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    prefix = keeping(tmp_path)
    unshared = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    with subprocess.Popen([*unshared, *prefix, *command], cwd=folder, env=environment, stdout=subprocess.PIPE) as init:
        try:
            wait_until(lambda: '"completed"' in ask("timers", "poll", "--json").stdout)
            rows = ask("timers").stdout.splitlines()
            assert [row.split()[0] for row in rows[:2]] == ["NAME", "poll"]
            assert {row.split()[0] for row in rows[2:]} == {"backup", "tidy"}
            assert ask("start", "backup").returncode == 0
            (backup,) = (folder / "backups").iterdir()
            listed = subprocess.run(["tar", "-tzf", str(backup)], capture_output=True, text=True, check=True).stdout
            assert "clock.txt" in listed
        finally:
            init.terminate()
            assert init.wait(60) == 0
