"""Attach on the control socket: what goes over the connection then, and clients that do not behave; on both loops."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asyncinit.client.connection import Connection
from asyncinit.control.attached import END, INPUT, LAST, LONGEST, NOTICE, OUTPUT, SIZE, Frames, frame, size
from asyncinit.runtime.control.methods.attaching import HELD
from asyncinit.runtime.control.operations import AttachedState, RefusedError, Viewer
from tests.fake_operations import FakeOperations, Running, running_server
from tests.support import wait_until


@dataclass
class FakeAttached:
    """Who has joined: what was typed, and whether more may come."""

    viewer: Viewer
    state: AttachedState
    typed: bytearray = field(default_factory=bytearray)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    full: bool = False
    left: bool = False

    def begin(self) -> None:
        self.viewer.show(b"prompt> ")

    def type(self, data: bytes) -> bool:
        self.typed += data
        return not self.full

    def end_input(self) -> None:
        self.typed += b"<end>"

    def resize(self, rows: int, columns: int) -> None:
        self.sizes.append((rows, columns))

    def leave(self) -> None:
        self.left = True

    def freeze(self) -> AttachedState:
        return self.state


class WithTerminals(FakeOperations):
    """Services, each with a terminal but "plain"."""

    joined: list[FakeAttached]

    def attaching(self) -> WithTerminals:
        return self

    def join(self, name: str, viewer: Viewer, given: tuple[int, int], start: dict[str, str] | None) -> FakeAttached:
        if name == "plain":
            raise RefusedError("cannot attach to plain: it has no terminal")
        self.joined.append(FakeAttached(viewer, AttachedState(name, *given, start)))
        return self.joined[-1]


@pytest.fixture
def running(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[Running]:
    """A server with terminals."""
    with running_server(loop, str(tmp_path / "s"), "web", "plain") as running:
        running.operations.__class__ = WithTerminals
        running.operations.joined = []  # type: ignore[attr-defined]
        yield running


def first(running: Running) -> FakeAttached:
    """The one who has joined."""
    joined: list[FakeAttached] = running.operations.joined  # type: ignore[attr-defined]
    return wait_until(lambda: joined)[0]


class Client:
    """A client that has sent what it likes."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._frames: Frames | None = None
        self.reply = b""

    def frames(self, stop: bytes) -> list[tuple[bytes, bytes]]:
        """Read the reply, and frames up to the first of the kind `stop`."""
        found: list[tuple[bytes, bytes]] = []
        while not any(kind == stop for kind, _ in found):
            data = self.socket.recv(1 << 16)
            assert data, (self.reply, found)
            if self._frames is None:
                self.reply += data
                if b"\0" not in self.reply:
                    continue
                self.reply, _, data = self.reply.partition(b"\0")
                self._frames = Frames()
            found += self._frames.feed(data)
        return found


@contextmanager
def client(running: Running, *, upgrade: bool | None = True, after: bytes = b"", **given: object) -> Iterator[Client]:
    """Call Attach, with `after` in the same write."""
    call = {"method": "io.asyncinit.Attach", "parameters": {"name": "web", **given}, "upgrade": upgrade}
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(running.address)
        sock.sendall(json.dumps(call).encode() + b"\0" + after)
        yield Client(sock)


def test_what_goes_over_it(running: Running) -> None:
    """The reply, then frames both ways, those too that were sent with the call; the end is the last, and hangs up."""
    early = frame(SIZE, size(30, 100)) + frame(INPUT, b"ab")[:-1]
    with client(running, after=early, rows=24, columns=80, start=True, term="xterm") as one:
        assert one.frames(OUTPUT) == [(OUTPUT, b"prompt> ")]
        assert json.loads(one.reply) == {"parameters": {"name": "web"}}
        attached = first(running)
        assert attached.state == AttachedState("web", 24, 80, {"TERM": "xterm"})
        one.socket.sendall(b"b" + frame(INPUT, b"cd") + frame(LAST, b""))
        wait_until(lambda: bytes(attached.typed) == b"abcd<end>")
        assert attached.sizes == [(30, 100)]
        running.call(attached.viewer.show, b"out")
        running.call(attached.viewer.tell, "web: stopping")
        running.call(attached.viewer.end, 3, "web: failed")
        assert one.frames(END) == [(OUTPUT, b"out"), (NOTICE, b"web: stopping"), (END, b"3 web: failed")]
        assert one.socket.recv(1) == b""
    wait_until(lambda: attached.left)


