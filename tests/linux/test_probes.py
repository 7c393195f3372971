"""Probes against real servers: what counts as an answer, what never hangs, and that nothing is left open."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from asyncinit.config.spec import Command, ReadyKind, Sign
from asyncinit.core.status import Code, Reason
from asyncinit.errors import AddressError, SpawnError
from asyncinit.runtime.ready import connecting, names
from asyncinit.runtime.ready.probes import Probe, ProbeContext, make_probe
from tests.readiness_support import Cancel, descriptors, make_context, no_descriptor_left, run_until, turn

OK = ""


def probe_for(context: ProbeContext, kind: ReadyKind, address: str, timeout: float = 30.0) -> Probe:
    return make_probe(context, Sign(kind, address), timeout)


def ask(context: ProbeContext, probe: Probe) -> str:
    """Return the obstacle of one asking, during which nothing may be left open."""
    answers: list[str] = []
    with no_descriptor_left():
        probe.start(answers.append)
        assert answers == [], "told before start() has returned"
        run_until(context.loop, lambda: answers)
        turn(context.loop)
    assert len(answers) == 1
    return answers[0]


class Server:
    """A TCP server in the loop; `script` is called with each connection, and with it again when it has something."""

    def __init__(self, loop: asyncio.AbstractEventLoop, script: Callable[[Server, socket.socket], None]) -> None:
        self.loop = loop
        self.script = script
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.asked = b""
        loop.add_reader(self.listener.fileno(), self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/healthz?full=1"

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.setblocking(False)
        self.connections.append(connection)
        self.loop.add_reader(connection.fileno(), self._readable, connection)

    def _readable(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        self.asked += data
        if data:
            self.script(self, connection)
        else:
            self.hang_up(connection)

    def hang_up(self, connection: socket.socket) -> None:
        if connection.fileno() >= 0:
            self.loop.remove_reader(connection.fileno())
            connection.close()

    def close(self) -> None:
        if self.listener.fileno() < 0:
            return
        self.loop.remove_reader(self.listener.fileno())
        self.listener.close()
        for connection in self.connections:
            self.hang_up(connection)


@pytest.fixture
def serve(loop) -> Iterator[Callable[..., Server]]:
    """Make servers that answer with given bytes or follow a script."""
    servers: list[Server] = []

    def make(answer: bytes | Callable[[Server, socket.socket], None], close: bool = True) -> Server:
        def script(server: Server, connection: socket.socket) -> None:
            assert isinstance(answer, bytes)
            try:
                connection.send(answer)
            except OSError:
                pass
            if close:
                server.hang_up(connection)

        servers.append(Server(loop, script if isinstance(answer, bytes) else answer))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def http(loop: asyncio.AbstractEventLoop, server: Server, timeout: float = 30.0) -> str:
    """Ask over HTTP; the server's own descriptors are not counted."""
    context = make_context(loop)
    answers: list[str] = []
    probe_for(context, ReadyKind.HTTP, server.url, timeout).start(answers.append)
    run_until(loop, lambda: answers)
    turn(loop)
    server.close()
    return answers[0]


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class TestTcp:
    """tcp: somebody accepts."""

    def test_a_listener_is_an_answer(self, loop):
        """A connection that is made is enough, whether or not it is accepted."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            probe = probe_for(make_context(loop), ReadyKind.TCP, f"127.0.0.1:{listener.getsockname()[1]}")
            assert ask(make_context(loop), probe) == OK
            assert ask(make_context(loop), probe) == OK  # again and again

    def test_nobody_there(self, loop):
        """A refused connection is told as such."""
        context = make_context(loop)
        assert ask(context, probe_for(context, ReadyKind.TCP, f"127.0.0.1:{free_port()}")) == "connection refused"

    def test_localhost_is_both_loopback_addresses(self, loop):
        """localhost is 127.0.0.1, then ::1; of two obstacles the first is told."""
        if not socket.has_ipv6:
            pytest.skip("no IPv6")
        context = make_context(loop)
        try:
            listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            pytest.skip("no IPv6 loopback")
        with listener:
            port = listener.getsockname()[1]
            assert ask(context, probe_for(context, ReadyKind.TCP, f"localhost:{port}")) == OK
            assert ask(context, probe_for(context, ReadyKind.TCP, f"[::1]:{port}")) == OK
        assert ask(context, probe_for(context, ReadyKind.TCP, f"localhost:{port}")) == "connection refused"

    def test_names_come_from_the_hosts_file(self, loop, tmp_path, monkeypatch):
        """A name in /etc/hosts is its addresses; another one is an obstacle, not an error: it may come yet."""
        hosts = tmp_path / "hosts"
        real = names.resolve
        monkeypatch.setattr("asyncinit.runtime.ready.probes.resolve", lambda name: real(name, str(hosts)))
        context = make_context(loop)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            probe = probe_for(context, ReadyKind.TCP, f"db:{listener.getsockname()[1]}")
            assert "/etc/hosts" in ask(context, probe)
            hosts.write_text("127.0.0.1 db\n")
            assert ask(context, probe) == OK

    def test_of_several_obstacles_the_first_is_told(self, loop, monkeypatch):
        """People look at the first address of a name first."""
        several = [names.Endpoint(socket.AF_INET, host) for host in ("127.0.0.1", "255.255.255.255")]
        monkeypatch.setattr("asyncinit.runtime.ready.probes.resolve", lambda _: several)
        context = make_context(loop)
        assert ask(context, probe_for(context, ReadyKind.TCP, f"db:{free_port()}")) == "connection refused"
        several.reverse()
        assert ask(context, probe_for(context, ReadyKind.TCP, f"db:{free_port()}")) != "connection refused"

    def test_no_answer_ends_with_the_time_limit(self, loop):
        """A connection that is neither made nor refused costs the limit, and no more."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            fillers = []
            for _ in range(4):  # a full queue: the kernel drops what comes
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                fillers.append(filler)
            context = make_context(loop)
            answer = ask(context, probe_for(context, ReadyKind.TCP, f"127.0.0.1:{listener.getsockname()[1]}", 0.2))
            for filler in fillers:
                filler.close()
        assert answer == "no answer within 0.2 s"

    def test_our_own_port_is_never_the_target(self, monkeypatch):
        """A source port that happens to be the target is exchanged before it can connect to itself."""
        port = free_port()
        first = []

        class Unlucky(socket.socket):
            def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override]
                super().bind((address[0], address[1] if first else port))
                first.append(port)

        monkeypatch.setattr(socket, "socket", Unlucky)
        with connecting._bound_socket(socket.AF_INET, port) as opened:
            assert first and opened.getsockname()[1] not in (0, port)

    def test_a_connection_with_itself_is_no_answer(self, loop, monkeypatch):
        """Where TCP has connected the probe to itself, nobody is there, and the port is free at once."""
        port = free_port()

        def unlucky(family: int, _port: int) -> socket.socket:
            opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            opened.bind(("127.0.0.1", port))
            return opened

        monkeypatch.setattr(connecting, "_bound_socket", unlucky)
        context = make_context(loop)
        assert ask(context, probe_for(context, ReadyKind.TCP, f"127.0.0.1:{port}")) == "connection refused"
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))  # without SO_REUSEADDR: nothing of the probe is left on it

    @pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")
    def test_the_smallest_range_of_ports_gives_no_false_answer(self):
        """With only two ephemeral ports, one of them the target, 200 askings find nobody."""
        program = """
import asyncio, fcntl, socket, struct
from asyncinit.config.spec import ReadyKind
from tests.linux.test_probes import probe_for, make_context, run_until
with socket.socket() as control:
    fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS: up
open("/proc/sys/net/ipv4/ip_local_port_range", "w").write("40000 40001")
loop = asyncio.new_event_loop()
context = make_context(loop)
answers = []
probe = probe_for(context, ReadyKind.TCP, "127.0.0.1:40000")
for number in range(200):
    probe.start(answers.append)
    run_until(loop, lambda: len(answers) > number)
loop.close()
print(set(answers))
"""
        done = subprocess.run(
            ["unshare", "--net", sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            check=True,
        )
        assert "''" not in done.stdout
        assert "connection refused" in done.stdout


class TestUnix:
    """unix: a socket takes a connection."""

    @pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
    @pytest.mark.parametrize("where", ["path", "abstract", "long"])
    def test_sockets_of_every_type_and_place(self, loop, tmp_path, kind, where):
        """Streams, packets and datagrams; paths, abstract names, and paths longer than 107 bytes."""
        context = make_context(loop)
        folder = tmp_path / ("x" * 120 if where == "long" else "x")
        folder.mkdir()
        address = f"@asyncinit-test-{os.getpid()}-{os.urandom(6).hex()}" if where == "abstract" else f"{folder}/s"
        probe = probe_for(context, ReadyKind.UNIX, address)
        assert ask(context, probe) == ("connection refused" if where == "abstract" else "no such file or directory")
        with socket.socket(socket.AF_UNIX, kind) as server:
            if where == "abstract":
                server.bind("\0" + address[1:])
            else:
                here = os.open(folder, os.O_PATH)
                server.bind(f"/proc/self/fd/{here}/s")
                os.close(here)
            if kind != socket.SOCK_DGRAM:
                assert ask(context, probe) == "connection refused"
                server.listen()
            assert ask(context, probe) == OK
        if where != "abstract":
            assert ask(context, probe) == "connection refused"

    def test_what_is_no_socket(self, loop, tmp_path):
        """A file, a folder, a name beyond every limit: obstacles in words."""
        context = make_context(loop)
        (tmp_path / "file").write_text("")
        assert ask(context, probe_for(context, ReadyKind.UNIX, str(tmp_path / "file"))) == "connection refused"
        assert ask(context, probe_for(context, ReadyKind.UNIX, str(tmp_path))) == "connection refused"
        assert ask(context, probe_for(context, ReadyKind.UNIX, f"{tmp_path}/{'x' * 200}")) not in (OK, None)

    def test_a_full_queue_is_told(self, loop, tmp_path):
        """A server that accepts nobody does not hold the probe."""
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "s"))
            server.listen(0)
            waiting = []
            with pytest.raises(BlockingIOError):
                while True:
                    client = socket.socket(socket.AF_UNIX)
                    client.setblocking(False)
                    waiting.append(client)
                    client.connect(str(tmp_path / "s"))
            context = make_context(loop)
            assert "queue" in ask(context, probe_for(context, ReadyKind.UNIX, str(tmp_path / "s")))
            for client in waiting:
                client.close()


