"""What the container tests ask of a Docker engine: build, run, look, remove."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import wait_until

LABEL = "asyncinit.test"


def run_label() -> str:
    """Return the label of all that this test run makes in the engine: it is removed at the run's end."""
    return f"{LABEL}={Path(os.environ['ASYNCINIT_TEST_RUN']).name}"


def docker(*arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a docker command; with `check`, fail with what it said."""
    done = subprocess.run(
        ["docker", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments)}: exited with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


@dataclass(frozen=True, slots=True)
class Container:
    """A container of this test run."""

    id: str

    def exec(self, *command: str, check: bool = True, user: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as `docker exec` does."""
        return docker("exec", *(["--user", user] if user else []), self.id, *command, check=check)

    def state(self) -> dict[str, Any]:
        """Return the engine's view: Running, ExitCode, OOMKilled, Health ..."""
        state: dict[str, Any] = json.loads(docker("inspect", "--format", "{{json .State}}", self.id).stdout)
        return state

    def logs(self) -> str:
        """Return everything that the container wrote so far, both streams."""
        done = docker("logs", self.id)
        return done.stdout + done.stderr

    def wait(self, timeout: float = 60) -> int:
        """Wait until the container has ended; return its exit code."""
        return int(docker("wait", self.id, timeout=timeout).stdout)

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until `asyncinit status --ready` is content."""

        def ready() -> bool:
            assert self.state()["Running"], self.logs()
            return self.exec("asyncinit", "status", "--ready", check=False).returncode == 0

        wait_until(ready, timeout=timeout)

    def processes(self) -> list[tuple[int, str, str, int]]:
        """List what runs in the container: (pid, name, state, parent), but for the command that lists them."""
        script = 'for f in /proc/[0-9]*/stat; do [ "$f" = /proc/$$/stat ] || cat "$f" 2>/dev/null; done; :'
        rows = []
        for line in self.exec("sh", "-c", script).stdout.splitlines():
            pid, rest = line.split(" (", 1)
            name, rest = rest.rsplit(") ", 1)
            fields = rest.split()
            if name != "cat":
                rows.append((int(pid), name, fields[0], int(fields[1])))
        return rows


def start(image: str, options: Sequence[str] = (), command: Sequence[str] = ()) -> Container:
    """Start a container in the background, without a network but loopback."""
    done = docker("run", "--detach", "--network", "none", "--label", run_label(), *options, image, *command)
    return Container(done.stdout.strip())


def remove_all(label: str) -> None:
    """Remove the containers and images that a test run has made."""
    if containers := docker("ps", "--all", "--quiet", "--filter", f"label={label}").stdout.split():
        docker("rm", "--force", "--volumes", *containers)
    form = "{{.Repository}}:{{.Tag}}"
    for _ in range(2):  # an image that another one is made of goes after it
        images = docker("images", "--filter", f"label={label}", "--format", form).stdout.split()
        for image in images:
            docker("rmi", "--force", image, check=False)
    dangling = docker("images", "--quiet", "--filter", f"label={label}").stdout.split()
    if dangling:
        docker("rmi", "--force", *sorted(set(dangling)), check=False)
