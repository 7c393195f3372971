"""Sockets that are held for services: opened, described, kept, changed, closed, watched, counted, carried over."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asyncinit.config.spec import Command, ServiceSpec, Socket, SocketKind
from asyncinit.errors import SpawnError
from asyncinit.runtime.process.prepared import NotApplied
from asyncinit.runtime.sockets import census
from asyncinit.runtime.sockets.held import Held, SocketsState
from asyncinit.runtime.sockets.holding import Sockets
from asyncinit.runtime.sockets.passing import passed
from asyncinit.runtime.sockets.watch import Watch
from tests.linux.running import FORKING, Running, descriptors
from tests.support import wait_until

pytestmark = pytest.mark.filterwarnings(FORKING)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
Answer = list[NotApplied] | SpawnError


class World(Running):
    """Holds sockets of services that are called "web"."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.told: list[str] = []
        self.owners: dict[int, str] = {}
        self.sockets = self.house()

    def house(self) -> Sockets:
        return Sockets(
            self.loop,
            self.offloader,
            {"PORT": "1"},
            owner_of=self.owners.get,
            complain=lambda service, text: self.told.append(f"{service}: {text}"),
        )

    def open(self, *sockets: Socket, name: str = "web", **keys: Any) -> Answer:
        """Have a service's sockets opened, and wait for what comes of it."""
        answers: list[Answer] = []
        spec = ServiceSpec(name, command=Command(("x",)), sockets=sockets, **keys)
        self.sockets.open(spec, answers.append)
        assert answers == [], "never before it returns"
        self.until(lambda: answers)
        self.quiet()
        return answers[0]

    def fail(self, *sockets: Socket, **keys: Any) -> str:
        answer = self.open(*sockets, **keys)
        assert isinstance(answer, SpawnError)
        return str(answer)

    def close(self, name: str = "web") -> None:
        self.sockets.close(name)
        self.quiet()

    def quiet(self) -> None:
        tidy: list[bool] = []
        self.turn()
        self.sockets.when_tidy(lambda: tidy.append(True))
        self.until(lambda: tidy and not self.reaper.pids())
        self.turn()

    def turn(self) -> None:
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    @property
    def held(self) -> list[Held]:
        return list(self.sockets.held("web"))


@pytest.fixture
def world(loop: asyncio.AbstractEventLoop) -> Iterator[World]:
    before = descriptors()
    world = World(loop)
    yield world
    for name in ("web", "api"):
        world.close(name)
    assert descriptors() == before


def tcp(address: str | int, name: str = "http", **keys: Any) -> Socket:
    return Socket(SocketKind.TCP, f"127.0.0.1:{address}" if isinstance(address, int) else address, name, **keys)


def unix(path: Path | str, kind: SocketKind = SocketKind.UNIX, **keys: Any) -> Socket:
    return Socket(kind, str(path), "local", **keys)


def answers(address: Any, family: int = socket.AF_INET) -> bool:
    """Tell whether a connection to the address is taken (into the backlog)."""
    with socket.socket(family) as client:
        try:
            client.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def test_each_kind_is_opened(world: World, tmp_path: Path, free_port: int) -> None:
    """Connections wait in the backlog and datagrams in the buffer, before anybody serves them."""
    kinds = [
        tcp(free_port),
        Socket(SocketKind.UDP, f"127.0.0.1:{free_port}", "dns"),
        unix(tmp_path / "deeper" / "stream"),
        unix(tmp_path / "datagram", SocketKind.UNIX_DATAGRAM),
        unix(f"@asyncinit-test-{os.getpid()}"),
    ]
    assert world.open(*kinds) == []
    assert [one.wanted for one in world.held] == kinds
    assert answers(("127.0.0.1", free_port))
    assert answers(str(tmp_path / "deeper" / "stream"), socket.AF_UNIX)
    assert answers(f"\0asyncinit-test-{os.getpid()}", socket.AF_UNIX)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", str(tmp_path / "datagram"))
    with socket.socket(fileno=os.dup(world.held[3].fd)) as server:
        assert server.recv(10) == b"hello"
    assert all(not os.get_inheritable(one.fd) and os.get_blocking(one.fd) for one in world.held)
    world.close()
    assert not answers(("127.0.0.1", free_port))
    assert os.listdir(tmp_path / "deeper") == []
    assert not (tmp_path / "datagram").exists()
    assert world.told == []