class TestFile:
    """file: it exists."""

    def test_existence(self, loop, tmp_path):
        """Anything at the path counts; a dangling link does not, and says so."""
        context = make_context(loop)
        target, link = tmp_path / "target", tmp_path / "link"
        link.symlink_to(target)
        assert ask(context, probe_for(context, ReadyKind.FILE, str(target))) == "no such file or directory"
        assert "link" in ask(context, probe_for(context, ReadyKind.FILE, str(link)))
        os.mkfifo(target)
        for path in (target, link, tmp_path):
            assert ask(context, probe_for(context, ReadyKind.FILE, str(path))) == OK
        assert ask(context, probe_for(context, ReadyKind.FILE, f"{target}/x")) == "not a directory"

    @pytest.mark.parametrize(
        ("result", "obstacle"),
        [("", OK), ("not there", "not there"), (TimeoutError("timed out"), "timed out"), (OSError(), "OSError")],
    )
    @pytest.mark.parametrize("kind", [ReadyKind.FILE, ReadyKind.UNIX])
    def test_file_systems_that_may_hang_are_asked_in_a_child(self, loop, tmp_path, kind, result, obstacle):
        """Where one is mounted, no path is touched here: the look is handed over, with the probe's limit."""
        handed: list[tuple[object, float]] = []

        def offload(function: object, timeout: float, done: Callable[[object], None]) -> Cancel:
            handed.append((function, timeout))
            loop.call_soon(done, result)
            return Cancel()

        context = make_context(loop, offload=offload, slow_paths=lambda: True)
        assert ask(context, probe_for(context, kind, str(tmp_path / "x"), 7.0)) == obstacle
        assert [timeout for _, timeout in handed] == [7.0]
        function = handed[0][0]
        assert callable(function) and function() == "no such file or directory"

    def test_abstract_names_never_hang(self, loop):
        """No file system is asked for an abstract name, so no child is made."""
        context = make_context(loop, slow_paths=lambda: True)
        assert ask(context, probe_for(context, ReadyKind.UNIX, "@asyncinit-nobody")) == "connection refused"

    def test_a_late_child_is_cancelled(self, loop):
        """When the limit ends the look, the child is given up."""
        handle = Cancel()
        context = make_context(loop, offload=lambda *_: handle, slow_paths=lambda: True)
        assert ask(context, probe_for(context, ReadyKind.FILE, "/x", 0.05)) == "no answer within 0.05 s"
        assert handle.cancelled


