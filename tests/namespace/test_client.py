"""The commands against a real asyncinit, from inside of its PID namespace, from outside, and from beside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import _UNSHARE, Init
from tests.support import PYTHON, ROOT, wait_until

SLEEP = 'command = ["sleep", "1000"]\n'
KEEP = "keep_running = true"


def inner_pid(pid: int) -> int:
    """A process's pid in its own namespace."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1])


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_pids_are_those_that_the_caller_sees(tmp_path: Path) -> None:
    """From outside, each service's pid is ours for it, though another namespace has the same numbers."""
    with Init(tmp_path / "one", {"web": SLEEP}) as one, Init(tmp_path / "two", {"web": SLEEP}) as two:
        for init in (one, two):
            init.wait_state("web", "ready")
            status = answer(init.call("status", "--json"))
            assert status["asyncinit"]["pid"] == init.pid
            pid = status["services"][0]["pid"]
            assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x001000\x00"
            assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{init.pid}/ns/pid")


def test_a_service_finds_the_socket_and_sees_its_own_pids(tmp_path: Path) -> None:
    """ASYNCINIT_SOCKET leads a service to its asyncinit, which is process 1 there."""
    ask = f'command = ["{PYTHON}", "-m", "asyncinit", "status", "--json"]\ntype = "oneshot"\nrequires = ["web"]\n'
    with Init(tmp_path, {"web": SLEEP, "ask": ask}, settings=KEEP) as init:
        init.wait_state("ask", "completed")
        inside = json.loads("\n".join(init.lines("ask")))
        outside = answer(init.call("status", "--json"))
        assert inside["asyncinit"]["pid"] == 1
        pids = {one["name"]: one["pid"] for one in inside["services"]}
        assert pids["web"] == inner_pid({one["name"]: one["pid"] for one in outside["services"]}["web"])


def test_pids_that_cannot_be_seen_are_not_shown(tmp_path: Path) -> None:
    """From a namespace beside it there is nothing to show: null, and a dash in the table."""
    with Init(tmp_path, {"web": SLEEP}) as init:
        init.wait_state("web", "ready")
        command = [*_UNSHARE, PYTHON, "-m", "asyncinit", "--socket", str(init.socket), "status"]
        environment = {**init.environment}
        beside = subprocess.run(
            [*command, "--json"], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        found = answer(beside)
        assert found["asyncinit"]["pid"] is None
        assert found["services"][0]["pid"] is None
        table = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert table.stdout.splitlines()[1].split()[:3] == ["web", "ready", "-"]


def test_as_pid_1_an_unknown_word_gets_the_way_to_run_it() -> None:
    """`docker run IMAGE bash` with asyncinit as the entrypoint says how it is meant."""
    done = subprocess.run(
        [*_UNSHARE, PYTHON, "-m", "asyncinit", "bash", "-l"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "to run bash -l under asyncinit: asyncinit -- bash -l" in done.stderr


@pytest.mark.parametrize("kind", LOOPS)
def test_actions_on_real_services(tmp_path: Path, kind: str) -> None:
    """Start, stop, restart and signal do what they say, and say what they did."""
    services = {
        "db": SLEEP,
        "web": SLEEP + 'requires = ["db"]\nrestart = { delay = "5m", max_delay = "10m" }\n',
        "bad": 'command = ["sh", "-c", "exit 3"]\ntype = "oneshot"\nenabled = false\n',
    }
    with Init(tmp_path, services, loop=kind, settings=KEEP) as init:
        init.wait_state("web", "ready")
        stopped = init.call("stop", "db")
        assert (stopped.returncode, stopped.stdout.splitlines()[0]) == (0, "also stops web")
        states = {name: one["state"] for name, one in init.status().items()}
        assert states == {"db": "inactive", "web": "inactive", "bad": "inactive"}
        started = init.call("start", "web")
        assert started.stdout.splitlines()[0] == "also starts db"
        before = init.status()["web"]["pid"]
        assert init.call("restart", "--only", "db").returncode == 0
        assert init.status()["web"]["pid"] == before
        assert init.call("restart", "web").returncode == 0
        assert init.status()["web"]["pid"] != before
        failed = init.call("start", "bad")
        assert failed.returncode == 1
        assert "bad: failed: exited with 3" in failed.stderr
        assert init.call("signal", "KILL", "web").returncode == 0
        init.wait_state("web", "backoff")
        assert init.status()["web"]["last_exit"]["signal"] == signal.SIGKILL
        assert init.call("show", "web").stdout.startswith("# web, from ")
        assert init.call("shutdown").returncode == 0
        assert init.wait() == 0
        assert not init.socket.exists()


def test_following_the_log_of_a_real_service(tmp_path: Path) -> None:
    """logs -f shows lines as they are written, and ends when asyncinit does."""
    talk = 'command = ["sh", "-c", "echo first; while read -r word; do echo got $word; done < in; sleep 1000"]\n'
    fifo = tmp_path / "in"
    os.mkfifo(fifo)
    with Init(tmp_path, {"web": talk + f'working_directory = "{tmp_path}"\n'}) as init:
        init.wait_state("web", "ready")
        follow = subprocess.Popen(
            [PYTHON, "-m", "asyncinit", "--socket", str(init.socket), "logs", "-f", "web"],
            env=init.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert follow.stdout is not None
        with follow.stdout, fifo.open("w") as feed:
            while not follow.stdout.readline().endswith("web | first\n"):
                pass
            for number in range(3):
                feed.write(f"{number}\n")
                feed.flush()
                while not (line := follow.stdout.readline()).endswith(f"got {number}\n"):
                    assert line
            init.kill()
            assert init.wait() == 0
            assert "stopp" in follow.stdout.read()
        assert follow.wait(20) == 0


def test_a_client_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    """A waiting client's death does not undo what it asked for, and its connection is gone."""
    slow = 'command = ["sh", "-c", "trap \\"\\" TERM; sleep 1000"]\nstop = { timeout = "1m" }\n'
    with Init(tmp_path, {"slow": slow, "web": SLEEP}) as init:
        init.wait_state("slow", "ready")

        def sockets() -> int:
            found = 0
            for descriptor in Path(f"/proc/{init.pid}/fd").iterdir():
                try:
                    found += os.readlink(descriptor).startswith("socket:")
                except FileNotFoundError:
                    continue
            return found

        before = sockets()
        waiting = subprocess.Popen(
            [PYTHON, "-m", "asyncinit", "--socket", str(init.socket), "stop", "slow"], env=init.environment
        )
        init.wait_state("slow", "stopping")
        waiting.kill()
        waiting.wait(20)
        wait_until(lambda: sockets() == before)
        assert init.status()["slow"]["state"] == "stopping"
