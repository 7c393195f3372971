"""Services in PID namespaces and pods that do as they are told, and what the kernel says of them."""

from __future__ import annotations

import ast
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.namespace.init import Init
from tests.support import PROGRAMS, PYTHON, wait_until


class Model(NamedTuple):
    """A way to put services together: what each of them says, and the pod if there is one.

    `inner`: they are asked for of the asyncinit in there.
    """

    service: str
    pod: str | None = None
    inner: bool = False


class Process(NamedTuple):
    """A process as /proc has it: its pids from ours down to its own, its parent as we see it, state and status file."""

    pids: list[int]
    parent: int
    state: str
    status: dict[str, str]


def look(pid: int) -> Process | None:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
    return Process([*map(int, status["NSpid"].split())], int(status["PPid"]), status["State"][0], status)


def namespace(pid: int, kind: str = "pid") -> str:
    return os.readlink(f"/proc/{pid}/ns/{kind}")


class World:
    """Services a, b and late (which nobody has started) of a model, and asyncinit."""

    def __init__(self, init: Init) -> None:
        self.init = init

    def start_late(self) -> None:
        """Start the service that nobody has started."""
        done = self.init.call("start", "late")
        assert done.returncode == 0, done.stderr

    def pid(self, name: str) -> int:
        """Return the main process of a service as we see it."""
        return int(wait_until(lambda: self.init.status()[name]["pid"]))

    def ask(self, name: str, expression: str) -> Any:
        """Have a service evaluate something; None where it ends of it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(20)
            client.connect(str(self.init.folder / f"{name}.sock"))
            client.sendall(expression.encode() + b"\n")
            answer = b""
            while part := client.recv(65536):
                answer += part
        return ast.literal_eval(answer.decode()) if answer else None

    def inside(self, pid: int) -> dict[int, Process]:
        """Return all processes of the PID namespace that `pid` is in, by their pids in there."""
        number, zombies, found = namespace(pid), [], {}
        for entry in filter(str.isdigit, os.listdir("/proc")):
            process = look(int(entry))
            try:
                if process is not None and process.state == "Z":
                    zombies.append(process)
                elif process is not None and namespace(int(entry)) == number:
                    found[process.pids[-1]] = process
            except OSError:
                continue  # it has ended meanwhile
        here = {process.pids[0] for process in found.values()}
        found |= {zombie.pids[-1]: zombie for zombie in zombies if zombie.parent in here}
        return found

    def pid1(self, pid: int) -> Process:
        """Return PID 1 of the PID namespace that `pid` is in."""
        return self.inside(pid)[1]


def there(pid: int) -> Process:
    process = look(pid)
    assert process is not None, f"pid {pid} is gone"
    return process


@contextmanager
def world(folder: Path, model: Model, loop: str = "asyncio", programs: Path = PROGRAMS, **more: Any) -> Iterator[World]:
    python = more.get("python", PYTHON)
    declared = f'command = ["{python}", "-I", "-S", "{programs / "agent.py"}", "{folder}/%s.sock"]\n'
    declared += f'restart = "never"\nready = {{ log = "listening" }}\n{model.service}\n'
    services = {name: declared % name for name in ("a", "b")} | {"late": declared % "late" + "enabled = false\n"}
    pods = None if model.pod is None else {"pod": model.pod}
    with Init(folder, services, pods=pods, loop=loop, settings="keep_running = true", **more) as init:
        if model.inner:
            wait_until((folder / "pod-pod.sock").exists)
            init.socket = folder / "pod-pod.sock"  # who has these services is in there
        for name in ("a", "b"):
            wait_until(lambda name=name: init.status().get(name, {}).get("state") == "ready")  # type: ignore[misc]
        yield World(init)