class TestCommand:
    """command: it exits with 0."""

    @pytest.mark.parametrize("failure", [None, Reason(Code.EXIT_CODE, "exited with 2")])
    def test_its_end_is_the_answer(self, loop, failure):
        """The runner is given command and limit; its failure is the obstacle."""
        given: list[object] = []

        def run(command: Command, timeout: float, done: Callable[[Reason | None], None]) -> Cancel:
            given.extend([command, timeout])
            loop.call_soon(done, failure)
            return Cancel()

        context = make_context(loop, run_command=run)
        command = Command(("pg_isready", "-q"))
        probe = make_probe(context, Sign(ReadyKind.COMMAND, command=command), 3.0)
        assert probe.label == "command pg_isready -q"
        assert ask(context, probe) == ("" if failure is None else "exited with 2")
        assert given == [command, 3.0]

    def test_one_that_can_not_be_run_is_an_obstacle(self, loop):
        """A variable that is not set, a child that can't be made: told, and asked again later."""

        def run(*_arguments: object) -> Cancel:
            raise SpawnError("execute pg_isready", 2)

        context = make_context(loop, run_command=run)
        probe = make_probe(context, Sign(ReadyKind.COMMAND, command=Command(("pg_isready",))), 1.0)
        assert ask(context, probe) == "cannot execute pg_isready: no such file or directory"

    def test_one_that_hangs_is_cancelled(self, loop):
        """The limit holds here too."""
        handle = Cancel()
        context = make_context(loop, run_command=lambda *_: handle)
        sign = Sign(ReadyKind.COMMAND, command=Command(("sleep",)))
        assert "no answer" in ask(context, make_probe(context, sign, 0.05))
        assert handle.cancelled


