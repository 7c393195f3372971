"""The console on real descriptors: never blocks, never changes what is shared, bounded, in order."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pty
import re
import socket
import subprocess
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncinit.runtime.output.console import Console
from tests.support import PYTHON

Loop = asyncio.AbstractEventLoop
LIMIT = 256 * 1024
LINE = b"%06d " + b"x" * 92 + b"\n"


class Pair:
    """What the console writes to, and what reads from it."""

    def __init__(self, kind: str) -> None:
        if kind == "pipe":
            self.reader, self.writer = os.pipe()
        elif kind == "terminal":
            self.reader, self.writer = pty.openpty()
            tty.setraw(self.writer)
        else:
            ends = socket.socketpair()
            ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            self.reader, self.writer = (end.detach() for end in ends)
        os.set_blocking(self.reader, False)

    def read(self) -> bytes:
        got = bytearray()
        try:
            while data := os.read(self.reader, 65536):
                got += data
        except BlockingIOError:
            pass
        return bytes(got)

    def hang_up(self) -> None:
        if self.reader >= 0:
            os.close(self.reader)
        self.reader = -1

    def close(self) -> None:
        self.hang_up()
        os.close(self.writer)


@pytest.fixture(params=["pipe", "terminal", "socket"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(request.param)
    yield pair
    pair.close()


@pytest.fixture(params=[True, False], ids=["anew", "shared"])
def make(request: pytest.FixtureRequest, loop: Loop) -> Iterator[Callable[..., Console]]:
    """Makes consoles whose sink is opened anew, or for which that is refused, as it is for another user's."""
    made: list[Console] = []

    def make(fd: int, limit: int = LIMIT) -> Console:
        if not request.param:
            os.fchmod(fd, 0)
        as_root = not request.param and os.geteuid() == 0
        if as_root:
            os.seteuid(65534)
        try:
            made.append(Console(loop, fd, limit))
        finally:
            if as_root:
                os.seteuid(0)
        made[-1].notice = lambda lines, size: b"dropped %d\n" % lines
        return made[-1]

    yield make
    for console in made:
        console.close()


def is_non_blocking(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)


