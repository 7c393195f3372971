"""A re-exec in every phase of a service's life: whatever was under way goes on, once, and ends as it would have."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import PROGRAMS, PYTHON, ROOT, wait_until

pytestmark = [pytest.mark.namespace, pytest.mark.parametrize("loop", LOOPS)]

WAITS = "echo $0 >> began; while [ ! -e go ]; do sleep 0.02; done; echo $0 >> done"


def hook(name: str) -> str:
    """A hook that notes when it begins, waits for the file `go`, and notes when it ends."""
    return f'["sh", "-c", "{WAITS}", "{name}"]'


def reexec(init: Init) -> None:
    done = init.call("reexec")
    assert done.returncode == 0, (done, init.output)


def noted(folder: Path, file: str) -> list[str]:
    return sorted((folder / file).read_text().split()) if (folder / file).exists() else []


def client(init: Init, *words: str) -> subprocess.Popen[str]:
    """A command that waits."""
    wait_until(init.status)
    return subprocess.Popen(
        [PYTHON, "-m", "asyncinit", "--socket", str(init.socket), *words],
        env=init.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def test_readiness_of_every_kind(tmp_path: Path, loop: str) -> None:
    """What was looked for before is looked for afterwards, and who waits for a start is told when it is done."""
    tcp, http = free_ports(2)
    kinds = {
        "notify": ("notify = true", ""),
        "notify_fd": ("notify_fd = 3", ""),
        "tcp": (f'tcp = "127.0.0.1:{tcp}"', str(tcp)),
        "http": (f'http = "http://127.0.0.1:{http}/"', str(http)),
        "unix": (f'unix = "{tmp_path}/it.sock"', f"{tmp_path}/it.sock"),
        "file": (f'file = "{tmp_path}/it.file"', f"{tmp_path}/it.file"),
        "pid_file": (f'pid_file = "{tmp_path}/it.pid"', f"{tmp_path}/it.pid"),
        "log": ('log = "listening *"', ""),
        "command": (f'command = ["test", "-e", "{tmp_path}/go"]', ""),
    }
    services = {
        kind: f'command = ["{PYTHON}", "{PROGRAMS / "becomes.py"}", "{kind}", "{argument}"]\nenabled = false\n'
        f"[ready]\n{ready}\n"
        for kind, (ready, argument) in kinds.items()
    }
    with Init(tmp_path, services, loop=loop, settings="keep_running = true") as init:
        waiting = client(init, "start", *kinds)
        wait_until(lambda: all("up" in init.lines(kind) for kind in kinds), 60)
        before = {name: service["pid"] for name, service in init.status().items()}
        reexec(init)
        reexec(init)
        assert {service["state"] for service in init.status().values()} == {"starting"}
        (tmp_path / "go").touch()
        assert waiting.wait(60) == 0
        assert waiting.stdout is not None
        assert sorted(line.split()[0] for line in waiting.stdout.read().splitlines() if "ready" in line) == sorted(
            kinds
        )
        after = init.status()
        assert {name: service["pid"] for name, service in after.items()} == before
        assert after["notify"]["status_text"] == "here I am"
        reexec(init)
        assert {service["state"] for service in init.status().values()} == {"ready"}
        waiting.stdout.close()


@pytest.mark.parametrize("stage", ["pre_start", "post_start", "pre_stop", "post_stop"])
def test_hooks_go_on(tmp_path: Path, loop: str, stage: str) -> None:
    """The hook that runs is not run again, the one after it is run once, and what follows comes as declared."""
    hooks = f"[hooks]\n{stage} = [{hook('first')}, {hook('second')}]\n"
    services = {"web": f'command = ["sleep", "3600"]\nenabled = false\n{hooks}'}
    with Init(tmp_path, services, loop=loop, settings="keep_running = true") as init:
        begins = client(init, "start", "web")
        if stage.endswith("stop"):
            assert begins.wait(60) == 0
            ends = client(init, "stop", "web")
        wait_until(lambda: noted(tmp_path, "began") == ["first"])
        reexec(init)
        assert noted(tmp_path, "began") == ["first"]
        (tmp_path / "go").touch()
        waits = ends if stage.endswith("stop") else begins
        assert waits.wait(60) == 0
        assert noted(tmp_path, "began") == noted(tmp_path, "done") == ["first", "second"]
        assert init.status()["web"]["state"] == ("inactive" if stage.endswith("stop") else "ready")
        for one in {begins, waits}:
            assert one.stdout is not None
            one.stdout.close()


def test_a_preparation_is_begun_again(tmp_path: Path, loop: str) -> None:
    """A child that reads an environment file which never ends to be read is another one afterwards."""
    os.mkfifo(tmp_path / "variables")
    services = {
        "web": f'command = ["sh", "-c", "echo $FOUND; exec sleep 3600"]\nenvironment_file = ["{tmp_path}/variables"]\n'
    }
    with Init(tmp_path, services, loop=loop) as init:
        init.wait_state("web", "starting")
        reexec(init)
        assert init.status()["web"]["state"] == "starting"
        (tmp_path / "variables").write_text("FOUND=it\n")
        init.wait_state("web", "ready")
        wait_until(lambda: init.lines("web") == ["it"])


def test_stops_and_waits_go_on(tmp_path: Path, loop: str) -> None:
    """Deadlines stay where they were: of a stop, of the kill after it, of a restart; and a reload is told its end."""
    stubborn = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    services = {
        "stubborn": f'command = ["sh", "-c", "{stubborn}"]\n[stop]\ntimeout = "6s"\n',
        "patient": 'command = ["false"]\n[restart]\ndelay = "3600s"\njitter = 0\n',
        "reloads": f'command = ["sleep", "3600"]\n[reload]\ncommand = {hook("reload")}\n',
        "stops": f'command = ["sleep", "3600"]\n[stop]\ncommand = ["sh", "-c", "{WAITS}; kill $MAINPID", "stop"]\n'
        'timeout = "600s"\n',
    }
    with Init(tmp_path, services, loop=loop) as init:
        wait_until(lambda: init.lines("stubborn") == ["up"])
        init.wait_state("patient", "backoff")
        init.wait_state("reloads", "ready")
        init.wait_state("stops", "ready")
        clients = [client(init, "reload", "reloads"), client(init, "stop", "stops")]
        wait_until(lambda: noted(tmp_path, "began") == ["reload", "stop"])
        begun = time.monotonic()
        clients.append(client(init, "stop", "stubborn"))
        init.wait_state("stubborn", "stopping")
        before = init.status()
        assert before["reloads"]["state"] == "reloading"
        reexec(init)
        after = init.status()
        assert abs(moment(after["patient"]["next_start"]) - moment(before["patient"]["next_start"])) < 0.5
        for name in ("patient", "reloads", "stops"):
            assert after[name]["state"] == before[name]["state"]
        (tmp_path / "go").touch()
        assert [one.wait(60) for one in clients] == [0, 0, 0]
        assert time.monotonic() - begun >= 6
        assert noted(tmp_path, "began") == noted(tmp_path, "done") == ["reload", "stop"]
        last = init.status()
        assert last["reloads"]["state"] == "ready"
        assert last["stops"]["state"] == last["stubborn"]["state"] == "inactive"
        assert last["stubborn"]["last_exit"]["signal"] == signal.SIGKILL
        for one in clients:
            assert one.stdout is not None
            one.stdout.close()


def test_a_main_process_of_others_is_kept(tmp_path: Path, loop: str) -> None:
    """A daemon that forks, whose pid file named it: its end is seen, with its status, by the program after."""
    daemon = "sleep 3600 & echo $! > it.pid"
    services = {
        "web": f'command = ["sh", "-c", "{daemon}"]\n[ready]\npid_file = "{tmp_path}/it.pid"\n'
        '[restart]\npolicy = "never"\n'
    }
    with Init(tmp_path, services, loop=loop, settings="keep_running = true") as init:
        init.wait_state("web", "ready")
        pid = init.status()["web"]["pid"]
        reexec(init)
        assert init.status()["web"]["pid"] == pid
        os.kill(pid, signal.SIGTERM)
        init.wait_state("web", "failed")
        assert init.status()["web"]["last_exit"]["signal"] == signal.SIGTERM


def test_who_ends_in_between_is_known(tmp_path: Path, loop: str) -> None:
    """Processes that end while there is nobody to see it are zombies, with their statuses, for the next reaper."""
    script = "while [ ! -e end ]; do :; done; exit $0"
    services = {
        str(code): f'command = ["sh", "-c", "{script}", "{code}"]\n[restart]\npolicy = "never"\n'
        for code in range(10, 15)
    }
    with Init(tmp_path, services, loop=loop, settings="keep_running = true") as init:
        for name in services:
            init.wait_state(name, "ready")
        waiting = client(init, "reexec")
        wait_until(lambda: "replacing asyncinit" in init.output)
        (tmp_path / "end").touch()
        init.kill(signal.SIGUSR2)
        assert waiting.wait(60) == 0
        assert waiting.stdout is not None
        waiting.stdout.close()
        wait_until(lambda: "SIGUSR2" in init.output)  # signals wait too
        for name in services:
            init.wait_state(name, "failed")
        assert {name: one["last_exit"]["code"] for name, one in init.status().items()} == {n: int(n) for n in services}


def test_a_terminal_and_its_input(tmp_path: Path, loop: str) -> None:
    """A service on a pseudo-terminal of its own keeps it, and its lines are read on."""
    services = {"web": 'tty = true\ncommand = ["sh", "-c", "while :; do tty; sleep 0.1; done"]\n'}
    with Init(tmp_path, services, loop=loop) as init:
        wait_until(lambda: init.lines("web"))
        reexec(init)
        seen = len(init.lines("web"))
        wait_until(lambda: len(init.lines("web")) > seen + 3)
        assert len(set(init.lines("web"))) == 1
        assert init.status()["web"]["restarts"] == 0


def test_a_shutdown_is_not_interrupted(tmp_path: Path, loop: str) -> None:
    """Asked for while asyncinit shuts down, it is refused; the end comes as it would have."""
    services = {"slow": 'command = ["sh", "-c", "trap \'\' TERM; echo up; while :; do sleep 0.05; done"]\n'}
    with Init(tmp_path, services, loop=loop, settings='shutdown_timeout = "4s"') as init:
        wait_until(lambda: init.lines("slow"))
        init.kill()
        init.wait_state("slow", "stopping")
        done = init.call("reexec")
        assert done.returncode == 1
        assert "shutting down" in done.stderr
        assert init.wait() == 124


def test_the_command_of_the_command_line(tmp_path: Path, loop: str) -> None:
    """CMD beside services is kept with our own descriptors, and its status is asyncinit's at the end."""
    command = "echo hello; while [ ! -e end ]; do sleep 0.05; done; echo bye; exit 7"
    with Init(
        tmp_path, {"web": 'command = ["sleep", "3600"]\n'}, loop=loop, arguments=["--", "sh", "-c", command]
    ) as init:
        wait_until(lambda: "hello" in init.output)
        reexec(init)
        reexec(init)
        (tmp_path / "end").touch()
        assert init.wait() == 7
        assert "bye" in init.output


