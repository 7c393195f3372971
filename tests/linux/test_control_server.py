"""The control server between good clients and bad ones, on both loops."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from asyncinit.client.connection import Connection
from asyncinit.client.errors import CallError, NotRunningError
from asyncinit.core.status import State
from asyncinit.runtime.control import server as control
from asyncinit.runtime.control import streams as control_streams
from tests.fake_operations import Running, running_server, service
from tests.support import wait_until

NAMES = ("db", "web", "worker")


@pytest.fixture
def running(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[Running]:
    """A server with three services, all ready."""
    with running_server(loop, str(tmp_path / "control.sock"), *NAMES) as server:
        yield server


@contextmanager
def raw(address: str) -> Iterator[socket.socket]:
    """A socket on which a test says what it wants."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(address)
        yield client


def request(method: str, **more: object) -> bytes:
    return json.dumps({"method": f"io.asyncinit.{method}", **more}).encode() + b"\0"


def replies(client: socket.socket) -> Iterator[dict[str, Any]]:
    """What the server answers, until it hangs up."""
    data = b""
    while chunk := client.recv(1 << 16):
        data += chunk
        *whole, data = data.split(b"\0")
        for message in whole:
            yield json.loads(message)


def still_answers(running: Running) -> bool:
    """Whether another client gets its answer."""
    with Connection(running.address) as client:
        return [one["name"] for one in client.call("Status")["services"]] == sorted(running.operations.services_by_name)


# ---------------------------------------------------------------------------------------------------------------------
# Good clients


def test_status_has_every_key_always(running: Running) -> None:
    """A status has the keys of the design, null where there is nothing to say."""
    with Connection(running.address) as client:
        answer = client.call("Status", {"names": ["web"]})
    assert list(answer["asyncinit"]) == ["version", "pid", "state", "ready", "since", "profiles"]
    keys = "name type state reason pid since ready_since restarts last_exit waiting_on next_start status_text armed"
    more = ["successor", "draining", "requires", "not_applied", "health", "file", "log", "frozen", "cgroup", "watch"]
    assert list(answer["services"][0]) == [*keys.split(), *more]


def test_calls_in_one_write_are_answered_in_order(running: Running) -> None:
    """Pipelined calls get their answers in order, and a half-closed client gets all of them."""
    with raw(running.address) as client:
        client.sendall(request("Show", parameters={"name": "db"}) + request("Nope") + request("Status"))
        client.shutdown(socket.SHUT_WR)
        first, second, third = replies(client)
    assert first == {"parameters": {"toml": 'name = "db"\n'}}
    assert second["error"] == "org.varlink.service.MethodNotFound"
    assert [one["name"] for one in third["parameters"]["services"]] == sorted(NAMES)


def test_a_call_waits_for_the_one_before(running: Running) -> None:
    """While an action is waited for, the same client's next call is not begun, and another client's is answered."""
    running.operations.hold = {"web"}
    with raw(running.address) as client:
        client.sendall(request("Start", parameters={"names": ["web"]}) + request("Stop", parameters={"names": ["db"]}))
        wait_until(lambda: running.operations.jobs)
        assert still_answers(running)
        assert len(running.operations.jobs) == 1
        running.call(running.operations.finish, running.operations.jobs[0])
        answers = replies(client)
        assert next(answers)["parameters"]["results"][0]["name"] == "web"
        assert next(answers)["parameters"]["results"][0]["name"] == "db"


def test_a_client_that_leaves_stops_its_waiting(running: Running) -> None:
    """The job of a client that hung up is cancelled, and its follower is gone too."""
    running.operations.hold = {"web"}
    with raw(running.address) as client, raw(running.address) as follower:
        client.sendall(request("Start", more=True, parameters={"names": ["web"]}))
        follower.sendall(request("Logs", more=True, parameters={"follow": True}))
        next(replies(client))
        next(replies(follower))
        assert running.operations.listeners
        assert running.operations.log.followers
    wait_until(lambda: running.operations.jobs[0].cancelled)
    wait_until(lambda: not running.operations.listeners)
    wait_until(lambda: not running.operations.log.followers and not running.operations.log.event_followers)


