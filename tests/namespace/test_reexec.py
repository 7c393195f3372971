"""asyncinit replaces itself while it runs, as real PID 1 and as a subreaper: nobody notices, and nothing is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.programs.faulty_init import ESCAPES, FAILS_AT_TAKEOVER
from tests.support import PROGRAMS, PYTHON, ROOT, package, wait_until

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
        assert [" ".join(text.split()[:5]) for text in ends] == [
            f"exited with 3; restart {number}" for number in range(1, len(ends) + 1)
        ]
        assert init.call("shutdown").returncode == 0
        assert init.wait() == 0


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
        ("machine/last.py", "raise RuntimeError('half installed')\n", "RuntimeError: half installed"),
        ("machine/programs/getty.py", "def broken(:\n", "SyntaxError"),
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


# ---------------------------------------------------------------------------------------------------------------------
# The last resort


FAULTY = [str(PROGRAMS / "faulty_init.py")]


@pytest.mark.parametrize("pid1", [True, False])
def test_an_escaped_exception_is_no_end(tmp_path: Path, loop: str, pid1: bool) -> None:
    """The loop ends by an exception that nobody has caught: services and their counters go on in a new program."""
    services = {
        "stays": STAYS,
        "dies": 'command = ["sh", "-c", "sleep 0.1; exit 3"]\nrestart = { delay = "50ms", max_delay = "50ms" }\n',
    }
    with Init(tmp_path, services, loop=loop, pid1=pid1, program=FAULTY) as init:
        init.wait_state("dies", "backoff", 2)
        before = init.status()
        init.kill(ESCAPES)
        wait_until(lambda: replaced(init) == 1)
        after = init.status()
        assert after["stays"] == before["stays"]
        assert after["dies"]["restarts"] >= before["dies"]["restarts"]
        assert [r for r in init.records if r.get("level") == "error" and "the loop has ended" in r["message"]]
        init.kill()
        assert init.wait() == 0


def test_too_many_escapes_end_in_the_minimal_loop(tmp_path: Path, loop: str) -> None:
    """The fourth within a minute: services run on, their output is read on, orphans are reaped; TERM ends them all."""
    services = {
        "talks": 'command = ["sh", "-c", "trap \'echo bye; exit 0\' TERM; while :; do echo alive; sleep 0.05; done"]\n',
        "orphans": 'command = ["sh", "-c", "while :; do (sleep 0.01 &); sleep 0.02; done"]\n',
        "tty": 'tty = true\ncommand = ["sh", "-c", "while :; do echo typed; sleep 0.05; done"]\n',
    }
    with Init(tmp_path, services, loop=loop, program=FAULTY) as init:
        for name in services:
            init.wait_state(name, "ready")
        pids = {name: service["pid"] for name, service in init.status().items()}
        for times in range(1, 4):
            init.kill(ESCAPES)
            wait_until(lambda times=times: replaced(init) == times)
        init.kill(ESCAPES)
        wait_until(lambda: "services go on unsupervised" in init.output)
        assert "4 internal errors within 60 s" in init.output
        spoken = init.output.count("alive"), init.output.count("typed")
        wait_until(lambda: init.output.count("alive") > spoken[0] and init.output.count("typed") > spoken[1])
        assert all(Path(f"/proc/{pid}").exists() for pid in pids.values())
        wait_until(lambda: "Z" not in init.processes().values())
        assert init.call("status").returncode == 3
        init.kill()
        assert init.wait() == 70
        assert "bye" in init.output


def test_a_failed_takeover_ends_in_the_minimal_loop(tmp_path: Path, loop: str) -> None:
    """A program that has said that it can go on, and can not: services run on, and end on TERM."""
    talks = 'command = ["sh", "-c", "while :; do echo alive; sleep 0.05; done"]\n'
    with Init(tmp_path, {"talks": talks, "stays": STAYS}, loop=loop, program=FAULTY) as init:
        init.wait_state("stays", "ready")
        init.wait_state("talks", "ready")
        pids = {service["pid"] for service in init.status().values()}
        init.kill(FAILS_AT_TAKEOVER)
        wait_until(lambda: "services go on unsupervised" in init.output)
        assert "the take-over fails as it was asked for" in init.output
        spoken = init.output.count("alive")
        wait_until(lambda: init.output.count("alive") > spoken + 3)
        assert pids <= init.processes().keys()
        init.kill()
        assert init.wait() == 70


def test_the_minimal_loop_ends_with_the_last_service(tmp_path: Path, loop: str) -> None:
    """Nobody has to end what has nothing left to do."""
    ends = 'command = ["sh", "-c", "while [ ! -e end ]; do sleep 0.05; done"]\n'
    with Init(tmp_path, {"ends": ends}, loop=loop, program=FAULTY) as init:
        init.wait_state("ends", "ready")
        init.kill(FAILS_AT_TAKEOVER)
        wait_until(lambda: "services go on unsupervised" in init.output)
        (tmp_path / "end").touch()
        assert init.wait() == 70


@pytest.mark.slow
def test_nothing_leaks(tmp_path: Path, loop: str) -> None:
    """After twenty re-execs there are as many descriptors as after one, and no more memory."""
    services = {
        "web": 'command = ["sleep", "3600"]\n',
        "tty": 'command = ["sleep", "3600"]\ntty = true\n',
        "notify": f'command = ["{PYTHON}", "{PROGRAMS / "becomes.py"}", "notify"]\n[ready]\nnotify = true\n',
        "fd": f'command = ["{PYTHON}", "{PROGRAMS / "becomes.py"}", "notify_fd"]\n[ready]\nnotify_fd = 3\n',
        "listens": f'command = ["sleep", "1"]\non_demand = true\n[[sockets]]\nunix = "{tmp_path}/it.sock"\n',
        "timed": 'command = ["true"]\ntype = "oneshot"\n[timer]\nevery = "1h"\n',
    }
    (tmp_path / "go").touch()
    with Init(tmp_path, services, loop=loop) as init:
        for name in ("web", "tty", "notify", "fd"):
            init.wait_state(name, "ready")

        def held() -> tuple[list[str], int]:
            """What its descriptors are, and its memory in pages."""
            links = [os.readlink(link) for link in Path(f"/proc/{init.pid}/fd").iterdir()]
            kinds = sorted(link.partition(":")[0] for link in links)
            return kinds, int(Path(f"/proc/{init.pid}/statm").read_text().split()[1])

        reexec(init)
        before, memory = held()
        for _ in range(20):
            reexec(init)
        wait_until(lambda: held()[0] == before)
        assert held()[1] < memory * 1.1