def test_readiness_is_told_upward_once(tmp_path: Path, loop: str) -> None:
    """--ready-fd is carried as long as nothing was told, and is told once."""
    reader, writer = os.pipe()
    services = {"web": f'command = ["{PYTHON}", "{PROGRAMS / "becomes.py"}", "notify"]\n[ready]\nnotify = true\n'}
    words = ["--ready-fd", str(writer)]
    with Init(tmp_path, services, loop=loop, pid1=False, arguments=words, pass_fds=[writer]) as init:
        os.close(writer)
        wait_until(lambda: init.lines("web"))
        reexec(init)
        (tmp_path / "go").touch()
        assert os.read(reader, 10) == b"\n"
        reexec(init)
        assert os.read(reader, 10) == b""
    os.close(reader)


def test_unshared(tmp_path: Path, loop: str) -> None:
    """As PID 1 under --unshare it is the same process for the one outside, who hands its status on."""
    folder = tmp_path / "services.d"
    folder.mkdir()
    (folder / "web.toml").write_text('command = ["sh", "-c", "echo I am here; exec sleep 3600"]\n')
    (tmp_path / "asyncinit.toml").write_text(f'[init]\ncontrol_socket = "{tmp_path}/control.sock"\n')
    words = [PYTHON, "-m", "asyncinit"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ASYNCINIT_LOOP": loop}
    with (tmp_path / "output").open("wb") as output:
        outer = subprocess.Popen(
            [*words, "run", "--unshare", "--config", str(tmp_path / "asyncinit.toml")],
            env=environment,
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_until(lambda: "I am here" in (tmp_path / "output").read_text())
        done = subprocess.run(
            [*words, "--socket", f"{tmp_path}/control.sock", "reexec"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done
        wait_until(lambda: "replaced" in (tmp_path / "output").read_text())
        outer.terminate()
        assert outer.wait(60) == 0
    finally:
        outer.kill()
        outer.wait()
