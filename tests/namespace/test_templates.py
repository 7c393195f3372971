"""Templates, conditions, conflicts and what follows an end, as real PID 1."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from asyncinit.client.connection import Connection
from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)

SLEEP = 'command = ["sleep", "1000"]\n'
OFF = SLEEP + "enabled = false\n"
TOLD = 'type = "oneshot"\nenabled = false\nshell = true\n'


def instances(init: Init, template: str) -> list[str]:
    """The instances that run."""
    return sorted(n for n, one in init.status().items() if n.startswith(f"{template}@") and one["state"] == "ready")


def pid_of(init: Init, name: str) -> int:
    pid = init.status()[name]["pid"]
    assert isinstance(pid, int)
    return pid


@on_both_loops
def test_each_instance_has_its_name(tmp_path: Path, kind: str) -> None:
    """In its environment, its command, and the directory that is made for it; it is what its drop-in makes of it."""
    text = """
        command = "echo $INSTANCE ${INSTANCE} $PORT $KIND; pwd; exec sleep 1000"
        shell = true
        instances = ["8080", "8081"]
        working_directory = "${WHERE}/${INSTANCE}"
        environment = { PORT = "${INSTANCE}", KIND = "plain" }
        restart = "never"
    """
    for name in ("8080", "8081"):
        (tmp_path / name).mkdir()
    (tmp_path / "services.d/web@8081.d").mkdir(parents=True)
    (tmp_path / "services.d/web@8081.d/kind.toml").write_text('environment.KIND = "special"')
    with Init(tmp_path, {"web@": text}, loop=kind, environment={"WHERE": str(tmp_path)}) as init:
        wait_until(lambda: len(init.lines("web@8080")) == 2 and len(init.lines("web@8081")) == 2)
        assert init.lines("web@8080") == ["8080 8080 8080 plain", f"{tmp_path}/8080"]
        assert init.lines("web@8081") == ["8081 8081 8081 special", f"{tmp_path}/8081"]
        assert init.call("restart", "web@808?").returncode == 0
        assert f"{tmp_path}/services.d/web@8081.d/kind.toml:1" in init.call("show", "web@8081").stdout


@on_both_loops
def test_an_instance_that_nobody_has_declared(tmp_path: Path, kind: str) -> None:
    """It is made with what it needs when it is started, and is there like any other; what is wrong makes nothing."""
    services = {"web@": SLEEP + 'requires = ["db@${INSTANCE}"]', "db@": SLEEP, "other": SLEEP}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("other", "ready")
        other = pid_of(init, "other")
        started = init.call("start", "web@8081")
        assert started.returncode == 0, started.stderr
        assert init.states("web@8081", "db@8081").index(("db@8081", "ready")) < init.states(
            "web@8081", "db@8081"
        ).index(("web@8081", "starting"))
        assert init.call("reload-config", "--exit-code").returncode == 0, "it stays, and nothing has changed"
        assert set(init.status()) == {"other", "web@8081", "db@8081"}
        for name in ("web", "web@", "nope@1", "web@a@b", "web@a/b"):
            assert init.call("start", name).returncode == 3, name
        (tmp_path / "services.d/bad.toml").write_text(SLEEP + "x = 1")
        refused = init.call("start", "web@8082")
        assert refused.returncode == 1
        assert "bad.toml:2: x: is not a known key" in refused.stderr
        assert pid_of(init, "other") == other
        assert init.call("stop", "web@*", "db@*").returncode == 0
        init.kill()
        assert init.wait() == 0


@pytest.mark.slow
@on_both_loops
def test_scaling_up_and_down_under_load(tmp_path: Path, kind: str) -> None:
    """Whatever is asked in whatever order, the last number holds; who needs them all is never touched."""
    web = """
        command = "trap 'exit 0' TERM; while :; do echo tick; sleep 0.02 & wait; done"
        shell = true
        instances = 2
    """
    services = {
        "web@": web,
        "lb": SLEEP + 'wants = ["web@"]',
        "noise": 'command = "while :; do echo noise; done"\nshell = true\n',
        "flap": 'command = ["false"]\n[restart]\ndelay = 0\nmax_delay = "50ms"\n',
    }
    with Init(tmp_path, services, loop=kind, settings='log_format = "json"') as init:
        init.wait_state("lb", "ready")
        lb, first = pid_of(init, "lb"), pid_of(init, "web@1")
        numbers = (7, 3, 12, 1, 5)
        for number in numbers:
            done = init.call("scale", f"web={number}")
            assert done.returncode == 0, done.stdout + done.stderr
            assert instances(init, "web") == sorted(f"web@{n + 1}" for n in range(number))
        many = [threading.Thread(target=init.call, args=("scale", "web", str(n))) for n in (2, 9, 4, 6)]
        for one in many:
            one.start()
        for one in many:
            one.join()
        done = init.call("scale", "web=3", "--json")
        assert json.loads(done.stdout)["results"] is not None
        assert instances(init, "web") == ["web@1", "web@2", "web@3"]
        assert init.call("reload-config").returncode == 0
        assert instances(init, "web") == ["web@1", "web@2", "web@3"], "it holds when the files are read again"
        assert (pid_of(init, "lb"), pid_of(init, "web@1")) == (lb, first)
        assert {name for name in init.status() if "@" in name} == {"web@1", "web@2", "web@3"}
        init.kill()
        assert init.wait() == 0
        states = init.states()
        last = {name: max(n for n, one in enumerate(states) if one[0] == name) for name in ("lb", "web@1", "web@3")}
        assert last["lb"] < min(last["web@1"], last["web@3"]), "it stops before the instances that came later, too"


@on_both_loops
def test_a_scale_that_is_refused(tmp_path: Path, kind: str) -> None:
    """What is no template, is called by name, or is too many."""
    services = {"web@": SLEEP + 'instances = ["blue"]', "lb": SLEEP, "n@": SLEEP}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("lb", "ready")
        for word, code, text in (
            ("web=2", 1, "called by name (web@blue)"),
            ("lb=2", 1, "it is one service; a template's file is lb@.toml"),
            ("n=1001", 1, "expected a number from 0 to 1000"),
            ("n", 2, "expected NAME=NUMBER"),
        ):
            done = init.call("scale", word)
            assert (done.returncode, text in done.stderr) == (code, True), done.stderr


@on_both_loops
def test_a_condition_skips(tmp_path: Path, kind: str) -> None:
    """Nothing of the service runs, what requires it does; the next start looks again."""
    (tmp_path / "off").touch()
    services = {
        "web": f'{SLEEP}hooks.pre_start = [["touch", "{tmp_path}/hooked"]]\n[condition]\n'
        f'path_exists = "!{tmp_path}/off"\nenv_set = ["HERE", "MODE=a"]\n',
        "api": SLEEP + 'requires = ["web"]',
        "vpn": f'{SLEEP}condition.architecture = "vax"',
        "tunnel": SLEEP + 'binds_to = ["vpn"]',
    }
    with Init(tmp_path, services, loop=kind, environment={"HERE": "", "MODE": "a"}) as init:
        init.wait_state("api", "ready")
        init.wait_state("tunnel", "failed")
        status = init.status()
        assert status["web"]["state"] == "inactive"
        assert status["web"]["reason"]["code"] == "condition"
        assert status["web"]["reason"]["text"] == f'path_exists = "!{tmp_path}/off" does not hold'
        assert not (tmp_path / "hooked").exists()
        skipped = init.call("start", "web")
        assert (skipped.returncode, "skipped" in skipped.stdout) == (0, True)
        (tmp_path / "off").unlink()
        assert init.call("start", "web").returncode == 0
        assert init.status()["web"]["state"] == "ready"
        assert (tmp_path / "hooked").exists()


@on_both_loops
def test_a_conflict_stops_the_other(tmp_path: Path, kind: str) -> None:
    """First what requires it; the new one runs when nothing of the old one is left. Both together are refused."""
    slow = "command = \"trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.05; done\"\nshell = true\n"
    services = {
        "old": slow,
        "user": SLEEP + 'requires = ["old"]',
        "new": OFF + 'conflicts = ["old"]',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("user", "ready")
        together = init.call("restart", "old", "new")
        assert (together.returncode, "are in conflict" in together.stderr) == (1, True)
        started = init.call("start", "new")
        assert started.returncode == 0, started.stderr
        status = init.status()
        assert {name: one["state"] for name, one in status.items()} == {
            "old": "inactive",
            "user": "inactive",
            "new": "ready",
        }
        assert status["old"]["reason"] == {
            "code": "conflict",
            "text": "conflicts with new, which is started",
            "service": "new",
        }
        order = init.states()
        assert order.index(("user", "inactive")) < order.index(("old", "inactive")) < order.index(("new", "starting"))
        assert init.call("start", "user").returncode == 0
        assert init.status()["new"]["state"] == "inactive"


@on_both_loops
def test_who_is_started_for_an_end_is_told_of_it(tmp_path: Path, kind: str) -> None:
    """Whose end, and how; one run for each, though they come together."""
    tell = "echo $MONITOR_SERVICE $MONITOR_SERVICE_RESULT $MONITOR_EXIT_CODE $MONITOR_EXIT_STATUS"
    services = {
        "alert": f'{TOLD}command = "{tell}; sleep 0.1"\n[restart]\ndelay = "1ms"\nmax_delay = "5ms"',
        "next": f'{TOLD}command = "{tell}"',
        "one@": f'{TOLD}command = "echo $INSTANCE: $MONITOR_SERVICE"',
        "three": 'command = ["sh", "-c", "exit 3"]\nrestart = "never"\non_failure = ["alert", "one@three"]',
        "none": 'command = ["/nonexistent"]\nrestart = "never"\non_failure = ["alert"]',
        "killed": SLEEP + 'restart = "never"\non_failure = ["alert"]',
        "good": 'type = "oneshot"\ncommand = ["true"]\non_success = ["next"]\non_failure = ["alert"]',
        "other": SLEEP,
        "stays": SLEEP + 'on_failure = ["alert"]\non_success = ["alert"]',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("killed", "ready")
        init.wait_state("stays", "ready")
        os.kill(pid_of(init, "killed"), signal.SIGKILL)
        wait_until(lambda: len(init.lines("alert")) == 3 and init.lines("next") and init.lines("one@three"), 30)
        assert sorted(init.lines("alert")) == [
            "killed signal killed KILL",
            "none spawn",
            "three exit-code exited 3",
        ]
        assert init.lines("next") == ["good success exited 0"]
        assert init.lines("one@three") == ["three: three"]
        assert init.call("stop", "stays").returncode == 0
        init.kill()
        init.wait()
        assert len(init.lines("alert")) == 3, "a stop is no end, and in the shutdown nothing is started"


@on_both_loops
def test_services_that_start_each_other_cost_little(tmp_path: Path, kind: str) -> None:
    """A circle of failures keeps to its back-off, and everything else is answered."""
    fails = 'command = ["false"]\nrestart = "never"\n'
    services = {"a": fails + 'on_failure = ["b"]', "b": fails + 'on_failure = ["a"]', "web": SLEEP}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("a", "starting", times=4)
        with Connection(str(init.socket)) as client:
            assert client.call("Status")["services"]
        assert ("a", "backoff") in init.states()
        init.kill()
        init.wait()
