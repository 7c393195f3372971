"""asyncinit replaces itself while it runs, as real PID 1 and as a subreaper: nobody notices, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import ROOT

pytestmark = [pytest.mark.namespace, pytest.mark.parametrize("loop", LOOPS)]

STAYS = 'command = ["sleep", "3600"]\n'


def reexec(init: Init) -> str:
    """Replace it, and return what the command said."""
    done = init.call("reexec")
    assert done.returncode == 0, (done, init.output)
    return done.stdout


def replaced(init: Init) -> int:
    """How often a program has taken over so far."""
    return init.output.count("replaced: goes on as asyncinit")


@pytest.mark.parametrize("pid1", [True, False])
def test_services_run_on(tmp_path: Path, loop: str, pid1: bool) -> None:
    """The same processes, times and counters before and after; and what ends meanwhile is restarted."""
    services = {
        "stays": STAYS,
        "dies": 'command = ["sh", "-c", "sleep 0.2; exit 3"]\nrestart = { delay = "50ms", max_delay = "50ms" }\n',
        "once": 'type = "oneshot"\ncommand = ["true"]\n',
    }
    with Init(tmp_path, services, loop=loop, pid1=pid1) as init:
        init.wait_state("dies", "backoff", 2)
        before = init.status()
        pid = init.pid
        assert "was started anew" in reexec(init)
        after = init.status()
        assert init.pid == pid
        assert after["stays"] == before["stays"]
        assert after["once"] == before["once"]
        assert after["dies"]["restarts"] >= before["dies"]["restarts"]
        times = init.states("dies").count(("dies", "backoff"))
        init.wait_state("dies", "backoff", times + 2)
        ends = [record["message"] for record in init.records if record.get("state") == "backoff"]
        assert [text.split(" in ")[0] for text in ends] == [
            f"exited with 3; restart {number}" for number in range(1, len(ends) + 1)
        ]
        assert init.call("shutdown").returncode == 0
        assert init.wait() == 0


def package(folder: Path) -> Path:
    """Return a copy of the package in a folder for PYTHONPATH, to be replaced by a newer version."""
    shutil.copytree(ROOT / "asyncinit", folder / "asyncinit", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "asyncinit"


def test_a_newer_version_takes_over(tmp_path: Path, loop: str) -> None:
    """What is installed meanwhile is what runs afterwards, and both versions are told."""
    code = package(tmp_path / "code")
    with Init(tmp_path, {"web": STAYS}, loop=loop, environment={"PYTHONPATH": str(code.parent)}) as init:
        init.wait_state("web", "ready")
        pid = init.status()["web"]["pid"]
        init_file = code / "__init__.py"
        init_file.write_text(init_file.read_text().replace('__version__ = "', '__version__ = "9.'))
        assert " goes on as 9." in reexec(init)
        answer = json.loads(init.call("status", "--json").stdout)
        assert answer["asyncinit"]["version"].startswith("9.")
        assert init.status()["web"]["pid"] == pid


@pytest.mark.parametrize(
    ("module", "line", "reason"),
    [
        ("runtime/assembly.py", "import nothing_of_that_name\n", "ModuleNotFoundError: No module named"),
        ("runtime/ready/http_probe.py", "raise RuntimeError('half installed')\n", "RuntimeError: half installed"),
        ("runtime/reexec/coding.py", "FORMAT = 2; READABLE = frozenset({2})\n", "the state has format 1"),
        ("core/engine.py", "def broken(:\n", "SyntaxError"),
        ("__main__.py", None, "exited with 3"),
    ],
)
def test_a_program_that_cannot_go_on_is_refused(
    tmp_path: Path, loop: str, module: str, line: str | None, reason: str
) -> None:
    """Nothing happens then, and whoever asked is told why."""
    code = package(tmp_path / "code")
    with Init(tmp_path, {"web": STAYS}, loop=loop, environment={"PYTHONPATH": str(code.parent)}) as init:
        init.wait_state("web", "ready")
        before = init.status()
        text = "raise SystemExit(3)\n" if line is None else (code / module).read_text() + "\n" + line
        (code / module).write_text(text)
        init.environment["PYTHONPATH"] = str(ROOT)
        done = init.call("reexec")
        assert done.returncode == 1
        assert reason in done.stderr
        assert init.status() == before
        assert replaced(init) == 0
