"""`asyncinit simulate` as a program: the same outcome everywhere, and its exit status."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import PYTHON, ROOT

SERVICES = {
    **dict.fromkeys(("one", "two", "three", "four"), 'command = "x"\nready = { notify = true }\nrestart = "never"\n'),
    "all": 'command = "x"\nrequires = ["one", "two", "three", "four"]\n',
    "job": 'command = "x"\ntype = "oneshot"\ntimer = { every = "10s", random_delay = "5s" }\n',
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with services."""
    (tmp_path / "services.d").mkdir()
    for name, text in SERVICES.items():
        (tmp_path / "services.d" / f"{name}.toml").write_text(text)
    return tmp_path


def simulate(folder: Path, *words: str, seed: str = "0") -> subprocess.CompletedProcess[str]:
    """Run it; `seed` is that of Python's hashes."""
    return subprocess.run(
        [PYTHON, "-m", "asyncinit", "simulate", *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_outcome_is_the_same_everywhere(project: Path) -> None:
    """What fails at one moment is told in the same order, whatever the interpreter's hashes are."""
    words = ("--fail", "*@start+1s", "--until", "1m", "--json")
    outcomes = {simulate(project, *words, seed=seed).stdout for seed in ("1", "2", "3")}
    assert len(outcomes) == 1
    assert json.loads(outcomes.pop())["states"]["all"] == "failed"


def test_its_exit_status_tells(project: Path) -> None:
    """0: all holds; 1: something does not, or the files have errors; 2: it cannot be read."""
    assert simulate(project, "--assert", "all ready < 30s", "--until", "1m").returncode == 0
    failed = simulate(project, "--assert", "all failed", "--assert", "one ready", "--until", "1m")
    assert failed.returncode == 1
    assert [line.split()[0] for line in failed.stdout.splitlines()[-2:]] == ["FAILED", "ok"]
    wrong = simulate(project, "--assert", "all redy")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "at character 5: found 'redy', expected a state" in wrong.stderr
    assert simulate(project, "nobody").returncode == 2
    late = simulate(project, "--clock", "9999-12-31T23:59:59Z")
    assert (late.returncode, late.stdout) == (2, "")
    assert "expected a date from 1970 to 2199" in late.stderr
    (project / "services.d" / "one.toml").write_text("comand = 'x'")
    assert simulate(project).returncode == 1


def test_nothing_is_run(project: Path) -> None:
    """A command is never executed, and no file is made."""
    (project / "services.d" / "touch.toml").write_text('shell = true\ncommand = "touch made"\n')
    before = sorted(project.rglob("*"))
    assert simulate(project, "--shutdown", "@1m").returncode == 0
    assert sorted(project.rglob("*")) == before


def test_the_plan_stands_where_the_shutdown_begins(project: Path) -> None:
    """Once, even where there is no time for it at all."""
    (project / "asyncinit.toml").write_text('[init]\nshutdown_timeout = "0s"\n')
    out = simulate(project, "--shutdown", "@1m").stdout
    assert out.count("MAY STOP AFTER") == 1
    assert out.index("shutting down") < out.index("MAY STOP AFTER") < out.index("had to be killed")
