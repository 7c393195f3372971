"""Clients of the control socket over a re-exec, between two servers in one process: they notice nothing."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asyncinit import __version__
from asyncinit.core.status import State
from asyncinit.runtime.control.server import ControlServer, ControlState
from asyncinit.runtime.reexec.coding import decode, encode
from asyncinit.runtime.reexec.keep import Kept
from tests.fake_operations import Running, running_server
from tests.support import wait_until


@pytest.fixture
def running(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[Running]:
    with running_server(loop, str(tmp_path / "control.sock"), "db", "web") as server:
        yield server


def reexec(running: Running) -> None:
    """Have another server take over, as a new program does it."""

    def replace() -> None:
        keep = Kept()
        state = decode(encode(running.server.freeze(keep)), ControlState)
        assert state.place is not None
        assert keep.descriptors == {state.place.fd, *(client.fd for client in state.clients)}
        state.place.fd = os.dup(state.place.fd)
        for client in state.clients:
            client.fd = os.dup(client.fd)
        running.server.close()
        running.server = ControlServer(
            running.loop, running.operations, say=running.said.append, environment={}, carried=state.place
        )
        running.server.thaw(state)

    running.call(replace)


class Client:
    """Speaks Varlink by hand."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self._data = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, method: str, more: bool = False, **parameters: object) -> None:
        self.socket.sendall(message(method, more, **parameters))

    def receive(self) -> dict[str, Any]:
        while b"\0" not in self._data:
            data = self.socket.recv(1 << 16)
            assert data, "hung up"
            self._data += data
        first, _, self._data = self._data.partition(b"\0")
        reply: dict[str, Any] = json.loads(first)
        return reply


def message(method: str, more: bool = False, **parameters: object) -> bytes:
    return json.dumps({"method": f"io.asyncinit.{method}", "more": more, "parameters": parameters}).encode() + b"\0"


def has_read(running: Running, size: int) -> bool:
    """Whether so many bytes of a client wait for the rest of their message."""
    return any(len(client.input) == size for client in running.server._clients)


def test_a_request_in_two_halves(running: Running) -> None:
    """What was read of a message is not lost, and idle clients are clients afterwards."""
    whole = message("Show", name="web")
    with Client(running.address) as client, Client(running.address) as idle:
        client.socket.sendall(whole[:20])
        wait_until(lambda: has_read(running, 20))
        reexec(running)
        client.socket.sendall(whole[20:])
        assert client.receive()["parameters"] == {"toml": 'name = "web"\n'}
        reexec(running)
        idle.send("Show", name="db")
        assert idle.receive()["parameters"] == {"toml": 'name = "db"\n'}


def test_requests_that_wait_their_turn(running: Running) -> None:
    """Behind one that takes its time: each is answered once, in order."""
    running.operations.hold.add("web")
    with Client(running.address) as client:
        client.send("Start", names=["web"])
        client.socket.sendall(message("Show", name="db") + message("Show", name="web"))
        wait_until(lambda: running.operations.jobs and has_read(running, len(message("Show", name="db")) * 2 + 1))
        reexec(running)
        assert len(running.operations.jobs) == 2  # the one that was asked for, and the waiting that goes on
        running.call(running.operations.finish, running.operations.jobs[1])
        assert client.receive()["parameters"]["results"][0]["state"] == State.READY
        assert [client.receive()["parameters"]["toml"] for _ in range(2)] == ['name = "db"\n', 'name = "web"\n']


def test_progress_goes_on(running: Running) -> None:
    """Who is told of the steps of an action is told of those after, too."""
    running.operations.hold.add("web")
    with Client(running.address) as client:
        client.send("Restart", more=True, names=["web"])
        assert client.receive()["continues"]
        reexec(running)
        running.call(running.operations.emit, "web", State.STARTING, "starting")
        assert [event["new"] for event in client.receive()["parameters"]["progress"]] == [State.STARTING]
        running.call(running.operations.finish, running.operations.jobs[1])
        while (reply := client.receive()).get("continues"):
            pass
        assert reply["parameters"]["results"][0]["ok"]


def test_followers_miss_nothing(running: Running) -> None:
    """Each line once, whenever it came; also what a slow reader has not taken yet."""
    with Client(running.address) as client:
        client.send("Logs", more=True, names=["web"], follow=True)
        client.receive()
        for number in range(1000):
            running.call(running.operations.log.add, "web", b"%d" % number)
            if number % 300 == 299:
                reexec(running)
        seen: list[str] = []
        while len(seen) < 1000:
            reply = client.receive()["parameters"]
            assert reply["dropped"] == 0
            seen += [entry["message"] for entry in reply["entries"]]
        assert seen == [str(number) for number in range(1000)]


def test_followers_of_events_miss_nothing(running: Running) -> None:
    """The same for events."""
    with Client(running.address) as client:
        client.send("Events", more=True, follow=True)
        client.receive()
        for number in range(200):
            running.call(running.operations.emit, "web", State.READY, str(number))
            if number % 60 == 59:
                reexec(running)
        seen: list[str] = []
        while len(seen) < 200:
            seen += [event["text"] for event in client.receive()["parameters"]["events"]]
        assert seen == [str(number) for number in range(200)]


def test_who_asked_for_it_is_answered_by_the_next(running: Running) -> None:
    """With both versions."""
    with Client(running.address) as client:
        client.send("Reexec")
        wait_until(lambda: running.operations.reexecs)
        reexec(running)
        assert client.receive() == {"parameters": {"before": __version__, "after": __version__}}


def test_what_cannot_be_carried_is_told_so(running: Running) -> None:
    """No client waits for ever."""
    running.operations.hold.add("web")
    with Client(running.address) as client:
        client.send("Start", names=["web"])
        wait_until(lambda: running.operations.jobs)
        for connection in running.server._clients:
            assert connection.call is not None
            connection.call.carried = None
        reexec(running)
        reply = client.receive()
        assert reply["error"] == "io.asyncinit.Refused"
        assert "ask again" in reply["parameters"]["text"]
        client.send("Show", name="web")
        assert "toml" in client.receive()["parameters"]