def test_actions_tell_progress_and_failure(running: Running) -> None:
    """With `more`, what else is affected comes first, then what happens; a service that fails makes it an error."""
    running.operations.affected = ("worker",)
    running.operations.failing = {"web"}
    with raw(running.address) as client:
        client.sendall(request("Restart", more=True, parameters={"names": ["db", "web"], "only": True}))
        client.shutdown(socket.SHUT_WR)
        first, *progress, last = replies(client)
    assert first == {"parameters": {"results": [], "affected": ["worker"], "progress": []}, "continues": True}
    assert [event["service"] for one in progress for event in one["parameters"]["progress"]] == ["db", "web"]
    assert last["error"] == "io.asyncinit.ActionFailed"
    assert [(one["name"], one["ok"]) for one in last["parameters"]["results"]] == [("db", True), ("web", False)]
    assert running.operations.jobs[0].only


def test_an_instance_is_made_before_it_is_started(running: Running) -> None:
    """With whom it is started; what is in the way of it is the answer, and who comes to nothing is not there."""
    with Connection(running.address) as client:
        answer = client.call("Start", {"names": ["made@1", "web"]})
        assert [result["name"] for result in answer["results"]] == ["made@1", "web"]
        assert client.call("Start", {"names": ["made@2"], "wait": False})["results"][0]["ok"]
        for name, error, text in (
            ("made@never", "Refused", "cannot make made@never"),
            ("made@nobody", "NoSuchService", "made@nobody"),
        ):
            with pytest.raises(CallError) as raised:
                client.call("Start", {"names": [name]})
            assert error in raised.value.name
            assert text in raised.value.parameters.values()
        with pytest.raises(CallError):
            client.call("Stop", {"names": ["made@3"]})


def test_an_action_that_nobody_waits_for(running: Running) -> None:
    """With wait false the answer comes at once and the action goes on; the job is not waited for."""
    running.operations.hold = {"web"}
    with Connection(running.address) as client:
        answer = client.call("Start", {"names": ["web"], "wait": False})
    assert answer["results"] == [{"name": "web", "ok": True, "state": "ready", "text": ""}]
    assert running.operations.jobs[0].cancelled


def test_oneway_calls_are_carried_out_without_a_word(running: Running) -> None:
    """Oneway calls get no reply, also when the client is gone at once, and the next call is not held up."""
    with raw(running.address) as client:
        client.sendall(request("Signal", oneway=True, parameters={"names": ["db"], "signal": 1}))
        client.sendall(request("Signal", oneway=True, parameters={"names": ["nope"], "signal": 1}))
        client.sendall(request("Show", parameters={"name": "db"}))
        assert next(replies(client))["parameters"]["toml"]
    with raw(running.address) as client:
        client.sendall(request("Signal", oneway=True, parameters={"names": ["web"], "signal": 2}) * 50)
    wait_until(lambda: len(running.operations.signals) == 51)


@pytest.mark.parametrize(
    ("method", "parameters", "named"),
    [
        ("Start", {"names": "db"}, "names"),
        ("Start", {"names": ["db", 1]}, "names"),
        ("Start", {}, "names"),
        ("Start", {"names": ["db"], "force": True}, "force"),
        ("Signal", {"names": ["db"], "signal": "TERM"}, "signal"),
        ("Logs", {"lines": 1.5}, "lines"),
        ("Logs", ["db"], "parameters"),
        ("Show", {"name": None}, "name"),
    ],
)
def test_wrong_parameters_are_named(running: Running, method: str, parameters: object, named: str) -> None:
    """A parameter that is missing, unknown or of a wrong type is named in the error, and the client stays."""
    with raw(running.address) as client:
        client.sendall(request(method, parameters=parameters) + request("Show", parameters={"name": "db"}))
        answers = replies(client)
        expected = {"error": "org.varlink.service.InvalidParameter", "parameters": {"parameter": named}}
        assert next(answers) == expected
        assert next(answers)["parameters"]["toml"]


