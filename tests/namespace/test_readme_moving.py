"""The README's commands that need no running asyncinit, as a stranger would type them in a project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import PYTHON, ROOT

README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^asyncinit (?:new|import|simulate).*$", README, re.M)
PROJECT = {
    "Procfile": "web: exec sleep 1000\n",
    "supervisord.conf": "[supervisord]\nnodaemon=true\n\n[program:web]\ncommand=sleep 1000\n",
    "compose.yaml": "services:\n  web:\n    image: example/web\n    command: sleep 1000\n",
}
UNITS = [Path(folder, "nginx.service") for folder in ("/lib/systemd/system", "/usr/lib/systemd/system")]


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Type a command in a folder."""
    line = command.replace("asyncinit", f"{PYTHON} -m asyncinit", 1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_commands_are_found() -> None:
    """What is tested here is what stands there."""
    assert [command.split()[1] for command in COMMANDS] == ["simulate", "new", "import", "import", "import", "import"]


@pytest.mark.parametrize("command", [command for command in COMMANDS if "simulate" not in command])
def test_a_project_moves_in(tmp_path: Path, command: str) -> None:
    """Services are written, their files are sound, and there is a line on what to do next."""
    if command.endswith("systemd nginx") and not any(unit.exists() for unit in UNITS):
        pytest.skip("nginx's unit is not installed")
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text)
    done = run(tmp_path, command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "next:" in done.stdout.lower()
    assert sorted((tmp_path / "services.d").glob("*.toml"))
    checked = run(tmp_path, "asyncinit check services.d")
    assert checked.returncode == 0, checked.stdout


def test_what_would_happen(tmp_path: Path) -> None:
    """The repository's own services get ready in time although one of them fails."""
    shutil.copytree(ROOT / "services.d", tmp_path / "services.d")
    [command] = [command for command in COMMANDS if "simulate" in command]
    done = run(tmp_path, command)
    assert done.returncode == 0 and "app ready < 30s: at" in done.stdout, done.stdout + done.stderr