HEAD = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n"


class TestHttp:
    """http: a status from 200 to 399."""

    def test_the_request_is_a_plain_get(self, loop, serve):
        """Method, target, Host and Connection are as a server expects."""
        server = serve(HEAD % 200)
        assert http(loop, server) == OK
        head = server.asked.decode().split("\r\n")
        assert head[0] == "GET /healthz?full=1 HTTP/1.1"
        assert f"host: 127.0.0.1:{server.port}" in [line.lower() for line in head]
        assert "connection: close" in [line.lower() for line in head]
        assert server.asked.endswith(b"\r\n\r\n")

    def test_a_query_is_asked_for_and_not_shown(self, loop):
        """It may hold a token; the label is for logs."""
        assert probe_for(make_context(loop), ReadyKind.HTTP, "http://h/x?token=s3cret").label == "http://h/x"

    @pytest.mark.parametrize("status", [200, 204, 301, 399])
    def test_good_statuses(self, loop, serve, status):
        """Success and redirects (which are not followed) are an answer."""
        assert http(loop, serve(HEAD % status)) == OK

    @pytest.mark.parametrize("status", [400, 404, 500, 503, 599])
    def test_bad_statuses(self, loop, serve, status):
        """Any other is an obstacle with its number."""
        assert http(loop, serve(HEAD % status)) == f"status {status}"

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.0 200 OK\r\n\r\n",
            b"HTTP/1.1 200\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nnot all of it",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD % 200,
        ],
    )
    def test_only_the_head_counts(self, loop, serve, answer):
        """Old versions, interim responses, and bodies that never end do not matter."""
        assert http(loop, serve(answer, close=False)) == OK

    @pytest.mark.parametrize(
        "answer",
        [
            b"<html>It works!</html>\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"\x15\x03\x03\x00\x02\x02\x46",
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"\x00" * 5000,
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Enc",
            b"HTTP/1.1 100 Continue\r\n\r\n",
        ],
    )
    def test_what_is_no_http(self, loop, serve, answer):
        """HTTP/0.9, other protocols, broken and cut heads are obstacles in printable words."""
        obstacle = http(loop, serve(answer))
        assert obstacle != OK
        assert obstacle.isprintable() and len(obstacle) < 200

    def test_one_that_closes_at_once(self, loop):
        """A server that hangs up without reading is told as that."""

        def hang_up() -> None:
            listener.accept()[0].close()

        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        loop.add_reader(listener.fileno(), hang_up)
        context = make_context(loop)
        answer = ask(context, probe_for(context, ReadyKind.HTTP, f"http://127.0.0.1:{listener.getsockname()[1]}"))
        loop.remove_reader(listener.fileno())
        listener.close()
        assert answer in ("closed the connection without an answer", "connection reset by peer", "broken pipe")

    def test_one_that_never_answers(self, loop, serve):
        """Silence costs the limit."""
        assert http(loop, serve(lambda *_: None), timeout=0.1) == "no answer within 0.1 s"

    def test_one_byte_at_a_time_is_understood(self, loop, serve):
        """An answer may come in any pieces, as long as it comes within the limit."""

        def slowly(server: Server, connection: socket.socket) -> None:
            left = bytearray(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD % 200)

            def one() -> None:
                if left and connection.fileno() >= 0:
                    try:
                        connection.send(bytes([left.pop(0)]))
                    except OSError:
                        return
                    loop.call_later(0.0005, one)

            one()

        assert http(loop, serve(slowly)) == OK

    def test_one_byte_a_second_costs_the_limit(self, loop, serve):
        """A server that drips is given up at the limit, though it never pauses for as long."""

        def drip(server: Server, connection: socket.socket) -> None:
            def one() -> None:
                if connection.fileno() >= 0:
                    try:
                        connection.send(b"H")
                    except OSError:
                        return
                    loop.call_later(1.0, one)

            connection.send(b"HTTP/1.1 200 OK\r\nX: ")
            one()

        assert http(loop, serve(drip), timeout=0.3) == "no answer within 0.3 s"

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200_000 + b"\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000 + HEAD % 200,
            b"H" * 1_000_000,
        ],
    )
    def test_a_head_of_a_megabyte_is_given_up(self, loop, serve, answer):
        """Neither one long header, many headers, nor interim responses without end are read on."""

        def pour(server: Server, connection: socket.socket) -> None:
            left = memoryview(answer)

            def more() -> None:
                nonlocal left
                if connection.fileno() < 0:
                    return
                try:
                    left = left[connection.send(left) :]
                except BlockingIOError:
                    pass
                except OSError:
                    return
                loop.call_later(0.001, more)

            more()

        obstacle = http(loop, serve(pour))
        assert obstacle not in (OK, "no answer within 30 s")

    def test_bad_addresses_are_told_before_anything_runs(self, loop):
        """Making the probe is what fails, not its asking."""
        for kind, address in [
            (ReadyKind.HTTP, "https://127.0.0.1/"),
            (ReadyKind.TCP, "8080"),
            (ReadyKind.UNIX, ""),
            (ReadyKind.FILE, ""),
        ]:
            with pytest.raises(AddressError):
                probe_for(make_context(loop), kind, address)
        with pytest.raises(ValueError, match="no probe"):
            probe_for(make_context(loop), ReadyKind.LOG, "x")


