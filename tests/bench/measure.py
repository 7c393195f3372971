"""One run of one subject: how long its services take to start and to stop, what it costs meanwhile."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.subjects import STARTED, Subject
from tests.support import ROOT, wait_until

PATIENCE = 120.0
"""Seconds after which a subject is given up: it does not start, or does not stop."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds, and KiB of proportional memory without the services; None: there is no such thing."""

    start: float
    query: float | None
    stop: float
    memory: int


def environment() -> dict[str, str]:
    """Return the environment of what is measured: asyncinit from this repository, compiled."""
    given = {**os.environ, "PYTHONPATH": str(ROOT)}
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    return given


def namespace() -> list[str]:
    """Return the words that make a command PID 1 of a fresh PID namespace."""
    words = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
    return words if os.geteuid() == 0 else [*words, "--user", "--map-root-user"]


def children(pid: int) -> list[int]:
    """List the direct children of a process."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def memory(init: int) -> int:
    """Return the proportional memory in KiB of the init and its helpers: all of its tree that is no service."""
    total, todo = 0, [init]
    while todo:
        pid = todo.pop()
        todo += children(pid)
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip() not in ("sh", "sleep"):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except FileNotFoundError:
            continue
    return total


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in `folder`; kill what is left of it at the end."""
    log = (folder / "output").open("wb")
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
    try:
        yield process
    except AssertionError as error:
        raise AssertionError(f"{error}\n{(folder / 'output').read_text(errors='replace')[-2000:]}") from None
    finally:
        log.close()
        process.kill()
        process.wait()


def wait_for_lines(fifo: int, count: int, process: subprocess.Popen[bytes]) -> None:
    """Read until each service has written its line."""
    seen, deadline = 0, time.monotonic() + PATIENCE
    while seen < count:
        assert process.poll() is None, f"it ended by itself after {seen} of {count} services"
        assert time.monotonic() < deadline, f"only {seen} of {count} services have started"
        if select.select([fifo], [], [], 1)[0]:
            seen += os.read(fifo, 65536).count(b"\n")


def measure(subject: Subject, count: int) -> Sample:
    """Start `subject` with `count` services, ask for their state, stop it."""
    folder = Path(tempfile.mkdtemp(prefix="asyncinit-bench-"))
    os.mkfifo(folder / "started")
    fifo = os.open(folder / "started", os.O_RDWR | os.O_NONBLOCK)
    try:
        command = [*namespace(), *subject.prepare(folder, count, [*STARTED, f"{folder}/started"])]
        begin = time.perf_counter()
        with running(command, folder) as process:
            wait_for_lines(fifo, count, process)
            start = time.perf_counter() - begin
            init = children(process.pid)[0]
            query = None if subject.query is None else ask(subject.query(folder))
            used = memory(init)
            begin = time.perf_counter()
            os.kill(init, signal.SIGTERM)
            process.wait(timeout=PATIENCE)
            return Sample(start, query, time.perf_counter() - begin, used)
    finally:
        os.close(fifo)
        shutil.rmtree(folder)


def ask(command: list[str]) -> float:
    """Return how long a query takes, once it works at all."""

    def works() -> float:
        begin = time.perf_counter()
        done = subprocess.run(command, env=environment(), capture_output=True, timeout=PATIENCE, check=False)
        return time.perf_counter() - begin if done.returncode == 0 else 0.0

    wait_until(works, timeout=PATIENCE)
    return works()
