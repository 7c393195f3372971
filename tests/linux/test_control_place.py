"""Where the control socket is made, and who may use it."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncinit.client.connection import Connection
from asyncinit.client.errors import NotAllowedError, NotRunningError, UntrustedServerError
from asyncinit.client.locate import connect
from asyncinit.control.address import OVERFLOW_UID, SYSTEM_ADDRESS, abstract_address, is_anybody
from asyncinit.runtime.control.access import Access, Peer
from asyncinit.runtime.control.place import Place, take_place
from asyncinit.runtime.control.server import MOST_CLIENTS_OF_OTHERS
from tests.fake_operations import running_server

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")


@pytest.fixture
def said() -> list[str]:
    """Lines that the place has for people."""
    return []


@pytest.fixture
def take(said: list[str]) -> Iterator[Callable[..., Place]]:
    """Take a place; it is given back at the end."""
    places = []

    def taking(configured: str | None, open_to_all: bool = False, **environment: str) -> Place:
        place = take_place(configured, open_to_all, environment, said.append)
        assert place is not None
        places.append(place)
        return place

    yield taking
    for place in places:
        place.close()


class Visitor:
    """Another user: a child that is forked before there is any thread, and acts when it is told to."""

    def __init__(self, address: str, uid: int, *groups: int) -> None:
        self._read, self._write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            status = 99
            try:
                os.setgroups(groups[1:])
                os.setresgid(groups[0], groups[0], groups[0])
                os.setresuid(uid, uid, uid)
                method = os.read(self._read, 100).decode()
                status = ask(address, method)
            finally:
                os._exit(status)

    def does(self, method: str) -> int:
        """Have it call a method, once: 0 answered, 4 not allowed."""
        os.write(self._write, method.encode())
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        os.close(self._read)
        os.close(self._write)
        return status


def test_a_file_for_the_owner_alone(take: Callable[..., Place], tmp_path: Path) -> None:
    """The folder is made, the file is the owner's alone whatever the umask, and it is removed at the end."""
    path = tmp_path / "run" / "asyncinit" / "control.sock"
    before = os.umask(0)
    try:
        place = take(str(path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not place.listener.get_inheritable()
    place.close()
    assert not path.exists()


def test_a_file_for_all(take: Callable[..., Place], tmp_path: Path) -> None:
    """Where others may read, they can connect, whatever the umask."""
    before = os.umask(0o077)
    try:
        take(str(tmp_path / "s"), open_to_all=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o666


def test_a_stale_file_is_replaced(take: Callable[..., Place], tmp_path: Path, said: list[str]) -> None:
    """A socket file that nobody listens on is no obstacle."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    assert take(path).address == path
    assert said == []


def test_a_live_server_keeps_its_place(take: Callable[..., Place], tmp_path: Path, said: list[str]) -> None:
    """The second instance goes to the next place and says so; the first one's file stays, also when the second ends."""
    path, runtime = str(tmp_path / "s"), str(tmp_path / "user")
    os.mkdir(runtime)
    first = take(path)
    second = take(path, XDG_RUNTIME_DIR=runtime)
    assert second.address == f"{runtime}/asyncinit/control.sock"
    assert said == [f"cannot listen on {path}: another server listens there"]
    third = take(path, XDG_RUNTIME_DIR=runtime)
    assert third.address.startswith("@asyncinit-")
    fourth = take(path, XDG_RUNTIME_DIR=runtime)
    assert fourth.address.startswith("@asyncinit-")
    assert len(said) >= 5  # one line for each place that was taken
    assert fourth.address != third.address
    second.close()
    assert os.path.exists(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    first.close()
    assert not os.path.exists(path)


def test_a_place_that_was_taken_over_is_left_alone(take: Callable[..., Place], tmp_path: Path) -> None:
    """At its end a server does not remove a file that is not its own any more."""
    path = tmp_path / "s"
    place = take(str(path))
    path.unlink()
    path.write_text("somebody else's")
    place.close()
    assert path.read_text() == "somebody else's"


def test_a_file_that_is_no_socket_is_left_alone(take: Callable[..., Place], tmp_path: Path, said: list[str]) -> None:
    """Something else at the path is not removed."""
    path = tmp_path / "s"
    path.write_text("precious")
    assert take(str(path)).address.startswith("@")
    assert path.read_text() == "precious"
    assert said == [f"cannot listen on {path}: there is a file that is no socket"]


def test_a_folder_that_cannot_be_made(take: Callable[..., Place], tmp_path: Path, said: list[str]) -> None:
    """A configured place that cannot be had is told, and the next one is used."""
    (tmp_path / "file").write_text("")
    assert take(str(tmp_path / "file" / "s")).address.startswith("@")
    assert str(tmp_path / "file" / "s") in said[0]


@pytest.mark.parametrize("length", [107, 108, 150, 300])
def test_long_paths(loop: asyncio.AbstractEventLoop, tmp_path: Path, length: int) -> None:
    """A path longer than the kernel's limit works for server and client."""
    folder = tmp_path
    while len(str(folder)) < length - 60:
        folder = folder / ("d" * 50)
    path = str(folder / ("s" * max(1, length - len(str(folder)) - 1)))
    with running_server(loop, path, "db") as running:
        assert running.address == path
        with Connection(path) as client:
            assert client.call("Status")["services"]


def test_an_abstract_place(loop: asyncio.AbstractEventLoop) -> None:
    """A configured abstract name works for server and client."""
    name = f"@asyncinit-test-{os.getpid()}-{type(loop).__module__}"
    with running_server(loop, name, "db"), Connection(name) as client:
        assert client.call("Status")["services"]


def test_the_client_finds_an_abstract_place(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """Without any path, server and client agree on a name; further instances are found too."""
    if os.path.exists(SYSTEM_ADDRESS):
        pytest.skip("an asyncinit runs here")
    (tmp_path / "file").write_text("")
    with running_server(loop, str(tmp_path / "file" / "s"), "db", may_say=True) as running:
        assert running.address.startswith(abstract_address(os.geteuid()))
        running.said.clear()
        with connect(environment={}) as client:
            assert client.call("Status")


def test_what_is_meant_is_not_replaced(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """A socket that was named and does not answer is an error, whoever else is there."""
    path = str(tmp_path / "s")
    with running_server(loop, path, "db"):
        with connect(environment={"ASYNCINIT_SOCKET": path}) as client:
            assert client.call("Status")
        with pytest.raises(NotRunningError):
            connect(environment={"ASYNCINIT_SOCKET": str(tmp_path / "other")})
        with pytest.raises(NotRunningError):
            connect(str(tmp_path / "other"), {"ASYNCINIT_SOCKET": path})


def test_the_project_we_stand_in(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest asyncinit.toml above us says where, seen from its folder."""
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    (tmp_path / "asyncinit.toml").write_text('[init]\ncontrol_socket = "run/s"\n')
    monkeypatch.chdir(below)
    with running_server(loop, str(tmp_path / "run" / "s"), "db"), connect(environment={}) as client:
        assert client.address == str(tmp_path / "run" / "s")


# ---------------------------------------------------------------------------------------------------------------------
# Who


def test_who_owns_us() -> None:
    """Root and our own uid own us; root is not owned by nobody; a group reads by any of its ids."""
    access = Access("group:4242", print)
    assert access.owns(Peer(1, 0, frozenset({0})))
    assert not access.owns(Peer(1, OVERFLOW_UID, frozenset({OVERFLOW_UID})))
    assert not access.may_read(Peer(1, OVERFLOW_UID, frozenset({1})))
    assert access.may_read(Peer(1, 1234, frozenset({1, 4242})))
    assert not access.owns(Peer(1, 1234, frozenset({4242})))
    assert Access("all", print).may_read(Peer(1, OVERFLOW_UID, frozenset()))
    assert not Access("owner", print).may_read(Peer(1, 1234, frozenset({0})))


@pytest.mark.parametrize(
    ("mapped", "anybody"),
    [
        ("         0          0 4294967295\n", False),
        ("         0     100000      65536\n", True),
        ("         0       1000          1\n         1     100000      65536\n", True),
        ("         0          0      65534\n     65534      65534 4294901761\n", False),
        ("", True),
    ],
)
def test_the_overflow_uid_is_anybody_where_a_user_is_not_mapped(tmp_path: Path, mapped: str, anybody: bool) -> None:
    """A plain container may run as nobody and own itself; in a user namespace that uid may be any stranger's."""
    (tmp_path / "uid_map").write_text(mapped)
    assert is_anybody(OVERFLOW_UID, str(tmp_path / "uid_map")) is anybody
    assert not is_anybody(1000, str(tmp_path / "uid_map"))
    assert is_anybody(OVERFLOW_UID, str(tmp_path / "absent"))


@AS_ROOT
def test_nobody_talks_to_an_asyncinit_of_its_own() -> None:
    """An asyncinit that runs as nobody is trusted by nobody's commands and owned by them, where that uid is theirs."""
    name = f"@asyncinit-test-nobody-{os.getpid()}"
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            os.setresuid(OVERFLOW_UID, OVERFLOW_UID, OVERFLOW_UID)
            expected = not is_anybody(OVERFLOW_UID)
            owned = Access("owner", print).owns(Peer(1, OVERFLOW_UID, frozenset()))
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind("\0" + name[1:])
                listener.listen()
                try:
                    Connection(name).close()
                    trusted = True
                except UntrustedServerError:
                    trusted = False
            status = 0 if owned == trusted == expected else 1
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_group_that_is_not_there_is_told(said: list[str]) -> None:
    """An unknown group opens nothing, and is said."""
    access = Access("group:no-such-group", said.append)
    assert not access.open_to_all
    assert "no-such-group" in said[0]


@AS_ROOT
@pytest.mark.parametrize("uid", [12345, OVERFLOW_UID])
def test_others_read_as_control_read_says(loop: asyncio.AbstractEventLoop, uid: int) -> None:
    """With "all" anybody may look and nobody else may touch; the overflow uid is anybody."""
    name = f"@asyncinit-test-{os.getpid()}-{uid}-{type(loop).__module__}"
    visitors = [Visitor(name, uid, uid) for _ in range(3)]
    with running_server(loop, name, "db", control_read="all") as running:
        assert visitors[0].does("Status") == 0
        assert visitors[1].does("Stop") == 4
        assert visitors[2].does("Shutdown") == 4
        assert not running.operations.jobs
        assert not running.operations.shutdowns


@AS_ROOT
def test_others_read_nothing_by_default(loop: asyncio.AbstractEventLoop) -> None:
    """With "owner" others may not look, where they can connect at all."""
    name = f"@asyncinit-test-{os.getpid()}-{type(loop).__module__}"
    visitor = Visitor(name, 12345, 12345)
    with running_server(loop, name, "db"):
        assert visitor.does("Status") == 4


@AS_ROOT
def test_others_cannot_connect_to_the_file(loop: asyncio.AbstractEventLoop) -> None:
    """With "owner" the file itself keeps others out, and the client says that it is not allowed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        path = os.path.join(folder, "s")
        visitor = Visitor(path, 12345, 12345)
        with running_server(loop, path, "db"):
            assert visitor.does("Status") == 4


@AS_ROOT
def test_a_group_reads_by_any_of_its_ids(loop: asyncio.AbstractEventLoop) -> None:
    """group:ID lets in whoever has the group, as the first one or as another."""
    name = f"@asyncinit-test-{os.getpid()}-{type(loop).__module__}"
    first, other, none = Visitor(name, 12345, 4242), Visitor(name, 12345, 5, 1, 4242), Visitor(name, 12345, 5, 1)
    with running_server(loop, name, "db", control_read="group:4242"):
        assert first.does("Status") == 0
        assert other.does("Status") == 0
        assert none.does("Status") == 4


@AS_ROOT
def test_others_have_few_places(loop: asyncio.AbstractEventLoop) -> None:
    """A uid that may only look gets few connections at once, and never pushes out an owner."""
    name = f"@asyncinit-test-{os.getpid()}-{type(loop).__module__}"
    visitor = Visitor(name, 12345, 12345)
    with running_server(loop, name, "db", control_read="all") as running, Connection(name) as owner:
        assert visitor.does("crowd") == 0
        assert len(running.server._clients) <= MOST_CLIENTS_OF_OTHERS + 1
        assert owner.call("Status")


@AS_ROOT
def test_the_client_refuses_an_impostor() -> None:
    """A server of another user is not talked to, however it is found."""
    name = f"@asyncinit-test-impostor-{os.getpid()}"
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(12345, 12345, 12345)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind("\0" + name[1:])
                listener.listen()
                os.write(writer, b"x")
                client, _ = listener.accept()
                os._exit(1 if client.recv(1) else 0)
        finally:
            os._exit(2)
    os.read(reader, 1)
    with pytest.raises(UntrustedServerError):
        Connection(name)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "the impostor heard something"
    os.close(reader)
    os.close(writer)


def ask(address: str, method: str) -> int:
    """Call a method in a child: 0 answered, 4 not allowed. The server's uid is not what is tested here."""
    import asyncinit.client.connection as connection
    from asyncinit.client.errors import CallError

    connection._peer = lambda _socket: (0, 0)
    if method == "crowd":
        crowd = [Connection(address) for _ in range(100)]
        return 0 if crowd[-1].call("Status") else 97
    parameters = {"names": ["db"]} if method == "Stop" else {}
    try:
        with Connection(address) as client:
            client.call(method, parameters)
    except (NotAllowedError, CallError) as error:
        return error.exit_code
    except Exception as error:
        print(error, file=sys.stderr)
        return 98
    return 0