class TestCancelling:
    """A probe that is given up tells nothing and leaves nothing."""

    @pytest.mark.parametrize("turns", range(8))
    @pytest.mark.parametrize("kind", [ReadyKind.TCP, ReadyKind.HTTP, ReadyKind.UNIX])
    def test_at_any_moment(self, loop, tmp_path, kind, turns):
        """However far it has come, no descriptor stays open and nobody is told afterwards."""
        listener = socket.create_server(("127.0.0.1", 0))
        accepted: list[socket.socket] = []
        loop.add_reader(listener.fileno(), lambda: accepted.append(listener.accept()[0]))
        port = listener.getsockname()[1]
        address = {
            ReadyKind.TCP: f"127.0.0.1:{port}",
            ReadyKind.HTTP: f"http://127.0.0.1:{port}",
            ReadyKind.UNIX: str(tmp_path / "x"),
        }[kind]
        context = make_context(loop)
        probe = probe_for(context, kind, address)
        turn(loop, 2)
        told: list[str] = []
        before = len(descriptors())
        running = probe.start(told.append)
        if turns:
            turn(loop, turns)
        told_before = list(told)
        running.cancel()
        running.cancel()
        after = len(descriptors()) - len(accepted)
        turn(loop, 5)
        loop.remove_reader(listener.fileno())
        for connection in [*accepted, listener]:
            connection.close()
        assert after <= before
        assert told == told_before

    def test_while_it_connects(self, loop):
        """A connection under way is closed."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            context = make_context(loop)
            probe = probe_for(context, ReadyKind.TCP, f"localhost:{listener.getsockname()[1]}")
            with no_descriptor_left():
                running = probe.start(lambda _: pytest.fail("told after the end"))
                turn(loop)
                running.cancel()
                turn(loop)
            for filler in fillers:
                filler.close()

    def test_no_descriptors_left_is_an_obstacle(self, loop, monkeypatch):
        """EMFILE fails the asking, not asyncinit."""

        def refused(*_arguments: object) -> socket.socket:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(connecting, "_non_blocking", refused)
        context = make_context(loop)
        assert ask(context, probe_for(context, ReadyKind.TCP, "127.0.0.1:1")) == "too many open files"