def test_the_standard_errors(running: Running) -> None:
    """Unknown interfaces and methods, upgrades and following without `more` get the standard errors."""
    service_name = "org.varlink.service"
    asked = [
        {"method": "org.example.Ping"},
        {"method": "Ping"},
        {"method": f"{service_name}.Ping"},
        {"method": f"{service_name}.GetInterfaceDescription", "parameters": {"interface": "org.example"}},
        {"method": "io.asyncinit.Logs", "parameters": {"follow": True}},
        {"method": "io.asyncinit.Status", "upgrade": True},
        {"method": "io.asyncinit.Signal", "parameters": {"names": ["db"], "signal": 65}},
        {"method": "io.asyncinit.Stop", "parameters": {"names": []}},
        {"method": "io.asyncinit.Status", "parameters": None, "later": "extension"},
    ]
    with raw(running.address) as client:
        client.sendall(b"".join(json.dumps(one).encode() + b"\0" for one in asked))
        client.shutdown(socket.SHUT_WR)
        errors = [one.get("error", "").rpartition(".")[2] for one in replies(client)]
    standard = "InterfaceNotFound InterfaceNotFound MethodNotFound InterfaceNotFound ExpectedMore MethodNotImplemented"
    assert errors == [*standard.split(), "Refused", "Refused", ""]


def test_lines_come_in_batches_and_in_order(running: Running) -> None:
    """A backlog comes in batches of 256, then what is new; nothing is lost, nothing comes twice."""
    log = running.operations.log
    running.call(log.add, "web", *(b"%d" % number for number in range(600)))
    with Connection(running.address) as client:
        stream = client.stream("Logs", {"names": ["web"], "lines": 550, "follow": True})
        got = [next(stream)["entries"] for _ in range(3)]
        assert [len(batch) for batch in got] == [256, 256, 38]
        running.call(log.add, "web", *(b"%d" % number for number in range(600, 1200)))
        while (size := sum(map(len, got))) < 1150:
            got.append(next(stream)["entries"])
        assert size == 1150
    assert [int(entry["message"]) for batch in got for entry in batch] == list(range(50, 1200))


def test_lines_by_count_time_and_cursor(running: Running) -> None:
    """Without `follow` the stream ends; lines, since and after each leave out what is before."""
    log = running.operations.log
    running.call(log.add, "web", b"one")
    running.call(log.add_event, "web", "ready")
    running.call(log.add, "db", b"two")
    with Connection(running.address) as client:

        def messages(**asked: object) -> list[str]:
            return [entry["message"] for reply in client.stream("Logs", asked) for entry in reply["entries"]]

        assert messages() == ["one", "ready", "two"]
        assert messages(names=["web"]) == ["one", "ready"]
        assert messages(lines=2) == ["ready", "two"]
        assert messages(lines=0) == []
        assert messages(after=2) == ["two"]
        assert messages(since=log.items[1].time) == ["ready", "two"]
        with pytest.raises(CallError, match="no such service"):
            messages(names=["nope"])


def test_events_of_some_services(running: Running) -> None:
    """Events come from before and as they happen, of those services alone that were named."""
    operations = running.operations
    running.call(operations.emit, "db", State.READY, "db is ready")
    with Connection(running.address) as client:
        stream = client.stream("Events", {"names": ["db"], "follow": True})
        assert [event["text"] for event in next(stream)["events"]] == ["db is ready"]
        running.call(operations.emit, "web", State.READY, "web is ready")
        running.call(operations.emit, "db", State.STOPPING, "db is stopping")
        assert [event["text"] for event in next(stream)["events"]] == ["db is stopping"]


