"""What reviews have found, and shall not come back: as real PID 1, or as a plain process where that is the point."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import PYTHON, ROOT, wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)
SLEEP = 'command = ["sleep", "1000"]\n'


@on_both_loops
def test_an_essential_service_that_cannot_start_ends_the_whole(tmp_path: Path, kind: str) -> None:
    """When what an essential service requires has failed for good, asyncinit ends with 69, though others run."""
    services = {
        "migrate": 'type = "oneshot"\ncommand = "false"\n',
        "web": f'{SLEEP}essential = true\nrequires = ["migrate"]\n',
        "redis": SLEEP,
    }
    with Init(tmp_path, services, loop=kind) as init:
        assert init.wait() == 69


@on_both_loops
def test_each_of_a_slow_chain_gets_its_signal(tmp_path: Path, kind: str) -> None:
    """With stop timeouts beyond the budget, what a deaf service requires still gets SIGTERM, and the time to obey."""
    tidy = "trap 'sleep 0.1; echo clean; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    services = {
        "db": f'command = ["sh", "-c", "{tidy}"]\nstop = {{ timeout = "60s" }}\n',
        "web": """command = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]\n"""
        'requires = ["db"]\nstop = { timeout = "60s" }\n',
    }
    with Init(tmp_path, services, loop=kind, settings='shutdown_timeout = "3s"') as init:
        wait_until(lambda: "up" in init.lines("web"))
        init.kill()
        assert init.wait() == 124
        assert "clean" in init.lines("db")


@on_both_loops
def test_no_time_at_all_is_a_kill_and_told_as_one(tmp_path: Path, kind: str) -> None:
    """With ASYNCINIT_GRACE=0 everything is killed, and the exit status says so."""
    with Init(tmp_path, {"a": SLEEP}, loop=kind, environment={"ASYNCINIT_GRACE": "0"}) as init:
        init.wait_state("a", "ready")
        init.kill()
        assert init.wait() == 124


@on_both_loops
def test_a_stop_command_that_fails_is_followed_by_the_signal(tmp_path: Path, kind: str) -> None:
    """A stop command that cannot be executed leaves the service its SIGTERM, long before the kill."""
    services = {
        "web": """command = ["sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"]\n"""
        'stop = { command = "/no/such/stop", timeout = "1h" }\n',
        "other": SLEEP,
    }
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: "up" in init.lines("web"))
        assert init.call("stop", "web").returncode == 0
        assert "bye" in init.lines("web")


@on_both_loops
def test_a_readiness_timeout_names_the_obstacle(tmp_path: Path, kind: str, free_port: int) -> None:
    """The reason says what was waited for, and why it was not there."""
    services = {"web": f'{SLEEP}restart = "never"\nready = {{ tcp = "127.0.0.1:{free_port}", timeout = "300ms" }}\n'}
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "failed")
        text = init.status()["web"]["reason"]["text"]
        assert f"127.0.0.1:{free_port}" in text
        assert "refused" in text


@on_both_loops
def test_a_hook_that_runs_at_a_stop_may_end_by_itself(tmp_path: Path, kind: str) -> None:
    """Stopped while its pre_start hook runs, a service's hook gets SIGTERM, not SIGKILL."""
    hook = "trap 'echo tidied; exit 1' TERM; echo busy; while :; do sleep 0.05; done"
    services = {"web": f'{SLEEP}[hooks]\npre_start = [["sh", "-c", "{hook}"]]\n', "other": SLEEP}
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: "busy" in init.lines("web"))
        assert init.call("stop", "web").returncode == 0
        assert init.lines("web")[-1] == "tidied"


@on_both_loops
def test_the_last_exit_is_shown_while_the_service_runs_again(tmp_path: Path, kind: str) -> None:
    """After a crash and a restart, status still tells how the last run ended."""
    flag = tmp_path / "crashed"
    script = f"test -e {flag} && exec sleep 1000; touch {flag}; exit 7"
    with Init(tmp_path, {"web": f'command = ["sh", "-c", "{script}"]\n'}, loop=kind) as init:
        init.wait_state("web", "ready", 2)
        status = init.status()["web"]
        assert (status["state"], status["restarts"], status["last_exit"]["code"]) == ("ready", 1, 7)


@on_both_loops
def test_what_is_bound_tells_the_real_cause(tmp_path: Path, kind: str) -> None:
    """A service that goes down with a crash says what crashed, and how."""
    services = {
        "vpn": 'command = ["sh", "-c", "sleep 0.5; exit 3"]\nrestart = { delay = "1h" , max_delay = "1h" }\n',
        "app": f'{SLEEP}binds_to = ["vpn"]\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(lambda: init.states("app")[-1:] == [("app", "waiting")] and ("app", "stopping") in init.states())
        assert init.status()["app"]["reason"]["text"] == "bound to vpn, which exited with 3"


def test_two_projects_do_not_meet(tmp_path: Path) -> None:
    """Each project's commands reach its own asyncinit, from its folder and from below it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("ASYNCINIT_SOCKET", None)
    running = []
    try:
        for name in ("one", "two"):
            folder = tmp_path / name
            (folder / "services.d").mkdir(parents=True)
            (folder / "below").mkdir()
            (folder / "services.d" / f"{name}.toml").write_text(SLEEP)
            running.append(
                subprocess.Popen(
                    [PYTHON, "-m", "asyncinit", "run"],
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
            )
        for name in ("one", "two"):
            for folder in (tmp_path / name, tmp_path / name / "below"):

                def names(folder: Path = folder) -> list[str]:
                    done = subprocess.run(
                        [PYTHON, "-m", "asyncinit", "status", "--json"],
                        cwd=folder,
                        env=environment,
                        capture_output=True,
                        check=False,
                    )
                    return [s["name"] for s in json.loads(done.stdout)["services"]] if done.returncode == 0 else []

                wait_until(lambda names=names: names())
                assert names() == [name]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            assert process.wait(30) == 0