def test_a_star_is_every_address(world: World, free_port: int) -> None:
    """IPv6 and IPv4 by one socket."""
    assert world.open(tcp(f"*:{free_port}")) == []
    assert answers(("127.0.0.1", free_port))
    if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
        assert answers(("::1", free_port), socket.AF_INET6)


def test_addresses_take_variables(world: World, free_port: int) -> None:
    """Of what asyncinit was given and of the service's own; one that is not set is an error."""
    environment = {"HERE": f"127.0.0.{'$'}{{PORT}}"}
    assert world.open(tcp("${HERE}:" + str(free_port)), environment=environment) == []
    assert world.held[0].address == f"127.0.0.1:{free_port}"
    assert "${ELSEWHERE} is not set" in world.fail(tcp("${ELSEWHERE}:80"))
    assert [one.address for one in world.held] == [f"127.0.0.1:{free_port}"], "nothing is lost by it"


def test_an_instance_knows_its_own_name(world: World, free_port: int) -> None:
    """A template's sockets differ by ${INSTANCE}."""
    assert world.open(tcp("127.0.0.1:${INSTANCE}"), name=f"web@{free_port}") == []
    world.close(f"web@{free_port}")


@as_root
@pytest.mark.parametrize(
    ("keys", "spec", "owner"),
    [
        ({}, {}, (0, 0)),
        ({}, {"user": "1234"}, (1234, 1234)),
        ({}, {"user": "1234", "group": "55"}, (1234, 55)),
        ({"group": "66"}, {"user": "1234"}, (1234, 66)),
        ({"user": "7", "group": "8"}, {"user": "1234"}, (7, 8)),
    ],
)
def test_a_file_has_its_owner_and_mode(world: World, tmp_path: Path, keys: Any, spec: Any, owner: Any) -> None:
    """The service's, unless the socket says otherwise; whatever our umask is."""
    path = tmp_path / "web.sock"
    before = os.umask(0o077)
    try:
        assert world.open(unix(path, mode=0o646, **keys), **spec) == []
    finally:
        os.umask(before)
    info = path.stat()
    assert (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == (*owner, 0o646)


def test_a_file_of_an_earlier_life_is_replaced(world: World, tmp_path: Path) -> None:
    """But never one on which somebody listens, and nothing that is no socket."""
    for kind, type_ in ((SocketKind.UNIX, socket.SOCK_STREAM), (SocketKind.UNIX_DATAGRAM, socket.SOCK_DGRAM)):
        path = tmp_path / str(kind)
        with socket.socket(socket.AF_UNIX, type_) as earlier:
            earlier.bind(str(path))
            if type_ is socket.SOCK_STREAM:
                earlier.listen()
            assert f"cannot listen on {kind} {path}: pid {os.getpid()}" in world.fail(unix(path, kind))
        assert world.open(unix(path, kind)) == []
        world.close()
    (tmp_path / "file").write_text("mine")
    assert "exists, and is no socket" in world.fail(unix(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


def test_who_has_the_address_is_told(world: World, free_port: int) -> None:
    """By pid and name, with the service where it is one of ours; another service's socket is known without asking."""
    with socket.create_server(("127.0.0.1", free_port)):
        assert f"listen on tcp 127.0.0.1:{free_port}: pid {os.getpid()} (" in world.fail(tcp(free_port))
        world.owners[os.getpid()] = "api~2"
        assert "of the service api has it" in world.fail(tcp(f"*:{free_port}"))
    assert world.open(tcp(free_port), name="api") == []
    text = f"cannot listen on tcp 127.0.0.1:{free_port}: the service api has it"
    assert world.fail(tcp(free_port)) == text
    assert world.held == []


def test_what_is_preferred_is_left_out(world: World, free_port: int) -> None:
    """With prefer the others are opened, and it is told what is missing."""
    with socket.create_server(("127.0.0.1", free_port)):
        answer = world.open(tcp(free_port), unix("@asyncinit-test-other"), prefer=frozenset({"sockets"}))
    assert isinstance(answer, list)
    assert [one.key for one in answer] == ["sockets.http"]
    assert [one.wanted.name for one in world.held] == ["local"]


def test_all_or_nothing(world: World, tmp_path: Path, free_port: int) -> None:
    """Where one socket cannot be opened, those that were are closed again, files removed."""
    with socket.create_server(("127.0.0.1", free_port)):
        world.fail(unix(tmp_path / "web.sock"), tcp(free_port))
    assert world.held == []
    assert os.listdir(tmp_path) == []


def test_what_is_open_stays_open(world: World, tmp_path: Path, free_port: int) -> None:
    """Declared as before, or with another backlog, name, owner or mode: it is the same socket. Anything else is new."""
    path = tmp_path / "web.sock"
    world.open(tcp(free_port), unix(path))
    first = [one.fd for one in world.held]
    with socket.create_connection(("127.0.0.1", free_port)) as waiting:
        assert world.open(unix(path, mode=0o600), tcp(free_port, "other", backlog=1)) == []
        assert [one.fd for one in world.held] == first[::-1]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert world.open(unix(path, mode=0o600)) == []
        assert [one.fd for one in world.held] == [first[1]]
        with pytest.raises(ConnectionResetError):
            waiting.recv(1)
    assert world.open(tcp(free_port, reuse_port=True)) == []
    assert not path.exists()


def test_an_address_that_nobody_has_yet(world: World, free_port: int) -> None:
    """With freebind it is listened on all the same."""
    address = f"192.0.2.77:{free_port}"
    assert "no interface has it" in world.fail(tcp(address))
    assert world.open(tcp(address, freebind=True)) == []


def test_two_share_a_port_if_both_say_so(world: World, free_port: int) -> None:
    """SO_REUSEPORT."""
    assert world.open(tcp(free_port, reuse_port=True)) == []
    assert world.open(tcp(free_port, reuse_port=True), name="api") == []


def test_a_folder_that_is_not_ours_is_an_error_of_that_socket(world: World) -> None:
    """With the path, and what the kernel said."""
    assert world.fail(unix("/proc/nowhere/web.sock")).startswith("cannot listen on unix /proc/nowhere/web.sock: ")


def test_who_asks_while_it_is_opened_waits_for_the_same(world: World, tmp_path: Path) -> None:
    """One opening for all who ask; what is asked for otherwise meanwhile counts for all of them."""
    told: list[str] = []

    def spec(*sockets: Socket) -> ServiceSpec:
        return ServiceSpec("web", command=Command(("x",)), sockets=sockets)

    one, two = unix(tmp_path / "one"), unix(tmp_path / "two")
    world.sockets.open(spec(one), lambda answer: told.append(f"first {answer}"))
    cancelled = world.sockets.open(spec(one), lambda answer: told.append(f"second {answer}"))
    world.sockets.open(spec(two), lambda answer: told.append(f"third {answer}"))
    cancelled.cancel()
    world.until(lambda: len(told) == 2)
    world.quiet()
    assert told == ["first []", "third []"]
    assert [one.wanted for one in world.held] == [two]
    assert os.listdir(tmp_path) == ["two"]


def test_what_was_bound_for_nobody_is_removed(world: World, tmp_path: Path) -> None:
    """A start that is called off between the bind and its answer leaves no file, and the next one waits for that."""
    path = tmp_path / "web.sock"
    spec = ServiceSpec("web", command=Command(("x",)), sockets=(unix(path),))
    for close in (True, False):
        world.sockets.open(spec, lambda _answer: None)
        wait_until(path.exists)  # without a turn of the loop: the answer is not read
        if close:
            world.close()
            assert (world.held, path.exists()) == ([], False)
        else:
            assert world.open(unix(tmp_path / "other")) == []
            assert os.listdir(tmp_path) == ["other"]


def test_closed_and_opened_again_at_once(world: World, tmp_path: Path) -> None:
    """The new file is not removed with the old one, and whoever ends waits until nothing is being removed."""
    path = tmp_path / "web.sock"
    world.open(unix(path))
    world.sockets.close("web")
    tidy: list[bool] = []
    world.sockets.when_tidy(lambda: tidy.append(True))
    assert tidy == []
    assert world.open(unix(path)) == []
    assert answers(str(path), socket.AF_UNIX)
    assert tidy == [True]


def test_opened_and_closed_again_while_files_are_removed(world: World, tmp_path: Path) -> None:
    """A stop that comes right after a start calls off what the start has asked for."""
    path = tmp_path / "web.sock"
    world.open(unix(path))
    world.sockets.close("web")
    spec = ServiceSpec("web", command=Command(("x",)), sockets=(unix(path),))
    world.sockets.open(spec, lambda _answer: None)
    world.sockets.close("web")
    world.quiet()
    assert world.held == []
    assert not path.exists()


@as_root
def test_a_file_follows_the_user_of_its_service(world: World, tmp_path: Path) -> None:
    """Declared with another user, the service finds its socket as its own, and the socket is the same."""
    path = tmp_path / "web.sock"
    world.open(unix(path), user="1234")
    fd = world.held[0].fd
    assert world.open(unix(path), user="1235") == []
    assert (path.stat().st_uid, world.held[0].fd) == (1235, fd)


def test_a_file_that_somebody_has_replaced_is_left_alone(world: World, tmp_path: Path) -> None:
    """Only what we have made is removed."""
    path = tmp_path / "web.sock"
    world.open(unix(path))
    path.unlink()
    path.write_text("another's")
    world.close()
    assert path.read_text() == "another's"


def test_they_are_passed_as_sd_listen_fds_has_it(world: World, free_port: int) -> None:
    """From 3 up in the order of the declaration, with their names; nothing at all where there are none."""
    assert passed(world.held) == ((), {}, ())
    world.open(tcp(free_port, "http"), unix("@asyncinit-test-passed"))
    first, second = world.held
    variables = {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:local"}
    assert passed(world.held) == (((first.fd, 3), (second.fd, 4)), variables, ("LISTEN_PID",))


def test_they_survive_a_re_exec(world: World, tmp_path: Path, free_port: int) -> None:
    """Descriptors are kept, what is known of them is plain data, and the next program goes on with them."""
    path = tmp_path / "web.sock"
    world.open(tcp(free_port), unix(path))
    kept: list[int] = []
    frozen = world.sockets.freeze(kept.append)
    assert kept == [one.fd for one in world.held]
    carried = msgspec.json.decode(msgspec.json.encode(frozen), type=SocketsState)
    world.sockets = world.house()
    world.sockets.thaw(carried)
    assert world.open(tcp(free_port), unix(path)) == []
    assert [one.fd for one in world.held] == kept
    assert answers(str(path), socket.AF_UNIX)
    world.close()
    assert not path.exists()


# ---------------------------------------------------------------------------------------------------------------------
# Watching and counting


def test_a_first_connection_is_told_once(world: World, free_port: int) -> None:
    """The socket is left as it is: uvloop's readers would make it non-blocking, for the service too."""
    world.open(tcp(free_port), unix("@asyncinit-test-watched"))
    came: list[str] = []
    watch = Watch(world.loop)
    watch.begin([world.held[0].fd], partial(came.append, "http"))
    watch.begin([world.held[1].fd], partial(came.append, "local"))
    with ExitStack() as clients:
        for _ in range(3):
            clients.enter_context(socket.create_connection(("127.0.0.1", free_port)))
        world.until(lambda: came)
        for _ in range(5):
            world.turn()
    assert came == ["http"]
    assert all(os.get_blocking(one.fd) for one in world.held)
    watch.end([one.fd for one in world.held])
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0asyncinit-test-watched")
        for _ in range(5):
            world.turn()
    assert came == ["http"]


def test_connections_are_counted(world: World, tmp_path: Path, free_port: int) -> None:
    """Open ones and those that wait; of this socket alone; not those that are over."""
    path, abstract = tmp_path / "web.sock", f"@asyncinit-test-{os.getpid()}"
    world.open(tcp(free_port), unix(path), unix(abstract), Socket(SocketKind.UDP, f"127.0.0.1:{free_port}", "udp"))

    def counted() -> list[int]:
        return [census.connections(one.wanted, one.address) for one in world.held]

    assert counted() == [0, 0, 0, 0]
    with ExitStack() as open_ones:
        for _ in range(2):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", free_port)))
        with socket.socket(fileno=os.dup(world.held[0].fd)) as server:
            open_ones.enter_context(server.accept()[0])
        for address in (str(path), abstract.replace("@", "\0")):
            client = open_ones.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(address)
        assert counted() == [2, 1, 1, 0]
        assert census.connections(tcp(f"*:{free_port}"), f"*:{free_port}") == 2
        assert census.connections(tcp(1), f"127.0.0.2:{free_port}") == 0
    with socket.socket(fileno=os.dup(world.held[1].fd)) as server:
        server.accept()[0].close()
    world.close()
    world.open(tcp(free_port))
    assert counted() == [0]