def test_a_bug_in_an_operation_ends_nobody(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that nobody expected becomes the error Failed, and a line in the log."""
    path = str(tmp_path / "control.sock")
    with running_server(loop, path, "db") as running:
        monkeypatch.setattr(running.operations, "show", lambda name: 1 // 0)
        with Connection(path) as client, pytest.raises(CallError) as caught:
            client.call("Show", {"name": "db"})
        assert caught.value.name == "io.asyncinit.Failed"
        assert still_answers(running)
        assert "ZeroDivisionError" in running.said.pop()


def test_shutdown_says_who_asked(running: Running) -> None:
    """The reason in the log has the caller's uid, and no control characters of the caller's."""
    with Connection(running.address) as client:
        client.call("Shutdown", {"reason": "update\x1b[2J\n"})
    assert running.operations.shutdowns[0].startswith("update [2J  (uid ")


# ---------------------------------------------------------------------------------------------------------------------
# Bad ones


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0",
        b"hello\0",
        b"[]\0",
        b'{"parameters":{}}\0',
        b'{"method":1}\0',
        b'\xff\xfe{"method":"a.b"}\0',
        b'{"method":"\xff"}\0',
        b'{"method":"io.asyncinit.Status","parameters":' + b"[" * 100_000 + b"]" * 100_000 + b"}\0",
        b"[" * 500_000 + b"\0",
        b"x" * (1 << 20) + b"y",
    ],
    ids=lambda garbage: repr(garbage[:12]),
)
def test_garbage_ends_its_client_only(running: Running, garbage: bytes) -> None:
    """What is no message of ours ends the connection, without an answer of sense and without harm to others."""
    with raw(running.address) as client:
        try:
            client.sendall(garbage)
            assert all("error" in one for one in replies(client)) or not client.recv(1)
        except (ConnectionResetError, BrokenPipeError, TimeoutError):
            pass
    assert still_answers(running)


def test_half_messages_and_silence_cost_nothing(running: Running) -> None:
    """Clients that begin a message and stop are not waited for."""
    with raw(running.address) as silent, raw(running.address) as half:
        half.sendall(request("Status")[:-1])
        assert still_answers(running)
        half.sendall(b"\0")
        assert next(replies(half))["parameters"]
        silent.sendall(request("Status"))
        assert next(replies(silent))["parameters"]


def test_a_client_that_never_reads_costs_one_reply(running: Running) -> None:
    """Ten thousand calls whose answers nobody takes are not carried out beyond what the socket holds."""
    log = running.operations.log
    running.call(log.add, "web", *[b"x" * 1000] * 256)
    calls = 0
    journal = running.operations.journal

    def counted() -> Any:
        nonlocal calls
        calls += 1
        return journal()

    running.operations.journal = counted  # type: ignore[method-assign]
    with raw(running.address) as client:
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            while True:
                client.sendall(request("Logs") * 100)
        assert still_answers(running)
        assert calls < 20


def test_a_slow_follower_is_told_what_it_lost(running: Running) -> None:
    """A follower that does not read loses the oldest lines, is told how many, and goes on."""
    log = running.operations.log
    with Connection(running.address) as client:
        stream = client.stream("Logs", {"names": ["web"], "follow": True})
        next(stream)
        total = 4 * control_streams.HELD_ITEMS
        for first in range(0, total, 1024):
            running.call(log.add, "web", *(b"%d " % n + b"x" * 200 for n in range(first, first + 1024)))
        got, dropped, last = 0, 0, -1
        while last < total - 1:
            reply = next(stream)
            dropped += reply["dropped"]
            numbers = [int(entry["message"].split()[0]) for entry in reply["entries"]]
            assert numbers == sorted(numbers)
            assert numbers[0] > last
            got, last = got + len(numbers), numbers[-1]
        assert dropped > 0
        assert got + dropped == total


def test_two_hundred_connections(running: Running) -> None:
    """More clients than there is room for push out the idle ones, never one that is being answered."""
    running.operations.hold = {"web"}
    with raw(running.address) as busy:
        busy.sendall(request("Start", parameters={"names": ["web"]}))
        wait_until(lambda: running.operations.jobs)
        clients = []
        try:
            for _ in range(200):
                client = socket.socket(socket.AF_UNIX)
                client.connect(running.address)
                clients.append(client)
            assert still_answers(running)
            assert not running.operations.jobs[0].cancelled
            wait_until(lambda: len(running.server._clients) <= control.MOST_CLIENTS)
        finally:
            for client in clients:
                client.close()
        running.call(running.operations.finish, running.operations.jobs[0])
        assert next(replies(busy))["parameters"]["results"]
    wait_until(lambda: not running.server._clients)


def test_clients_that_do_not_read_make_room(running: Running) -> None:
    """When all places are taken by clients that leave their answers, a new one still gets in."""
    running.call(running.operations.log.add, "web", *[b"x" * 1000] * 256)
    clients = []
    try:
        for _ in range(control.MOST_CLIENTS):
            client = socket.socket(socket.AF_UNIX)
            client.connect(running.address)
            client.sendall(request("Logs") * 10)
            clients.append(client)
        wait_until(lambda: all(client.worth == 1 for client in list(running.server._clients)))
        assert len(running.server._clients) == control.MOST_CLIENTS
        assert all(still_answers(running) for _ in range(3))
    finally:
        for client in clients:
            client.close()


def test_a_flood_does_not_hold_up_another_client(running: Running) -> None:
    """While one client floods with calls, another is answered many times."""
    for number in range(300):
        running.operations.services_by_name[f"s{number}"] = service(f"s{number}")
    stop = threading.Event()

    def read(client: socket.socket) -> None:
        try:
            while not stop.is_set() and client.recv(1 << 20):
                pass
        except OSError:
            pass

    def flood(client: socket.socket) -> None:
        try:
            while not stop.is_set():
                client.sendall(request("Status") * 20)
        except OSError:
            pass

    with raw(running.address) as flooder:
        threads = [threading.Thread(target=target, args=(flooder,)) for target in (read, flood)]
        for thread in threads:
            thread.start()
        try:
            assert all(still_answers(running) for _ in range(20))
        finally:
            stop.set()
            flooder.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(20)


def test_passed_descriptors_are_dropped(running: Running) -> None:
    """Descriptors that a client sends along do not stay with us."""

    def open_descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    with raw(running.address) as client, open(os.devnull) as null:
        client.sendall(request("Status"))
        next(replies(client))
        before = open_descriptors()
        for _ in range(10):
            socket.send_fds(client, [request("Status")], [null.fileno()] * 20)
            next(replies(client))
        assert open_descriptors() == before


def test_no_descriptors_left_is_no_busy_loop(running: Running) -> None:
    """When accept fails for want of descriptors it is left alone for a while, and the client is answered after that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.settimeout(20)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, hard))
            with pytest.raises(OSError, match="Too many open files"):
                while True:
                    held.append(os.open(os.devnull, os.O_RDONLY))
            waiting.connect(running.address)
            wait_until(lambda: running.server._accept_again is not None)
            assert not running.server._accepting
        finally:
            for descriptor in held:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        waiting.sendall(request("Show", parameters={"name": "db"}))
        assert next(replies(waiting))["parameters"]["toml"]


def test_the_end_of_the_server_is_seen(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """At its end the server hangs up on everybody and removes its socket."""
    path = tmp_path / "control.sock"
    with running_server(loop, str(path), "db") as running, Connection(str(path)) as client:
        stream = client.stream("Events", {"follow": True})
        next(stream)
        running.call(running.server.close)
        with pytest.raises(NotRunningError):
            next(stream)
        assert not path.exists()
