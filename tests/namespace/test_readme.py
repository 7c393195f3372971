"""The README's commands, as a stranger would type them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT, wait_until

README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S) for line in block.splitlines()]

HERE = {
    "make run",
    "curl http://127.0.0.1:8080/",
    ".venv/bin/asyncinit status",
    ".venv/bin/asyncinit logs -n 5 web",
    ".venv/bin/asyncinit restart web",
    ".venv/bin/asyncinit stop worker",
    ".venv/bin/asyncinit check services.d",
    ".venv/bin/asyncinit reload-config",
    ".venv/bin/asyncinit explain web",
    ".venv/bin/asyncinit analyze blame",
    ".venv/bin/asyncinit reexec",
    "asyncinit run -- pytest",
}
SEVERAL = "tests/container/test_several_services.py::test_requests_reach_redis_and_docker_stop_takes_all_down_in_order"
BESIDE = "tests/namespace/test_readme_moving.py::test_a_project_moves_in"
SIMULATED = "tests/namespace/test_readme_moving.py::test_what_would_happen"
APPLIANCE = "tests/boot/test_appliance.py::test_it_boots_to_the_default_target"
ELSEWHERE = {
    "make -C examples/appliance image": APPLIANCE,
    "make -C examples/appliance boot": APPLIANCE,
    "asyncinit dev": "tests/linux/test_dev_example.py::test_a_day_with_the_example",
    "asyncinit top": "tests/terminal/test_top.py::test_a_session",
    "asyncinit attach console": "tests/namespace/test_attach.py::test_a_terminal_is_joined",
    'asyncinit simulate --fail web@5s --assert "app ready < 30s"': SIMULATED,
    "asyncinit new": BESIDE,
    "asyncinit import procfile Procfile": BESIDE,
    "asyncinit import supervisord supervisord.conf": BESIDE,
    "asyncinit import compose compose.yaml": BESIDE,
    "asyncinit import systemd nginx": BESIDE,
    "make test": "tests/container/test_bare_machine.py::test_make_run_again_asks_no_network",
    "docker build -f examples/container/Dockerfile -t shop .": SEVERAL,
    "docker run --detach --name shop --user 12345 --read-only --cap-drop ALL --tmpfs /tmp -p 8080:8080 shop": SEVERAL,
    "docker exec shop asyncinit status": SEVERAL,
    "docker stop shop": SEVERAL,
    "docker logs shop": SEVERAL,
}


def test_every_command_of_the_readme_is_run_by_a_test() -> None:
    """A command that no test runs does not get into the README."""
    assert set(COMMANDS) == HERE | ELSEWHERE.keys()
    for test in ELSEWHERE.values():
        path, name = test.split("::")
        assert f"def {name}(" in (ROOT / path).read_text()


def free_port() -> int:
    """Return a port that nobody has at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Clone:
    """A fresh clone of the repository, with `make run` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "make-run.log"
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
        for name in filter(None, names.decode().split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        # Other instances of this user may run beside the test, at the place that is taken without this.
        (folder / "asyncinit.toml").write_text(f'[init]\ncontrol_socket = "{folder}/control.sock"\n')
        self.environment = {**os.environ, "WEB_PORT": str(self.port), "PYTHON": sys.executable, "HOME": str(folder)}
        for name in ("ARGS", "ASYNCINIT_SOCKET", "JOBS", "MAKEFLAGS", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
            self.environment.pop(name, None)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the README, on this clone's port."""
        return subprocess.run(
            command.replace("8080", str(self.port)),
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Type `make run`."""
        with self.log.open("wb") as log:
            return subprocess.Popen(
                ["make", "run"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone whose environment is installed."""
    if shutil.which("make") is None or shutil.which("curl") is None:
        pytest.skip("needs make and curl")
    fresh = Clone(tmp_path_factory.mktemp("clone"))
    done = fresh.run(f"make .venv/installed-{sys.version_info.major}.{sys.version_info.minor}-run")
    assert done.returncode == 0, done.stdout + done.stderr
    return fresh


@pytest.fixture
def running(clone: Clone) -> Iterator[subprocess.Popen[bytes]]:
    """`make run`, once the worker is ready."""
    process = clone.start()
    try:

        def ready() -> bool:
            assert process.poll() is None, clone.log.read_text()
            return clone.run(".venv/bin/asyncinit status --ready").returncode == 0

        wait_until(ready, timeout=120)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


@pytest.mark.slow
def test_make_run_and_what_one_does_beside_it(clone: Clone, running: subprocess.Popen[bytes]) -> None:
    """All commands of "Try it" work, ctrl-C stops the services in reverse order, and nothing is left."""
    assert clone.run("curl http://127.0.0.1:8080/").stdout.startswith("visit ")
    status = clone.run(".venv/bin/asyncinit status").stdout
    assert {"app", "db", "web", "worker"} <= set(status.split())
    logs = clone.run(".venv/bin/asyncinit logs -n 5 web").stdout
    assert "GET / 200" in logs
    acts = ["restart web", "stop worker", "reload-config", "explain web", "analyze blame", "reexec"]
    for command in [f".venv/bin/asyncinit {act}" for act in acts]:
        done = clone.run(command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert clone.run("curl http://127.0.0.1:8080/").stdout.startswith("visit ")
    assert clone.run(".venv/bin/asyncinit check services.d").returncode == 0

    os.killpg(running.pid, signal.SIGINT)  # as the terminal does
    running.wait(timeout=60)
    log = clone.log.read_text()
    assert "finishing open requests" in log
    assert clone.run("curl --silent --fail http://127.0.0.1:8080/").returncode != 0


@pytest.mark.slow
def test_run_with_a_command_beside_the_services(clone: Clone, tmp_path: Path) -> None:
    """`asyncinit run -- pytest` runs the tests when all services are ready, and ends with their status."""
    shutil.copytree(clone.folder / "services.d", tmp_path / "services.d")
    (tmp_path / "test_it.py").write_text(
        "import os, urllib.request\n"
        "def test_it():\n"
        "    url = f'http://127.0.0.1:{os.environ[\"WEB_PORT\"]}/'\n"
        "    assert urllib.request.urlopen(url, timeout=10).read().startswith(b'visit ')\n"
        "def test_fails():\n"
        "    assert False\n"
    )
    path = f"{clone.folder}/.venv/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**clone.environment, "PATH": path, "WEB_PORT": str(free_port())}
    done = subprocess.run(
        ["asyncinit", "run", "--", "pytest", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