@pytest.mark.parametrize(
    ("method", "upgrade"), [("Attach", False), ("Attach", None), ("Status", True), ("Nothing", True)]
)
def test_it_is_asked_for(running: Running, method: str, upgrade: bool | None) -> None:
    """Attach takes over a connection that was offered, and nothing else does."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(running.address)
        call = {"method": f"io.asyncinit.{method}", "parameters": {"name": "web"}, "upgrade": upgrade}
        sock.sendall(json.dumps(call).encode() + b"\0")
        answer = json.loads(sock.recv(1 << 16).rstrip(b"\0"))
    assert answer["error"] == "org.varlink.service.MethodNotImplemented"


def test_a_refusal_is_an_answer_like_others(running: Running) -> None:
    """The connection stays what it was, and the next call is answered."""
    call = {"method": "io.asyncinit.Status", "parameters": {}}
    with client(running, name="plain", after=json.dumps(call).encode() + b"\0") as one:
        data = b""
        while data.count(b"\0") < 2:
            data += one.socket.recv(1 << 16)
    refused, status, _ = data.split(b"\0")
    assert json.loads(refused)["parameters"] == {"text": "cannot attach to plain: it has no terminal"}
    assert len(json.loads(status)["parameters"]["services"]) == 2


@pytest.mark.parametrize("broken", [b"I" + (LONGEST + 1).to_bytes(4, "little"), frame(SIZE, b"0 0"), frame(SIZE, b"x")])
def test_what_is_no_frame_ends_it(running: Running, broken: bytes) -> None:
    """That client is hung up on, and has left."""
    with client(running) as one:
        one.frames(OUTPUT)
        one.socket.sendall(broken)
        assert one.socket.recv(1) == b""
    attached = first(running)
    wait_until(lambda: attached.left)


def test_who_hangs_up_has_left(running: Running) -> None:
    """At whatever moment."""
    with client(running):
        attached = first(running)
    wait_until(lambda: attached.left)


def test_who_does_not_read_loses_output_and_is_told(running: Running) -> None:
    """What is held for it is bounded, and others are answered meanwhile."""
    with client(running) as one:
        attached = first(running)
        for _ in range(100):
            running.call(attached.viewer.show, b"x" * (HELD // 10))
        (connection,) = (c for c in running.server._clients if c.call is not None)
        assert connection.output_size <= HELD + HELD // 10
        with Connection(running.address) as other:
            assert other.call("Status")["services"]
        found = one.frames(NOTICE)
        shown = sum(len(body) for kind, body in found if kind == OUTPUT) - len(b"prompt> ")
        assert found[-1][1] == b"%d bytes were left out: they were not read in time" % (100 * (HELD // 10) - shown)
        running.call(attached.viewer.show, b"again")
        assert one.frames(OUTPUT) == [(OUTPUT, b"again")]


def test_who_types_faster_than_it_is_read_is_not_read(running: Running) -> None:
    """Until there is room again; then nothing was lost."""
    with client(running) as one:
        attached = first(running)
        attached.full = True
        one.socket.setblocking(False)
        data, sent = frame(INPUT, b"y" * 1000) * 5000, 0
        try:
            while sent < len(data):
                sent += one.socket.send(data[sent:])
        except BlockingIOError:
            pass
        assert sent < len(data)
        assert len(attached.typed) < 1 << 20
        attached.full = False
        running.call(attached.viewer.room)
        one.socket.settimeout(20)
        one.socket.sendall(data[sent:])
        wait_until(lambda: len(attached.typed) == 5_000_000)
