"""Sockets that asyncinit holds, as real PID 1: on demand, kept over restarts, handed over."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import LOOPS
from tests.namespace.init import Init
from tests.support import PROGRAMS, PYTHON, ROOT, wait_until

on_both_loops = pytest.mark.parametrize("kind", LOOPS)
SERVER = [PYTHON, "-S", "-E", str(PROGRAMS / "serving.py")]


def serving(port: int, *options: str, more: str = "") -> str:
    """The declaration of a server on a port of loopback."""
    words = ", ".join(f'"{word}"' for word in (*SERVER, *options))
    return f'command = [{words}]\n{more}\n[[sockets]]\ntcp = "127.0.0.1:{port}"\nname = "http"\n'


def ask(port: int, timeout: float = 30.0) -> str:
    """Connect, say something, and return the answer: the pid that the server sees, and what it says."""
    with socket.create_connection(("127.0.0.1", port), timeout) as client:
        client.sendall(b"hello\n")
        answer = b""
        while part := client.recv(1000):
            answer += part
    assert answer, "the connection was closed without an answer"
    return answer.decode()


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


class Load:
    """Requests one after another, from several threads; every failure is kept."""

    def __init__(self, request: Callable[[], str], threads: int = 3) -> None:
        self.answers: list[str] = []
        self.failures: list[str] = []
        self.slowest = 0.0
        self._request = request
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._go, daemon=True) for _ in range(threads)]

    def _go(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self.answers.append(self._request())
            except Exception as error:
                self.failures.append(repr(error))
            self.slowest = max(self.slowest, time.monotonic() - began)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.more()
        return self

    def more(self, count: int = 20) -> None:
        """Wait for more answers."""
        enough = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= enough or self.failures, 60)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def servers(self) -> set[str]:
        return {answer.split()[0] for answer in self.answers}


@on_both_loops
def test_the_first_connection_starts_it_and_what_it_requires(tmp_path: Path, kind: str, free_port: int) -> None:
    """Until then it listens, and asyncinit stays and is ready; the connection waits until it is served."""
    hook = f'[hooks]\npre_start = [["sh", "-c", "env > {tmp_path}/hook"]]\n'
    services = {
        "web": serving(free_port, "--say", "served", more='on_demand = true\nrequires = ["db"]').replace(
            "[[sockets]]", hook + "[[sockets]]"
        ),
        "db": 'command = ["sleep", "1000"]\nenabled = false\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "listening")
        status = init.status()
        assert (status["web"]["state"], status["web"]["pid"], status["db"]["state"]) == ("listening", None, "inactive")
        assert init.call("status", "--ready").returncode == 0
        assert "served" in ask(free_port)
        assert init.states("db")[-1] == ("db", "ready")
        wait_until(lambda: init.lines("web") == ["begun http"])
        assert "LISTEN_" not in (tmp_path / "hook").read_text()
        init.kill()
        assert init.wait() == 0
        assert refused(free_port)


@on_both_loops
def test_a_crash_loop_ends_in_a_refusal(tmp_path: Path, kind: str, free_port: int) -> None:
    """The limit of restarts holds; failed for good it refuses connections, until it is started by hand."""
    gate = tmp_path / "gate"
    gate.write_text("fail")
    limit = 'on_demand = true\nrestart = { limit = 2, delay = "10ms" }'
    services = {"web": serving(free_port, "--gate", str(gate), more=limit)}
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "listening")
        with socket.create_connection(("127.0.0.1", free_port)) as waiting:
            init.wait_state("web", "failed")
            with pytest.raises(ConnectionResetError):
                waiting.recv(1)
        assert init.states("web").count(("web", "starting")) == 3
        assert init.status()["web"]["reason"]["code"] == "start-limit-hit"
        assert refused(free_port)
        gate.write_text("")
        assert init.call("start", "web").returncode == 0
        assert ask(free_port)


@on_both_loops
def test_who_does_not_take_its_connection_does_not_spin(tmp_path: Path, kind: str, free_port: int) -> None:
    """A program that ends well without looking is started for the connection that waits, but not for ever."""
    services = {
        "web": f'command = ["true"]\non_demand = true\n[[sockets]]\ntcp = "127.0.0.1:{free_port}"\n',
        "other": 'command = ["sleep", "1000"]\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "listening")
        with socket.create_connection(("127.0.0.1", free_port)):
            init.wait_state("web", "failed")
        assert init.status()["web"]["reason"]["code"] == "start-limit-hit"
        assert refused(free_port)


@on_both_loops
def test_one_that_ends_after_each_connection_listens_again(tmp_path: Path, kind: str, free_port: int) -> None:
    """As inetd had it, with `restart` left alone."""
    with Init(tmp_path, {"web": serving(free_port, "--once", more="on_demand = true")}, loop=kind) as init:
        init.wait_state("web", "listening")
        assert len({ask(free_port) for _ in range(3)}) == 3
        init.wait_state("web", "listening", 4)


@on_both_loops
def test_an_idle_service_is_stopped_until_the_next_connection(tmp_path: Path, kind: str, free_port: int) -> None:
    """Not while somebody is connected, and not while something that requires it runs."""
    services = {
        "web": serving(free_port, more='on_demand = true\nidle_stop = "300ms"'),
        "user": 'command = ["sleep", "1000"]\nenabled = false\nrequires = ["web"]\n',
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "listening")
        with socket.create_connection(("127.0.0.1", free_port)) as client:
            init.wait_state("web", "ready")
            time.sleep(1.5)  # several intervals
            assert ("web", "stopping") not in init.states("web")
            client.sendall(b"hello\n")
            assert client.recv(100)
        init.wait_state("web", "listening", 2)
        assert init.status()["web"]["reason"]["text"] == "no connection for 300 ms"
        assert init.call("start", "user").returncode == 0
        time.sleep(1.5)
        assert init.states("web")[-1] == ("web", "ready")
        assert init.call("stop", "user").returncode == 0
        init.wait_state("web", "listening", 3)
        assert ask(free_port)


@on_both_loops
def test_no_connection_is_refused_during_a_restart(tmp_path: Path, kind: str, free_port: int) -> None:
    """By hand, after a crash, and for another declaration: whoever connects meanwhile waits, and is answered."""
    with Init(tmp_path, {"web": serving(free_port, "--say", "first")}, loop=kind) as init:
        init.wait_state("web", "ready")
        with Load(lambda: ask(free_port)) as load:
            assert init.call("restart", "web").returncode == 0
            load.more()
            (tmp_path / "services.d" / "web.toml").write_text(serving(free_port, "--say", "second"))
            assert init.call("reload-config").returncode in {0, 1}, "whether anything changed"
            wait_until(lambda: "second" in load.answers[-1])
            load.more()
        assert load.failures == []
        assert len(load.servers) == 3
        pid = init.status()["web"]["pid"]
        os.kill(pid, 9)
        assert ask(free_port)
        (tmp_path / "services.d" / "web.toml").unlink()
        (tmp_path / "services.d" / "other.toml").write_text('command = ["sleep", "1000"]\n')
        init.call("reload-config")
        wait_until(lambda: refused(free_port))


@on_both_loops
def test_a_unix_socket_comes_and_goes_with_its_service(tmp_path: Path, kind: str) -> None:
    """It has its mode, it is there before the service is, and it is gone when the service was stopped."""
    path = tmp_path / "run" / "web.sock"
    gate = tmp_path / "gate"
    text = serving(1, "--gate", str(gate), "--ready-fd", "4").replace(
        'tcp = "127.0.0.1:1"', f'unix = "{path}"\nmode = "0640"'
    )
    services = {"web": f"ready = {{ notify_fd = 4 }}\n{text}", "other": 'command = ["sleep", "1000"]\n'}
    with Init(tmp_path, services, loop=kind) as init:
        wait_until(path.exists)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"hello\n")
            gate.touch()
            client.settimeout(30)
            assert client.recv(100)
        init.wait_state("web", "ready")
        assert init.call("stop", "web").returncode == 0
        wait_until(lambda: not path.exists())
        assert init.call("start", "web").returncode == 0
        assert path.exists()
        init.kill()
        assert init.wait() == 0
        assert not path.exists()


@on_both_loops
def test_an_address_that_is_taken_is_told_with_its_owner(tmp_path: Path, kind: str, free_port: int) -> None:
    """The service fails by name, and comes up by its restart policy once the address is free."""
    with socket.create_server(("127.0.0.1", free_port)) as server:
        services = {"web": serving(free_port), "lazy": serving(free_port, more="on_demand = true")}
        with Init(tmp_path, services, loop=kind) as init:
            init.wait_state("web", "backoff")
            init.wait_state("lazy", "backoff")
            reason = init.status()["web"]["reason"]
            assert reason["code"] == "resources"
            assert f"cannot listen on tcp 127.0.0.1:{free_port}: " in reason["text"]
            server.close()
            assert init.call("stop", "lazy").returncode == 0
            init.wait_state("web", "ready")
            assert ask(free_port)


OVERLAP = 'handover = "overlap"\nready = { notify_fd = 4 }\n'


@on_both_loops
def test_a_restart_hands_over_without_a_gap(tmp_path: Path, kind: str, free_port: int) -> None:
    """The old instance answers until the new one is ready: nobody waits for either, and nobody is refused."""
    gate = tmp_path / "gate"
    gate.touch()
    text = serving(free_port, "--ready-fd", "4", "--gate", str(gate), more=OVERLAP)
    services = {"web": text, "front": 'command = ["sleep", "1000"]\nbinds_to = ["web"]\n'}
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("front", "ready")
        first = init.status()["web"]["pid"]
        with Load(lambda: ask(free_port)) as load:
            gate.unlink()
            answers: list[int] = []
            restart = threading.Thread(target=lambda: answers.append(init.call("restart", "web").returncode))
            restart.start()
            wait_until(lambda: init.status()["web"]["successor"] is not None)
            load.more()
            assert init.status()["web"]["pid"] == first
            assert answers == []
            gate.touch()
            restart.join()
            assert answers == [0]
            load.more()
        assert load.failures == []
        status = init.status()["web"]
        assert status["pid"] != first
        assert status["successor"] is None
        wait_until(lambda: init.status()["web"]["draining"] == [])
        assert init.states("front")[-1] == ("front", "ready")
        assert init.states("front").count(("front", "starting")) == 1
        assert ("web", "stopping") not in init.states("web")
        init.kill()
        assert init.wait() == 0


@on_both_loops
def test_a_handover_that_fails_leaves_the_old_one(tmp_path: Path, kind: str, free_port: int) -> None:
    """The command tells why; a crash of the old one meanwhile is covered by the new one; a stop ends both."""
    gate = tmp_path / "gate"
    gate.touch()
    services = {"web": serving(free_port, "--ready-fd", "4", "--gate", str(gate), more=OVERLAP)}
    with Init(tmp_path, services, loop=kind, settings="keep_running = true") as init:
        init.wait_state("web", "ready")
        first = init.status()["web"]["pid"]
        gate.write_text("fail")
        done = init.call("restart", "web")
        assert done.returncode == 1
        assert "not restarted: exited with 1" in done.stderr + done.stdout
        assert "I cannot start" in "".join(init.lines("web"))
        assert init.status()["web"]["pid"] == first
        assert ask(free_port)

        gate.unlink()
        assert init.call("restart", "web", "--no-wait").returncode == 0
        wait_until(lambda: init.status()["web"]["successor"] is not None)
        os.kill(first, 9)
        init.wait_state("web", "starting", 2)
        gate.touch()
        init.wait_state("web", "ready", 2)
        assert ask(free_port)

        gate.unlink()
        assert init.call("restart", "web", "--no-wait").returncode == 0
        wait_until(lambda: init.status()["web"]["successor"] is not None)
        assert init.call("stop", "web").returncode == 0
        assert init.processes() == {}
        assert refused(free_port)


@on_both_loops
def test_sockets_and_handovers_are_carried_over_a_re_exec(tmp_path: Path, kind: str, free_port: int) -> None:
    """What listens goes on listening, nobody is refused, and the instance that comes up takes over all the same."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        second = other.getsockname()[1]
    gate = tmp_path / "gate"
    gate.touch()
    services = {
        "lazy": serving(second, more='on_demand = true\nidle_stop = "1s"'),
        "web": serving(free_port, "--ready-fd", "4", "--gate", str(gate), more=OVERLAP),
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("lazy", "listening")
        init.wait_state("web", "ready")
        first = init.status()["web"]["pid"]
        gate.unlink()
        assert init.call("restart", "web", "--no-wait").returncode == 0
        wait_until(lambda: (init.status().get("web") or {}).get("successor"))
        successor = init.status()["web"]["successor"]
        with Load(lambda: ask(free_port)) as load:
            assert init.call("reexec").returncode == 0
            wait_until(lambda: (init.status().get("web") or {}).get("successor") == successor)
            assert init.status()["web"]["pid"] == first
            load.more()
            gate.touch()
            wait_until(lambda: init.status()["web"]["pid"] == successor)
            load.more()
        assert load.failures == []
        assert ask(second)
        assert init.call("reexec").returncode == 0
        init.wait_state("lazy", "listening", 2)
        assert ask(second)
        init.kill()
        assert init.wait() == 0
        assert refused(free_port)


# ---------------------------------------------------------------------------------------------------------------------
# Real servers


def http_get(port: int, path: str = "/") -> str:
    """Return the body of a good answer to one request on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := client.recv(10000):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), answer or "closed without an answer"
    return body.decode().strip()


_WSGI = """
import os
def app(environ, start_response):
    body = str(os.getppid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


@on_both_loops
@pytest.mark.slow
@pytest.mark.parametrize("handover", ["none", "overlap"])
def test_gunicorn_is_restarted_without_a_failed_request(
    tmp_path: Path, kind: str, handover: str, free_port: int
) -> None:
    """It finds its socket by LISTEN_FDS; under load no request fails, whether the next one waits for it or not."""
    (tmp_path / "application.py").write_text(_WSGI)
    services = {
        "web": f'command = ["{PYTHON}", "-m", "gunicorn", "--workers", "2", "application:app"]\n'
        f'working_directory = "{tmp_path}"\nenvironment = {{ HOME = "{tmp_path}" }}\nhandover = "{handover}"\n'
        'ready = { log = "*Booting worker with pid*", timeout = "60s" }\n'
        f'[[sockets]]\ntcp = "127.0.0.1:{free_port}"\n'
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "ready")
        with Load(lambda: http_get(free_port)) as load:
            for _ in range(2):
                assert init.call("restart", "web").returncode == 0
                load.more()
        assert load.failures == []
        assert len(load.servers) == 3, init.output


_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "$pid\\n"; }} }}
}}
"""


@on_both_loops
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nginx") is None, reason="there is no nginx (nginx-light)")
def test_nginx_is_restarted_without_a_failed_request(tmp_path: Path, kind: str, free_port: int) -> None:
    """It takes its socket by the variable NGINX, and finishes what it has begun at SIGQUIT."""
    (tmp_path / "nginx.conf").write_text(_NGINX.format(folder=tmp_path, port=free_port))
    services = {
        "web": f'command = ["nginx", "-c", "{tmp_path}/nginx.conf", "-p", "{tmp_path}"]\nstop = {{ signal = "QUIT" }}\n'
        f'environment = {{ NGINX = "3;" }}\n[[sockets]]\ntcp = "127.0.0.1:{free_port}"\n'
    }
    with Init(tmp_path, services, loop=kind) as init:
        init.wait_state("web", "ready")
        with Load(lambda: http_get(free_port)) as load:
            for _ in range(2):
                assert init.call("restart", "web").returncode == 0
                load.more()
        assert load.failures == [], init.output
        assert len(load.servers) == 3


@on_both_loops
@pytest.mark.slow
def test_the_example_is_restarted_without_a_failed_request(tmp_path: Path, kind: str, free_port: int) -> None:
    """examples/web: started by the first request, handed over under load, an answer that takes long is finished."""
    folder = ROOT / "examples" / "web"
    for name in ("application.py", "serve.py"):
        shutil.copy(folder / name, tmp_path)
    text = (folder / "services.d" / "web.toml").read_text()
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{free_port}").replace('"python3"', f'"{PYTHON}"')
    with Init(tmp_path, {"web": text}, loop=kind) as init:
        init.wait_state("web", "listening")
        with Load(lambda: http_get(free_port).replace("answered by pid ", "")) as load:
            slow = Load(lambda: http_get(free_port, "/slow"), threads=1)
            for thread in slow._threads:
                thread.start()
            for _ in range(2):
                assert init.call("restart", "web").returncode == 0
                load.more()
            slow._over.set()
            slow._threads[0].join()
        assert load.failures == slow.failures == []
        assert slow.answers
        assert len(load.servers) == 3
