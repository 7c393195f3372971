"""Routes on real descriptors: what each destination gets, what is opened and closed, what is carried over a re-exec."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncinit.config.spec import Log, LogFormat, WhenFull
from asyncinit.errors import SpawnError
from asyncinit.linux.mounts import slow_file_systems
from asyncinit.runtime.output.console import Console
from asyncinit.runtime.output.format import PipeFormat
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.output.router import Router, RouterState
from asyncinit.runtime.reexec.coding import decode, encode
from asyncinit.runtime.reexec.keep import Kept

Loop = asyncio.AbstractEventLoop


class House:
    """A journal on a file, and a router."""

    def __init__(self, loop: Loop, folder: Path) -> None:
        self.loop = loop
        self.folder = folder
        self._fd = os.open(folder / "console", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.journal = Journal(Console(loop, self._fd), PipeFormat())
        self.router = Router(loop, self.journal, {}, lambda name: name == "logger", syslog=str(folder / "log.sock"))

    def turn(self, until: Callable[[], object] = lambda: True) -> None:
        """Run the loop until something holds."""

        def look() -> None:
            if until():
                self.loop.stop()
            else:
                self.loop.call_later(0.002, look)

        self.loop.call_soon(look)
        self.loop.run_forever()

    def say(self, service: str, *lines: str, stream: str = "stdout") -> None:
        for line in lines:
            self.journal.line(service, stream, line.encode())
        self.turn()

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def close(self) -> None:
        self.router.places.flush(1.0)
        self.router.places.close()
        self.journal.flush(1.0)
        self.journal.close()
        os.close(self._fd)


@pytest.fixture
def house(loop: Loop, tmp_path: Path) -> Iterator[House]:
    slow_file_systems()  # keeps the mount table open
    before = set(os.listdir("/proc/self/fd"))
    house = House(loop, tmp_path)
    yield house
    house.close()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_the_streams_of_several_services(house: House) -> None:
    """Two may write to one file, and one to two; each line is where it belongs, with its variables in the path."""
    both = Log(to=("file", "console"), file="${DIR}/all.log", stderr_file="${DIR}/${SERVICE}.err")
    for name in ("web", "db"):
        house.router.route(name, both, {"DIR": str(house.folder)})
        house.say(name, f"{name} out")
        house.say(name, f"{name} err", stream="stderr")
    assert [line.split(" ", 1)[1] for line in house.text("all.log").splitlines()] == ["web | web out", "db | db out"]
    assert "web err" in house.text("web.err") and "db" not in house.text("web.err")
    assert house.text("console").count(" | ") == 4
    with pytest.raises(SpawnError, match=r"log\.file: .*NOWHERE"):
        house.router.route("web", Log(to=("file",), file="${NOWHERE}/x"), {})


def test_what_nobody_writes_to_is_closed(house: House) -> None:
    """A route that leads elsewhere, or a service that is gone, leaves no file open."""

    def opened() -> int:
        paths = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
        return sum(path.startswith(f"{house.folder}/") and path.endswith(".log") for path in paths)

    for number in range(5):
        house.router.route("web", Log(to=("file",), file=f"{house.folder}/{number}.log"), {})
        house.say("web", "x")
    assert opened() == 1
    house.router.forget("web")
    house.say("web", "on the console again")
    assert opened() == 0
    assert "on the console again" in house.text("console")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_the_system_log_of_either_kind(house: House, kind: int) -> None:
    """Datagrams, or a stream with NUL after each message; names of several services; severities of the streams."""
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(str(house.folder / "log.sock"))
        if kind == socket.SOCK_STREAM:
            server.listen()
        house.router.route("web", Log(to=("syslog",), facility="user", tag="w"), {})
        house.say("web", "one\0two")
        house.say("web", "bad", stream="stderr")
        reader = server.accept()[0] if kind == socket.SOCK_STREAM else server
        parts = [reader.recv(1000)] if kind == socket.SOCK_STREAM else [reader.recv(1000), reader.recv(1000)]
        if kind == socket.SOCK_STREAM:
            while parts[0].count(b"\0") < 2:
                parts[0] += reader.recv(1000)
            parts = parts[0].split(b"\0")[:2]
            reader.close()
        assert [part[:4] for part in parts] == [b"<14>", b"<11>"]
        assert [part.split(b" w: ")[1] for part in parts] == [b"one two", b"bad"]


def test_carried_over_a_reexec(house: House, loop: Loop, tmp_path: Path) -> None:
    """Routes are the same, a half-written line is finished, what waited is written, a pipe keeps what is in it."""
    raw = Log(to=("file",), file=f"{tmp_path}/raw.log", format=LogFormat.RAW)
    copied = Log(to=("service:logger",), when_full=WhenFull.DROP)
    house.router.route("web", raw, {})
    house.router.route("copied", copied, {})
    house.router.route("straight", Log(to=("service:logger",)), {})
    house.router.route("limited", Log(rate_limit=1, rate_interval=3600.0), {})
    house.journal.lines("web", "stdout", b"beginning of a line, ", cut=True)
    house.say("copied", "a line in the pipe")
    house.say("limited", "first", "second", "third")
    waiting = house.journal.routes["web"].stdout[0].buffer
    waiting.write(b"which was not written\n")
    kept = Kept()
    state = house.router.freeze(kept)
    again = decode(encode(state), RouterState)
    assert again == state
    assert len(kept.descriptors) == 2
    second = House(loop, tmp_path)
    second.journal.thaw(house.journal.freeze(Kept()))
    waiting.close()
    second.router.thaw(again)
    assert {name: route.ends for name, route in second.journal.routes.items()} == {
        name: route.ends for name, route in house.journal.routes.items()
    }
    straight = [one.journal.routes["straight"].pipe for one in (house, second)]
    assert len({pipe.writer for pipe in straight if pipe is not None}) == 1
    second.say("web", "anew")
    assert second.text("raw.log") == "beginning of a line, which was not written\nanew\n"
    assert os.read(second.router.stdin("logger"), 100) == b"a line in the pipe\n"
    second.turn(lambda: "limited * warning: 2 lines were dropped here" in second.text("console"))
    assert second.journal.dropped == {"limited": 2}
    pipe = house.router.places.pipe("logger")
    pipe.buffer.close()
    pipe.reader = pipe.writer = -1  # the second one has them now
    second.close()
