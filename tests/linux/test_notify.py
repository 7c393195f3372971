"""Notification sockets: who is heard, what is closed, and that a flood holds nobody up."""

from __future__ import annotations

import array
import fcntl
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from asyncinit.linux import discard
from asyncinit.runtime.ready import notify
from asyncinit.runtime.ready.notify import NotifySocket
from tests.readiness_support import Recorder, connect_to, in_child, no_descriptor_left, run_until, turn
from tests.support import wait_until
from tests.wrapping import children as children_of

ME = os.getpid


class Children:
    """Forked senders, reaped at the end."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def fork(self, function: Callable[[], object]) -> int:
        pid = in_child(function)
        self.pids.append(pid)
        return pid

    def reap(self, pid: int) -> int:
        self.pids.remove(pid)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    for pid in made.pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@pytest.fixture
def handler() -> Recorder:
    return Recorder()


def send(address: str, *messages: bytes) -> None:
    with connect_to(address) as sender:
        for message in messages:
            sender.send(message)


def send_with(address: str, data: bytes, *descriptors: int) -> None:
    with connect_to(address) as sender:
        rights = array.array("i", descriptors)
        sender.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def test_messages_are_told_in_order(loop, handler):
    """Each message is handled in the order of sending; within one, the state comes last."""
    notifier = NotifySocket(loop, handler, lambda pid: pid == ME())
    send(notifier.address, b"READY=1\nSTATUS=up\nERRNO=0", b"RELOADING=1", b"READY=1", b"STOPPING=1\nSTATUS=bye")
    run_until(loop, lambda: ("stopping",) in handler.told)
    notifier.close()
    told = [("errno", 0), ("status", "up"), ("ready",), ("reloading",), ("ready",), ("status", "bye"), ("stopping",)]
    assert handler.told == told


def test_addresses_are_random_and_usable_as_they_are(loop, handler):
    """Two sockets differ, and the address is what NOTIFY_SOCKET holds."""
    one, two = (NotifySocket(loop, handler, lambda _: True) for _ in range(2))
    assert one.address != two.address
    assert one.address.startswith("@") and len(one.address) < 100
    one.close()
    with pytest.raises(ConnectionRefusedError):
        send(one.address, b"READY=1")
    two.close()


@pytest.mark.parametrize("failing", [[BlockingIOError], [BlockingIOError, OSError]])
def test_a_name_needs_no_entropy(monkeypatch, failing):
    """Where the kernel's pool is not ready, names are still made at once and differ."""
    real, calls = os.getrandom, []

    def getrandom(size: int, flags: int) -> bytes:
        calls.append(flags)
        if len(calls) % 2 < len(failing) or len(failing) == 2:
            raise failing[min(len(calls) - 1, len(failing) - 1)]
        return real(size, flags)

    monkeypatch.setattr(os, "getrandom", getrandom)
    assert notify.random_name() != notify.random_name()
    assert 0 not in calls


def test_a_path_is_removed_with_its_socket(loop, handler, tmp_path):
    """A socket can be at a path, for those who do not share our network namespace."""
    path = str(tmp_path / "notify")
    notifier = NotifySocket(loop, handler, lambda _: True, path=path)
    send(path, b"READY=1")
    run_until(loop, lambda: handler.is_ready)
    notifier.close()
    assert not os.path.exists(path)
    with no_descriptor_left(), pytest.raises(OSError):
        NotifySocket(loop, handler, lambda _: True, path=str(tmp_path / "not" / "there"))


def test_a_live_stranger_is_refused_and_told_once(loop, handler, children):
    """A living sender that is no process of the service changes nothing, however often it tries."""
    notifier = NotifySocket(loop, handler, lambda _: False)

    def stranger() -> None:
        with connect_to(notifier.address) as sender:
            for _ in range(200):
                sender.send(b"READY=1\nSTATUS=forged")
            time.sleep(60)

    pid = children.fork(stranger)
    run_until(loop, lambda: handler.told)
    turn(loop, 50)
    notifier.close()
    assert [entry[0] for entry in handler.told] == ["complaint"]
    assert f"pid {pid}" in handler.complaints[0]


def test_many_strangers_fill_neither_the_log_nor_memory(loop, handler, children):
    """Strangers with ever new pids are one complaint."""
    notifier = NotifySocket(loop, handler, lambda _: False)
    hold, release = os.pipe()
    for _ in range(10):
        children.fork(lambda: (send(notifier.address, b"READY=1"), os.close(release), os.read(hold, 1)))
    run_until(loop, lambda: handler.told)
    turn(loop, 50)
    os.close(hold)
    os.close(release)
    notifier.drain()
    assert len(handler.told) == 1
    notifier.close()


