"""A oneshot with a stop command, as real PID 1: what it did stays until it is stopped, and is undone then."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init

pytestmark = [pytest.mark.namespace, pytest.mark.parametrize("loop", LOOPS)]


def services(folder: Path) -> dict[str, str]:
    """A folder that a oneshot makes and takes away, and a service that tells at its end whether it was there."""
    made = folder / "made"
    return {
        "folder": (
            f'type = "oneshot"\ncommand = ["mkdir", "{made}"]\n'
            f'stop = {{ command = ["rmdir", "{made}"] }}\ndirectories = {{ runtime = ["undoing"] }}\n'
        ),
        "web": (
            'shell = true\nrequires = ["folder"]\nstop = { scope = "process" }\n'
            f"command = \"trap 'ls -d {made}; exit' TERM; while :; do sleep 0.05; done\"\n"
        ),
    }


def test_it_is_undone_in_order_and_once(tmp_path: Path, loop: str) -> None:
    """A re-exec leaves it alone, a restart undoes and does it, and the shutdown undoes it after who requires it."""
    made = tmp_path / "made"
    with Init(tmp_path, services(tmp_path), loop=loop) as init:
        init.wait_state("web", "ready")
        assert init.status()["folder"]["state"] == "completed" and made.is_dir()
        assert init.call("reexec").returncode == 0
        assert init.status()["folder"]["state"] == "completed" and made.is_dir()
        first = made.stat().st_ino, made.stat().st_ctime_ns
        assert init.call("restart", "folder").returncode == 0
        init.wait_state("web", "ready", 2)
        assert made.is_dir() and (made.stat().st_ino, made.stat().st_ctime_ns) != first
        assert init.call("shutdown").returncode == 0
        assert init.wait() == 0
        assert not made.exists()
        assert init.lines("web") == [str(made)] * 2, "it was still there at each end of web"


def test_a_stop_command_that_fails_is_told(tmp_path: Path, loop: str) -> None:
    """It is down all the same, with a line that says what failed."""
    tidy = 'type = "oneshot"\ncommand = ["true"]\nstop = { command = ["sh", "-c", "exit 4"] }\n'
    with Init(tmp_path, {"tidy": tidy, "stays": 'command = ["sleep", "1000"]\n'}, loop=loop) as init:
        init.wait_state("tidy", "completed")
        assert init.call("stop", "tidy").returncode == 0
        assert init.status()["tidy"]["state"] == "inactive"
        assert "stop command sh exited with 4; the stop goes on" in init.output
