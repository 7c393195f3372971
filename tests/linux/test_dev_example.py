"""examples/dev, as its README tells it: notes are kept and counted, saved files take effect, and ctrl-C ends all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from tests.developing import Folder
from tests.support import ROOT, wait_until

EXAMPLE = ROOT / "examples/dev"
SERVER = Path("/usr/bin/redis-server")


class Project(Folder):
    """A copy of the example on ports of its own."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".data", "__pycache__"))
        super().__init__(folder, {})
        self.port, api = free_ports(2)
        self.environment |= {"WEB_PORT": str(self.port), "API_PORT": str(api)}

    def ask(self, path: str, body: object = None) -> Any:
        """Ask the front end; None while it does not answer."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", data), timeout=10) as answer:
                return json.load(answer)
        except (URLError, OSError):
            return None

    def state(self, name: str) -> dict[str, Any]:
        """Return what `asyncinit status` says of one service."""
        found = json.loads(self.client("status", "--json").stdout)["services"]
        return next(service for service in found if service["name"] == name)

    def ready_anew(self, name: str, pid: int) -> bool:
        """Tell whether a service is ready with another process."""
        now = self.state(name)
        return now["state"] == "ready" and now["pid"] != pid

    def edit(self, name: str, text: str) -> None:
        """Save a file as an editor does: another one takes its place."""
        (self.folder / f"{name}.new").write_text(text)
        os.replace(self.folder / f"{name}.new", self.folder / name)


def free_ports(number: int) -> list[int]:
    """Return ports that nobody has at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.mark.parametrize("store", ["InRedis", "InSQLite"])
def test_a_day_with_the_example(tmp_path: Path, store: str) -> None:
    """What its README says, where redis is installed and where it is not."""
    if store == "InRedis" and not SERVER.exists():
        pytest.skip(f"there is no {SERVER}")
    project = Project(tmp_path)
    if store == "InSQLite":
        redis = (tmp_path / "services.d/redis.toml").read_text()
        project.edit("services.d/redis.toml", redis.replace(str(SERVER), "/nowhere/redis-server"))
    with project.dev() as run:
        run.out.expect("all services are ready")
        assert project.ask("/api/healthz") == {"store": store}
        assert project.ask("/api/notes", {"text": "one two three"}) == {"number": 1}
        counted = [{"number": 1, "text": "one two three", "words": 3}]
        wait_until(lambda: project.ask("/api/notes") == counted)
        a_saved_file_restarts(project, counted)
        a_saved_page_is_shown(project)
        a_mistake_is_mended(project)
        run.signal(signal.SIGINT)
        assert run.wait() == 0
        project.nothing_left()
    assert not (tmp_path / ".data/redis.sock").exists()


def a_saved_file_restarts(project: Project, counted: object) -> None:
    """The API comes back with what the file says now, and with the notes."""
    pid = project.state("api")["pid"]
    source = (project.folder / "api/serve.py").read_text()
    project.edit("api/serve.py", source.replace('{"store": type(store).__name__}', '{"store": "changed"}'))
    wait_until(lambda: project.ready_anew("api", pid) and project.ask("/api/healthz") == {"store": "changed"}, 30)
    wait_until(lambda: project.state("web")["state"] == project.state("worker")["state"] == "ready", 30)
    assert project.ask("/api/notes") == counted


def a_saved_page_is_shown(project: Project) -> None:
    """Who has the page open is told, and the server is still the same."""
    pid = project.state("web")["pid"]
    with urlopen(f"http://127.0.0.1:{project.port}/changes", timeout=30) as changes:
        project.edit("front/pages/index.html", "<h1>Other</h1>")
        while not (line := changes.readline()).startswith(b"data:"):
            assert line, "the server has gone"
    assert project.state("web")["pid"] == pid


def a_mistake_is_mended(project: Project) -> None:
    """A worker that cannot start any more comes back when its file is right again."""
    pid, source = project.state("worker")["pid"], (project.folder / "worker/work.py").read_text()
    project.edit("worker/work.py", "no Python\n")
    wait_until(lambda: project.state("worker")["state"] == "backoff", 30)
    project.edit("worker/work.py", source)
    wait_until(lambda: project.ready_anew("worker", pid), 30)
