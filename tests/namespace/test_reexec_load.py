"""A hundred re-execs in a row under load: every line, every connection and every exit status is accounted for."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import PROGRAMS, PYTHON, wait_until

pytestmark = [pytest.mark.namespace, pytest.mark.slow]

# All of them on the loop that people use; enough of them on the other one to see that it is no different.
TIMES = {"asyncio": 20, "uvloop": 100}

TALKS = "n=0; trap 'echo; echo end; exit 0' TERM; while :; do printf $n; sleep 0.01; n=$((n+1)); echo; done"
DIES = "echo $$ >> ledger.{code}; exit {code}"


class Client:
    """A connection to the control socket that is kept over all re-execs."""

    def __init__(self, init: Init) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(init.socket))
        self._buffer = b""

    def close(self) -> None:
        self._socket.close()

    def send(self, method: str, more: bool = False, **parameters: object) -> None:
        message = {"method": f"io.asyncinit.{method}", "parameters": parameters, "more": more}
        self._socket.sendall(json.dumps(message).encode() + b"\0")

    def receive(self) -> dict[str, object]:
        while b"\0" not in self._buffer:
            data = self._socket.recv(1 << 16)
            assert data, "hung up"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        reply = json.loads(message)
        assert "error" not in reply, reply
        return reply["parameters"]

    def call(self, method: str, **parameters: object) -> dict[str, object]:
        self.send(method, **parameters)
        return self.receive()


class Follower(threading.Thread):
    """Follows the output of one service, and keeps every line with its cursor."""

    def __init__(self, init: Init, name: str) -> None:
        super().__init__(daemon=True)
        self._client = Client(init)
        self._client.send("Logs", more=True, names=[name], follow=True)
        self.lines: list[str] = []
        self.dropped = 0

    def run(self) -> None:
        while True:
            try:
                reply = self._client.receive()
            except (AssertionError, OSError):
                self._client.close()
                return
            self.dropped += reply["dropped"]
            self.lines += [entry["message"] for entry in reply["entries"] if entry["stream"] != "event"]


class Asker(threading.Thread):
    """Connects to a service again and again, and expects each connection to be answered."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self.over = False
        self.asked = 0
        self.failures: list[str] = []

    def run(self) -> None:
        while not self.over:
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(60)
                    connection.connect(str(self._path))
                    connection.sendall(b"%d" % self.asked)
                    if connection.recv(100) != b"%d" % self.asked:
                        self.failures.append(f"{self.asked}: another answer")
            except OSError as error:
                self.failures.append(f"{self.asked}: {error}")
            self.asked += 1


@pytest.fixture
def world(tmp_path: Path, loop: str) -> Iterator[Init]:
    restart = 'restart = { policy = "always", delay = "20ms", max_delay = "20ms" }\n'
    services = {
        "talks": f'command = ["sh", "-c", "{TALKS}"]\nstop = {{ scope = "process" }}\n',
        **{f"dies-{code}": f'command = ["sh", "-c", "{DIES.format(code=code)}"]\n{restart}' for code in (1, 2, 3)},
        "serves": f'command = ["{PYTHON}", "{PROGRAMS / "serves.py"}", "20", "answers"]\n{restart}'
        f'[[sockets]]\nunix = "{tmp_path}/serves.sock"\n',
    }
    with Init(tmp_path, services, loop=loop) as init:
        init.wait_state("serves", "ready")
        yield init


@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_is_lost(world: Init, tmp_path: Path, loop: str) -> None:
    """Lines in two halves, clients that follow, connections that wait, services that die all the time."""
    follower, asker, control = Follower(world, "talks"), Asker(tmp_path / "serves.sock"), Client(world)
    follower.start()
    asker.start()
    pid = world.status()["talks"]["pid"]
    memory = []
    for _ in range(TIMES[loop]):
        assert control.call("Reexec")["before"]
        memory.append(resident(world.pid))
    wait_until(lambda: world.output.count("replaced: goes on as asyncinit") == TIMES[loop])
    assert world.status()["talks"]["pid"] == pid
    asker.over = True
    asker.join(60)
    descriptors = len(list(Path(f"/proc/{world.pid}/fd").iterdir()))
    world.kill()
    assert world.wait() == 0
    follower.join(60)
    control.close()

    # Every line, once and in order, on the console and for who follows.
    spoken = [line for line in world.lines("talks") if line]  # the signal may come between two lines, or within one
    assert spoken[-1] == "end"
    count = len(spoken) - 1
    assert spoken[:-1] == [str(number) for number in range(count)]
    assert follower.dropped == 0
    follower.lines = [line for line in follower.lines if line]
    assert follower.lines == spoken[int(follower.lines[0]) :][: len(follower.lines)]
    assert int(follower.lines[-1] if follower.lines[-1] != "end" else count) >= count - 20

    # Every connection, once.
    assert asker.failures == []
    answered = [int(line.split()[0]) for line in (tmp_path / "answers").read_text().splitlines()]
    assert answered == list(range(asker.asked))

    # Every end, with its status, and every count.
    for code in (1, 2, 3):
        ends = [
            r["message"] for r in world.records if r.get("service") == f"dies-{code}" and r.get("state") == "backoff"
        ]
        counted = [re.fullmatch(rf"exited with {code}; restart (\d+) (?:in|at) .*", end) for end in ends]
        assert [int(found[1]) for found in counted if found] == list(range(1, len(ends) + 1))
        made = len((tmp_path / f"ledger.{code}").read_text().split())
        assert made - len(ends) in (0, 1)  # the last one may have met the shutdown
    assert max(Counter((tmp_path / "answers").read_text().split()[1::2]).values()) == 20

    # Nothing has grown.
    assert descriptors < 60
    assert memory[-1] < memory[len(memory) // 4] * 1.25


def resident(pid: int) -> int:
    """The memory of a process, in pages."""
    return wait_until(lambda: int(Path(f"/proc/{pid}/statm").read_text().split()[1]))