@pytest.mark.parametrize("reaped", [True, False])
def test_a_dead_sender_is_heard(loop, handler, children, reaped):
    """Whoever had the address and our uid and is gone (a zombie too) is heard: systemd-notify in a script."""
    notifier = NotifySocket(loop, handler, lambda _: None if not reaped else False)
    pid = children.fork(lambda: send(notifier.address, b"READY=1"))
    if reaped:
        children.reap(pid)
    else:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    run_until(loop, lambda: handler.told)
    notifier.close()
    assert handler.told == [("ready",)]


def test_a_dead_sender_is_heard_without_pidfds(loop, handler, children, monkeypatch):
    """Kernels before 6.5 do not send pidfds along: the pid is asked."""
    monkeypatch.setattr(notify, "_SO_PASSPIDFD", 9999)
    notifier = NotifySocket(loop, handler, lambda _: False)
    children.reap(children.fork(lambda: send(notifier.address, b"STATUS=dead")))
    alive = children.fork(lambda: (send(notifier.address, b"READY=1"), time.sleep(60)))
    run_until(loop, lambda: len(handler.told) == 2)
    notifier.close()
    assert handler.told[0] == ("status", "dead")
    assert f"pid {alive}" in handler.complaints[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
class TestOtherUsers:
    """Anyone in the network namespace can read an abstract name in /proc/net/unix."""

    @staticmethod
    def as_user(uid: int, address: str, *messages: bytes) -> Callable[[], None]:
        def run() -> None:
            os.setresuid(uid, uid, uid)
            send(address, *messages)

        return run

    def test_a_dead_stranger_of_another_user_is_refused(self, loop, handler, children):
        """A forged message does not become true by its sender's death."""
        notifier = NotifySocket(loop, handler, lambda _: False)
        notifier.trust(os.geteuid())
        children.reap(children.fork(self.as_user(4711, notifier.address, b"STOPPING=1")))
        run_until(loop, lambda: handler.told)
        notifier.close()
        assert [entry[0] for entry in handler.told] == ["complaint"]

    def test_a_dead_sender_of_the_services_user_is_heard(self, loop, handler, children):
        """The service's own user may be another one than ours."""
        notifier = NotifySocket(loop, handler, lambda _: None)
        notifier.trust(4711)
        children.reap(children.fork(self.as_user(4711, notifier.address, b"READY=1")))
        run_until(loop, lambda: handler.told)
        notifier.close()
        assert handler.told == [("ready",)]

    def test_a_dead_sender_of_any_user_is_heard_while_the_services_is_not_known(self, loop, handler, children):
        """Before the user is told, the address alone is the identity."""
        notifier = NotifySocket(loop, handler, lambda _: False)
        children.reap(children.fork(self.as_user(4711, notifier.address, b"READY=1")))
        run_until(loop, lambda: handler.told)
        notifier.close()
        assert handler.told == [("ready",)]

    def test_a_user_that_a_process_of_the_service_had_is_trusted(self, loop, handler, children):
        """A service may change its user itself (gosu): whom a living process of it spoke as is heard when dead."""
        members: set[int] = set()
        notifier = NotifySocket(loop, handler, members.__contains__)
        notifier.trust(os.geteuid())
        pid = children.fork(self.as_user(4711, notifier.address, b"STATUS=first"))
        members.add(pid)
        run_until(loop, lambda: handler.told)
        children.reap(pid)
        members.clear()
        children.reap(children.fork(self.as_user(4711, notifier.address, b"READY=1")))
        run_until(loop, lambda: len(handler.told) == 2)
        notifier.close()
        assert handler.told == [("status", "first"), ("ready",)]


@pytest.mark.skipif(os.geteuid() != 0, reason="a sibling PID namespace needs root")
def test_a_sender_outside_of_our_pid_namespace_is_refused(tmp_path):
    """Whoever has no pid here (0) can't be a process of a service."""
    program = """
import asyncio, os, socket, sys
from asyncinit.runtime.ready.notify import NotifySocket
from tests.readiness_support import Recorder, run_until, in_child, connect_to
handler, loop = Recorder(), asyncio.new_event_loop()
notifier = NotifySocket(loop, handler, lambda pid: True)
print(notifier.address, flush=True)
run_until(loop, lambda: handler.told)
notifier.close()
loop.close()
print(handler.told, flush=True)
"""
    inside = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    with inside:
        assert inside.stdout is not None
        send(inside.stdout.readline().strip(), b"READY=1")
        told = inside.stdout.read()
    assert "outside of this PID namespace" in told and "'ready'" not in told


def test_main_pid_must_be_a_live_process_of_the_service(loop, handler, children):
    """Our own pid, init's, strangers, the dead and those that never were are refused; a member is taken."""
    member = children.fork(lambda: time.sleep(60))
    dead = children.fork(lambda: None)
    os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
    belongs = {ME(), member, dead, 4194304}
    notifier = NotifySocket(loop, handler, belongs.__contains__)
    for pid in (ME(), 1, dead, 4194304, 0, member):
        send(notifier.address, b"MAINPID=%d" % pid)
        notifier.drain()
    notifier.close()
    assert [entry for entry in handler.told if entry[0] != "complaint"] == [("main_pid", member)]
    assert handler.complaints


def test_a_barrier_is_closed_after_what_came_before_it(loop, handler):
    """The other end of the barrier's pipe sees the end only once the earlier messages were handled."""
    notifier = NotifySocket(loop, handler, lambda _: True)
    seen: list[list[tuple[object, ...]]] = []
    reader, writer = os.pipe()
    loop.add_reader(reader, lambda: (seen.append(list(handler.told)), loop.remove_reader(reader)))
    for number in range(5):
        send(notifier.address, b"STATUS=%d" % number)
    send_with(notifier.address, b"BARRIER=1", writer)
    os.close(writer)
    run_until(loop, lambda: seen)
    os.close(reader)
    notifier.close()
    assert seen == [[("status", str(number)) for number in range(5)]]


@pytest.mark.parametrize("count", [0, 2])
def test_a_barrier_with_other_than_one_descriptor_is_told(loop, handler, count):
    """The protocol wants exactly one; the descriptors are closed all the same."""
    notifier = NotifySocket(loop, handler, lambda _: True)
    reader, writer = os.pipe()
    send_with(notifier.address, b"BARRIER=1", *[writer] * count)
    os.close(writer)
    run_until(loop, lambda: handler.complaints)
    assert os.read(reader, 1) == b""
    os.close(reader)
    notifier.close()


@pytest.mark.parametrize("known", [True, False])
def test_uninvited_descriptors_are_closed(loop, handler, known):
    """The most that one datagram can carry, of every kind and from anyone, leave nothing open."""
    with no_descriptor_left():
        notifier = NotifySocket(loop, handler, lambda _: known)
        opened = [os.open("/dev/null", os.O_RDONLY), socket.socket().detach(), os.memfd_create("x")]
        reader, writer = os.pipe()
        send_with(notifier.address, b"STATUS=a", *[*opened, writer] * 63, writer)
        send_with(notifier.address, b"STATUS=b", *opened)
        for descriptor in [*opened, writer]:
            os.close(descriptor)
        run_until(loop, lambda: len(handler.told) >= (2 if known else 1))
        notifier.drain()
        assert os.read(reader, 1) == b""
        os.close(reader)
        notifier.close()
        reap_all()


def reap_all() -> None:
    """Reap the children that close descriptors, as asyncinit's reaper would."""
    wait_until(lambda: not discard.overloaded() and not discard._children)
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def test_a_full_descriptor_table_loses_no_message(loop, handler):
    """With no number left for what is attached, the text is still heard and nothing is left open."""
    with no_descriptor_left():
        notifier = NotifySocket(loop, handler, lambda _: True)
        reader, writer = os.pipe()
        send_with(notifier.address, b"STATUS=full\nBARRIER=1", *[writer] * 20)
        os.close(writer)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        fillers: list[int] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        try:
            while True:
                try:
                    fillers.append(os.dup(0))
                except OSError:
                    break
            os.close(fillers.pop())
            os.close(fillers.pop())
            notifier.drain()
        finally:
            for descriptor in fillers:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert os.read(reader, 1) == b""
        os.close(reader)
        notifier.close()
    assert handler.told == [("status", "full")]


def some_child_closes() -> bool:
    """Tell whether a child is there that has not closed yet what it was given; of other children nothing is asked."""
    discard.overloaded()  # forgets those that have
    return bool(discard._children)


def lingering() -> tuple[socket.socket, Callable[[], None]]:
    """Return a connection whose last close(2) waits for 1,000 s, or until the returned function is called."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1000))
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            client.send(b"x" * 65536)
    return client, lambda: (server.close(), listener.close())[0]


def test_a_lingering_connection_does_not_hold_us(loop, handler):
    """Closing a socket that waits for its data to be sent is a child's business."""
    notifier = NotifySocket(loop, handler, lambda _: True)
    client, release = lingering()
    send_with(notifier.address, b"STATUS=first", client.fileno())
    client.close()
    send(notifier.address, b"READY=1")
    run_until(loop, lambda: handler.is_ready)
    notifier.close()
    waits = some_child_closes()
    release()
    reap_all()
    assert waits, "nothing was there to wait for: the test is void"


def test_what_waits_in_a_closed_socket_does_not_hold_us(loop, handler):
    """A lingering connection in a message that nobody has read is closed by a child too."""
    notifier = NotifySocket(loop, handler, lambda _: True)
    client, release = lingering()
    send_with(notifier.address, b"X=1", client.fileno())
    client.close()
    notifier.close()
    waits = some_child_closes()
    release()
    reap_all()
    assert waits, "nothing was there to wait for: the test is void"


def test_hanging_closes_are_limited(loop, handler, monkeypatch):
    """While many children hang in a close no descriptor is received, and messages are heard all the same."""
    monkeypatch.setattr(discard, "_MOST_CHILDREN", 0)
    before = children_of(os.getpid())
    with no_descriptor_left():
        notifier = NotifySocket(loop, handler, lambda _: True)
        opened = os.open("/dev/null", os.O_RDONLY)
        send_with(notifier.address, b"BARRIER=1", opened)
        send_with(notifier.address, b"READY=1", *[opened] * 100)
        os.close(opened)
        run_until(loop, lambda: handler.is_ready)
        notifier.close()
    assert handler.told == [("ready",)]
    assert children_of(os.getpid()) == before


def test_without_clone_descriptors_are_closed_here(monkeypatch):
    """Where no child can be made (seccomp, no ctypes) they are closed nevertheless."""

    def refused(*_arguments: object) -> int:
        raise PermissionError(1, "refused")

    monkeypatch.setattr("asyncinit.linux.libc.call", refused)
    with no_descriptor_left():
        assert discard.discard([os.open("/dev/null", os.O_RDONLY), *os.pipe()]) is False


def test_received_descriptors_are_not_inherited(loop, handler, monkeypatch):
    """What arrives is close-on-exec from its birth: a service spawned at that moment does not get it."""
    flags: list[int] = []
    monkeypatch.setattr(
        notify,
        "discard",
        lambda fds: flags.extend(fcntl.fcntl(fd, fcntl.F_GETFD) for fd in fds) or discard.discard(fds),
    )
    notifier = NotifySocket(loop, handler, lambda _: True)
    reader, writer = os.pipe()
    send_with(notifier.address, b"READY=1", reader, writer)
    os.close(reader)
    os.close(writer)
    run_until(loop, lambda: handler.is_ready)
    notifier.close()
    assert flags == [fcntl.FD_CLOEXEC] * 2


def test_a_cut_message_is_refused(loop, handler):
    """64 KiB are taken whole; of more, nothing, as what was cut off may have been the point."""
    notifier = NotifySocket(loop, handler, lambda _: True)
    head = b"READY=1\nX="
    send(notifier.address, head + b"x" * (notify.MAX_MESSAGE - len(head)))
    notifier.drain()
    assert handler.told == [("ready",)]
    send(notifier.address, b"STOPPING=1\nX=" + b"x" * notify.MAX_MESSAGE)
    send(notifier.address, b"")
    notifier.drain()
    notifier.close()
    assert [entry[0] for entry in handler.told] == ["ready", "complaint"]


def test_a_flood_keeps_nobody_waiting(loop, handler, children):
    """While one service sends 100,000 messages, another one's readiness is seen long before they are through."""
    count = 100_000
    flooded = NotifySocket(loop, handler, lambda _: True)
    other_handler = Recorder()
    other = NotifySocket(loop, other_handler, lambda _: True)

    def flood() -> None:
        with connect_to(flooded.address) as sender:
            for number in range(count):
                sender.send(b"STATUS=%d" % number)

    pid = children.fork(flood)
    run_until(loop, lambda: len(handler.told) > 100)
    send(other.address, b"READY=1")
    run_until(loop, lambda: other_handler.is_ready)
    at_that_moment = len(handler.told)
    run_until(loop, lambda: len(handler.told) == count, timeout=120)
    assert at_that_moment < count // 2
    assert handler.told == [("status", str(number)) for number in range(count)]
    assert children.reap(pid) == 0
    flooded.close()
    other.close()


def test_a_turn_handles_a_bounded_part(loop, handler, monkeypatch):
    """Of what waits in one socket only a part is handled before another socket gets its turn."""
    monkeypatch.setattr(notify, "_BATCH_MESSAGES", 3)
    both = [NotifySocket(loop, handler, lambda _: True) for _ in range(2)]
    for notifier in both:
        send(notifier.address, *[b"STATUS=%d" % both.index(notifier)] * 10)
    run_until(loop, lambda: len(handler.told) == 20)
    order = [entry[1] for entry in handler.told]
    assert [order[start : start + 3].count("0") for start in range(0, 18, 3)] in ([3, 0] * 3, [0, 3] * 3)
    for notifier in both:
        notifier.close()


def test_drain_is_bounded(loop, handler, monkeypatch):
    """However fast messages come in, drain() ends."""
    monkeypatch.setattr(notify, "_DRAIN_MESSAGES", 5)
    notifier = NotifySocket(loop, handler, lambda _: True)
    send(notifier.address, *[b"STATUS=x"] * 10)
    notifier.drain()
    assert len(handler.told) == 5
    notifier.drain()
    notifier.close()


def test_drain_ends_under_a_flood_and_takes_what_was_there(loop, handler, children):
    """All that was sent before drain() is handled in it, and a sender that never stops does not hold it."""
    notifier = NotifySocket(loop, handler, lambda _: True)
    send(notifier.address, b"STATUS=before")

    def flood() -> None:
        with connect_to(notifier.address) as sender:
            while True:
                sender.send(b"STATUS=more")

    children.fork(flood)
    wait_until(lambda: not room(notifier))
    notifier.drain()
    notifier.close()
    assert handler.told[0] == ("status", "before")


def room(notifier: NotifySocket) -> bool:
    """Tell whether the socket's queue takes one more."""
    with connect_to(notifier.address) as sender:
        try:
            sender.send(b"X=1", socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
    return True


def test_a_handler_may_close_the_socket(loop):
    """Being ready may end the listening; what waits behind is not told then, and nothing leaks."""
    handler = Recorder()
    with no_descriptor_left():
        notifier = NotifySocket(loop, handler, lambda _: True)
        handler.ready = lambda: (handler.told.append(("ready",)), notifier.close())  # type: ignore[method-assign]
        send(notifier.address, b"READY=1", b"STATUS=late")
        run_until(loop, lambda: handler.told)
        turn(loop)
        notifier.close()
        notifier.drain()
        reap_all()
    assert handler.told == [("ready",)]


def test_a_raising_handler_leaks_nothing(loop):
    """An error in what a message sets off costs that message only."""
    handler = Recorder()
    errors: list[object] = []
    with no_descriptor_left():
        notifier = NotifySocket(loop, handler, lambda _: True)
        handler.stopping = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
        reader, writer = os.pipe()
        send_with(notifier.address, b"STOPPING=1", writer)
        os.close(writer)
        send(notifier.address, b"READY=1")
        loop.set_exception_handler(lambda _loop, context: errors.append(context["exception"]))
        while not handler.is_ready:
            turn(loop)
        assert os.read(reader, 1) == b""
        os.close(reader)
        notifier.close()
    assert [type(error) for error in errors] == [ZeroDivisionError]


@pytest.mark.skipif(shutil.which("systemd-notify") is None, reason="systemd-notify is not installed")
@pytest.mark.parametrize("member", [True, False])
def test_systemds_own_client_is_understood(loop, handler, member):
    """systemd-notify waits for its barrier and ends with 0; as a living stranger it is refused and does not hang."""
    with no_descriptor_left():
        notifier = NotifySocket(loop, handler, lambda _: member)
        client = subprocess.Popen(
            ["systemd-notify", "--ready", "--status=all is well"],
            env={**os.environ, "NOTIFY_SOCKET": notifier.address},
            stderr=subprocess.PIPE,
        )
        with client:
            run_until(loop, lambda: client.poll() is not None)
        assert client.returncode == 0
        notifier.drain()
        notifier.close()
    assert handler.told[:2] == ([("status", "all is well"), ("ready",)] if member else handler.told[:1])
