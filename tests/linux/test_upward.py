"""asyncinit's own readiness outward: it arrives, it never blocks, and a receiver that is not there costs one line."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

import pytest

from asyncinit.runtime.upward import Upward
from tests.readiness_support import no_descriptor_left, run_until, turn


class Receiver:
    """A notification socket as a supervisor above us has it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def received(self) -> list[bytes]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(65536))
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self.socket.close()
        if self.address.startswith("/") and os.path.exists(self.address):
            os.unlink(self.address)


@pytest.fixture(params=["path", "abstract"])
def address(request, tmp_path) -> str:
    return str(tmp_path / "s") if request.param == "path" else f"@asyncinit-test-{os.urandom(8).hex()}"


@pytest.fixture
def receiver(address) -> Iterator[Receiver]:
    made = Receiver(address)
    yield made
    made.close()


@pytest.fixture
def complaints() -> list[str]:
    return []


def upward(loop, complaints: list[str], address: str | None, ready_fd: int | None = None) -> Upward:
    environment = {} if address is None else {"NOTIFY_SOCKET": address}
    return Upward(loop, environment, ready_fd, complaints.append)


def test_each_message_is_as_sd_notify_has_it(loop, receiver, complaints):
    """READY, STATUS, RELOADING, STOPPING and EXIT_STATUS arrive in order, one datagram each."""
    with no_descriptor_left():
        up = upward(loop, complaints, receiver.address)
        up.status("2 of 3\nREADY=1")
        up.ready("all up")
        up.reloading()
        up.ready()
        up.stopping()
        up.exit_status(69)
        up.close()
    messages = receiver.received()
    assert messages[2].startswith(b"RELOADING=1\nMONOTONIC_USEC=") and messages[2][27:].isdigit()
    del messages[2]
    status = b"STATUS=2 of 3 READY=1"
    assert messages == [status, b"READY=1\nSTATUS=all up", b"READY=1", b"STOPPING=1", b"EXIT_STATUS=69"]
    assert complaints == []


def test_without_a_receiver_named_nothing_happens(loop, complaints):
    """No NOTIFY_SOCKET and no descriptor: no line, no descriptor."""
    with no_descriptor_left():
        up = upward(loop, complaints, None)
        up.ready("x")
        up.close()
    assert complaints == []


def test_a_missing_receiver_costs_one_line(loop, address, complaints):
    """Nobody at the address: told once, and everything goes on."""
    with no_descriptor_left():
        up = upward(loop, complaints, address)
        for _ in range(5):
            up.ready("x")
        up.close()
    assert len(complaints) == 1


@pytest.mark.parametrize("name", ["vsock:2:1234", "relative/path", "@", "/" + "x" * 300, "/a\udcff", "/dev/null"])
def test_an_address_that_can_not_be_used_costs_one_line(loop, complaints, name):
    """Unknown forms, too long ones and files that are no sockets are told in one printable line."""
    with no_descriptor_left():
        up = upward(loop, complaints, name)
        up.ready()
        up.stopping()
        up.close()
    assert len(complaints) == 1 and complaints[0].isprintable()


def test_a_receiver_that_dies_costs_one_line(loop, receiver, complaints):
    """It may vanish between two messages."""
    with no_descriptor_left():
        before = receiver.socket.detach()
        up = upward(loop, complaints, receiver.address)
        up.ready()
        os.close(before)
        up.status("x")
        up.stopping()
        up.close()
        receiver.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    assert len(complaints) == 1


def test_a_receiver_that_was_replaced_is_found_again(loop, receiver, complaints):
    """A new socket at the same address gets what comes next."""
    up = upward(loop, complaints, receiver.address)
    up.ready()
    receiver.close()
    again = Receiver(receiver.address)
    up.stopping()
    assert again.received() == [b"STOPPING=1"]
    up.close()
    again.close()
    assert complaints == []


def test_a_full_receiver_gets_it_later(loop, receiver, complaints):
    """What can't be sent now waits for room, the newest messages of a bounded number, in order."""
    up = upward(loop, complaints, receiver.address)
    for number in range(2000):
        up.status(str(number))
    up.ready()
    received: list[bytes] = receiver.received()
    assert b"READY=1" not in received
    run_until(loop, lambda: received.extend(receiver.received()) or b"READY=1" in received)
    turn(loop, 20)
    assert len(received) < 500
    assert received[-2:] == [b"STATUS=1999", b"READY=1"]
    up.stopping()
    assert receiver.received() == [b"STOPPING=1"]
    up.close()
    assert complaints == []


def test_closing_while_messages_wait_leaves_nothing(loop, receiver, complaints):
    """The end does not wait for a receiver that does not read."""
    with no_descriptor_left():
        up = upward(loop, complaints, receiver.address)
        for _ in range(1000):
            up.status("x")
        up.close()
        up.ready()
        up.close()
        turn(loop)
    assert complaints == []


class TestReadyDescriptor:
    """--ready-fd N: a newline, then the end."""

    def test_a_newline_and_the_end(self, loop, complaints):
        """Once, at the first readiness; it is kept from the programs that we start."""
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        up = upward(loop, complaints, None, writer)
        assert not os.get_inheritable(writer)
        up.status("not yet")
        up.ready()
        assert os.read(reader, 10) == b"\n"
        assert os.read(reader, 10) == b""
        up.ready()
        up.close()
        os.close(reader)
        assert complaints == []

    def test_without_readiness_it_just_ends(self, loop, complaints):
        """A start that failed is an end without a newline."""
        reader, writer = os.pipe()
        upward(loop, complaints, None, writer).close()
        assert os.read(reader, 10) == b""
        os.close(reader)

    def test_a_full_pipe_gets_it_later(self, loop, complaints):
        """Nobody reads: asyncinit goes on, and the newline comes when there is room; its flags stay as they are."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        with no_descriptor_left():
            other = os.dup(writer)
            up = upward(loop, complaints, None, other)
            up.ready()
            up.ready()
            turn(loop)
            assert os.get_blocking(writer)
            os.set_blocking(reader, False)
            got = bytearray()
            run_until(loop, lambda: got.extend(read_all(reader)) or got.endswith(b"\n"))
            up.close()
        os.close(writer)
        os.close(reader)
        assert complaints == []

    @pytest.mark.parametrize("make", ["file", "null", "gone reader", "not open"])
    def test_any_descriptor(self, loop, complaints, tmp_path, make):
        """Files and devices get their newline; a reader that is gone or a number that is not open cost one line."""
        openers: dict[str, Callable[[], int]] = {
            "file": lambda: os.open(tmp_path / "f", os.O_WRONLY | os.O_CREAT),
            "null": lambda: os.open("/dev/null", os.O_WRONLY),
            "gone reader": gone_reader,
            "not open": lambda: 999_999,
        }
        with no_descriptor_left():
            up = upward(loop, complaints, None, openers[make]())
            up.ready()
            up.ready()
            up.close()
        assert len(complaints) == (0 if make in ("file", "null") else 1)
        if make == "file":
            assert (tmp_path / "f").read_bytes() == b"\n"

    def test_standard_output_stays_open(self, loop, complaints):
        """The numbers 0 to 2 are never closed: the next file would take their place."""
        saved = os.dup(2)
        reader, writer = os.pipe()
        os.dup2(writer, 2)
        try:
            up = upward(loop, complaints, None, 2)
            up.ready()
            up.close()
            os.fstat(2)
        finally:
            os.dup2(saved, 2)
        for descriptor in (saved, writer):
            os.close(descriptor)
        assert os.read(reader, 10) == b"\n"
        os.close(reader)


def gone_reader() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def read_all(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""
