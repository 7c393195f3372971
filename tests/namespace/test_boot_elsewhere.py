"""`asyncinit boot`, and a program called init, where there is no machine: they are `run`, and touch nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support import PYTHON, ROOT

_UNSHARE = ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc"]
if os.geteuid() != 0:
    _UNSHARE += ["--user", "--map-root-user"]
_PROGRAM = f"#!{PYTHON}\nimport sys\nfrom asyncinit.__main__ import main\nsys.exit(main())\n"
_LOOK = 'command = "cat /proc/mounts; hostname"\nshell = true\nrestart = "never"\n'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a service that tells what is mounted, and with a program `init`."""
    (tmp_path / "services.d").mkdir()
    (tmp_path / "services.d/look.toml").write_text(_LOOK)
    program = tmp_path / "init"
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    return tmp_path


def ended(place: Path, *words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        words,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("prefix", "program"),
    [(_UNSHARE, [PYTHON, "-m", "asyncinit"]), ([], [PYTHON, "-m", "asyncinit"]), (_UNSHARE, ["./init"])],
)
def test_boot_is_run_where_there_is_no_machine(place: Path, prefix: list[str], program: list[str]) -> None:
    """It says so, runs the services and ends with them; nothing is mounted or named."""
    before = ended(place, *prefix, "cat", "/proc/mounts")
    done = ended(place, *prefix, *program, "boot", "--log-format", "raw")
    assert "not PID 1 of a machine: running as asyncinit run does" in done.stderr
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if line.count(" ") == 5] == before.stdout.splitlines()
    assert os.uname().nodename in done.stdout.splitlines()


def test_a_program_called_init_in_a_container(place: Path) -> None:
    """Without words it runs what is declared, as any PID 1 does."""
    done = ended(place, *_UNSHARE, "./init")
    assert done.returncode == 0
    assert "look" in done.stdout


def test_a_command_beside_boot(place: Path) -> None:
    """What `run` takes after -- it takes as well."""
    done = ended(place, *_UNSHARE, PYTHON, "-m", "asyncinit", "boot", "-q", "--", "sh", "-c", "echo $((6 * 7)); exit 3")
    assert "42" in done.stdout
    assert done.returncode == 3