def run_until(loop: Loop, condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Run `loop` until `condition` holds."""
    deadline = loop.time() + timeout

    def look() -> None:
        if condition() or loop.time() > deadline:
            loop.stop()
        else:
            loop.call_later(0.002, look)

    look()
    loop.run_forever()
    assert condition()


def write_numbered(console: Console, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        console.write(LINE % number)


def accounted(text: bytes) -> int:
    """Check that the lines are whole and in order, and return how many there are, the dropped ones included."""
    numbers = []
    dropped = 0
    for line in text.splitlines(keepends=True):
        if match := re.fullmatch(rb"dropped (\d+)\n", line):
            dropped += int(match[1])
        else:
            numbers.append(int(line[:6]))
            assert line == LINE % numbers[-1]
    assert numbers == sorted(set(numbers))
    return len(numbers) + dropped


def test_everything_in_order(loop: Loop, make: Callable[..., Console], pair: Pair) -> None:
    """More than the reader's side can hold comes out whole and in order, and the shared description stays blocking."""
    console = make(pair.writer, 8 * LIMIT)
    write_numbered(console, 3000)
    assert console.pending
    got = bytearray()

    def take() -> bool:
        got.extend(pair.read())
        assert not is_non_blocking(pair.writer)
        return not console.pending

    run_until(loop, take)
    got.extend(pair.read())
    assert accounted(bytes(got)) == 3000
    assert not console.dropped


def test_stalled_reader_and_its_return(loop: Loop, make: Callable[..., Console], pair: Pair) -> None:
    """Nobody reads: memory is bounded, the loop goes on; then what is missing is told in its place."""
    console = make(pair.writer)
    relieved: list[bool] = []
    console.relieved = lambda: relieved.append(console.held)
    write_numbered(console, 3000)
    assert console.held
    run_until(loop, lambda: relieved)
    assert relieved == [False]
    write_numbered(console, 5000, 3000)
    assert console.pending <= LIMIT
    console.write(b"", 0)
    assert not is_non_blocking(pair.writer)
    got = bytearray()
    run_until(loop, lambda: got.extend(pair.read()) or not console.pending)
    got.extend(pair.read())
    assert accounted(bytes(got)) == 8000
    assert got.count(b"dropped") == 1
    assert got.endswith(LINE % 7999)
    write_numbered(console, 10, 8000)
    run_until(loop, lambda: not console.pending)
    assert accounted(pair.read()) == 10


def test_events_are_kept(loop: Loop, make: Callable[..., Console], pair: Pair) -> None:
    """While lines are dropped, events stay, in their order."""
    console = make(pair.writer)
    write_numbered(console, 3000)
    run_until(loop, lambda: not console.held)
    for number in range(100):
        write_numbered(console, 100, 3000 + 100 * number)
        console.write(b"event %d\n" % number, important=True)
    got = bytearray()
    run_until(loop, lambda: got.extend(pair.read()) or not console.pending)
    got.extend(pair.read())
    events = [int(line.split()[1]) for line in got.splitlines() if line.startswith(b"event")]
    assert events == list(range(100))


def test_reader_that_goes_away(loop: Loop, make: Callable[..., Console], pair: Pair) -> None:
    """EPIPE, EIO, a reset: writing ends, whoever waits is relieved, and later writes do nothing."""
    console = make(pair.writer)
    write_numbered(console, 3000)
    assert console.held
    relieved: list[bool] = []
    console.relieved = lambda: relieved.append(True)
    pair.hang_up()
    run_until(loop, lambda: not console.alive)
    assert relieved
    console.write(b"more\n")
    assert console.pending == 0
    assert console.flush(10)


def test_flush_waits_for_a_slow_reader(loop: Loop, make: Callable[..., Console], pair: Pair) -> None:
    """At the end all is written while somebody reads, and given up at the deadline when nobody does."""
    console = make(pair.writer, 8 * LIMIT)
    write_numbered(console, 3000)
    assert not console.flush(0.01)
    script = (
        "import os, select, sys\n"
        f"got = b''\n"
        f"while not got.endswith(b'{2999:06d} ' + b'x' * 92 + b'\\n'):\n"
        "    select.select([0], [], [])\n"
        "    got += os.read(0, 3000)\n"
        "sys.stdout.buffer.write(got)\n"
    )
    reader = subprocess.Popen([PYTHON, "-c", script], stdin=pair.reader, stdout=subprocess.PIPE)
    assert console.flush(60)
    assert accounted(reader.communicate()[0]) == 3000


def test_closed_descriptor(loop: Loop) -> None:
    """A standard output that is closed makes a console that does nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    console = Console(loop, writer)
    console.write(b"x\n")
    assert not console.alive
    assert not console.terminal
    assert console.flush(1)
    console.close()


def test_file(loop: Loop, tmp_path: Path) -> None:
    """A file gets all, at the offset that it shares with others."""
    path = tmp_path / "out"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    console = Console(loop, fd)
    os.write(fd, b"before\n")
    write_numbered(console, 5000)
    run_until(loop, lambda: not console.pending)
    os.write(fd, b"after\n")
    console.close()
    os.close(fd)
    text = path.read_bytes()
    assert text.startswith(b"before\n")
    assert text.endswith(b"after\n")
    assert accounted(text[7:-6]) == 5000


def test_full_disk(loop: Loop) -> None:
    """ENOSPC: nothing spins, the newest is kept, the rest counted; whoever waited is relieved."""
    fd = os.open("/dev/full", os.O_WRONLY)
    console = Console(loop, fd, LIMIT)
    relieved: list[bool] = []
    console.relieved = lambda: relieved.append(True)
    write_numbered(console, 3000)
    turns = 0

    def count() -> bool:
        nonlocal turns
        turns += 1
        return bool(relieved)

    run_until(loop, count)
    write_numbered(console, 5000, 3000)
    assert console.alive
    assert 0 < console.pending <= LIMIT
    assert console.dropped > 5000
    assert not console.flush(0.05)
    console.close()
    os.close(fd)


def test_disk_that_has_room_again(loop: Loop, tmp_path: Path) -> None:
    """What a file refused is written once it takes it."""
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    path = tmp_path / "out"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    console = Console(loop, fd)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        write_numbered(console, 100)
        run_until(loop, lambda: path.stat().st_size == 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    run_until(loop, lambda: not console.pending)
    console.close()
    os.close(fd)
    assert accounted(path.read_bytes()) == 100


def test_stopped_terminal(loop: Loop, make: Callable[..., Console]) -> None:
    """A terminal that was stopped by ^S holds nothing up; ^Q lets it all out."""
    import termios

    pair = Pair("terminal")
    console = make(pair.writer)
    termios.tcflow(pair.writer, termios.TCOOFF)
    write_numbered(console, 50)
    run_until(loop, lambda: console.pending == 50 * len(LINE % 0))
    termios.tcflow(pair.writer, termios.TCOON)
    run_until(loop, lambda: not console.pending)
    assert accounted(pair.read()) == 50
    console.close()
    pair.close()


def test_cooked_terminal_shared_with_input(loop: Loop, make: Callable[..., Console]) -> None:
    """On a terminal in line mode, also our standard input, a stalled reader makes nothing block, and input goes on."""
    master, slave = pty.openpty()
    console = make(slave)
    write_numbered(console, 3000)
    assert console.pending
    os.write(master, b"typed\n")
    assert os.read(slave, 100) == b"typed\n"
    os.set_blocking(master, False)
    got = bytearray()

    def take() -> bool:
        try:
            while data := os.read(master, 4096):
                got.extend(data)
        except BlockingIOError:
            pass
        return not console.pending

    run_until(loop, take)
    take()
    console.close()
    os.close(master)
    os.close(slave)
    assert b"%06d" % 2999 in got


def test_descriptors_are_released(loop: Loop, make: Callable[..., Console], pair: Pair) -> None:
    """A closed console has left no descriptor behind, and what it was given is still open."""
    before = set(os.listdir("/proc/self/fd"))
    console = make(pair.writer)
    write_numbered(console, 3000)
    for fd in set(os.listdir("/proc/self/fd")) - before:
        try:
            assert not os.get_inheritable(int(fd))
        except OSError as error:
            assert error.errno == errno.EBADF  # the one that listed the folder
    console.close()
    assert set(os.listdir("/proc/self/fd")) == before
    os.fstat(pair.writer)
