"""Capturing services' output on real pipes and pseudo-terminals: nothing lost, nobody held up, nothing leaked."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from asyncinit.config.spec import LogLevel
from asyncinit.errors import SpawnError
from asyncinit.runtime.output.buffer import BUFFER_LIMIT
from asyncinit.runtime.output.capture import OLD_CHANNELS, Capture, Channel
from asyncinit.runtime.output.console import Console
from asyncinit.runtime.output.entries import Entry
from asyncinit.runtime.output.format import PipeFormat, RawFormat
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.output.lines import LINE_LIMIT
from tests.support import PYTHON

Loop = asyncio.AbstractEventLoop
NOBODY = 65534


class System:
    """A journal into a file, a capture, and all lines that were seen."""

    def __init__(self, loop: Loop, path: Path) -> None:
        self.loop = loop
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.journal = Journal(Console(loop, self._fd), RawFormat(PipeFormat()), events_console=Console(loop, -1))
        self.capture = Capture(loop, self.journal)
        self.seen: list[Entry] = []
        self.journal.subscribe(None, self.seen.extend)
        self.processes: list[subprocess.Popen[bytes]] = []

    def spawn(
        self, channel: Channel, command: str, user: int | None = None, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Run a shell command in a session of its own with the channel's ends, and close ours."""
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=channel.stdout if channel.terminal else stdin,
            stdout=channel.stdout,
            stderr=channel.stderr,
            user=user,
            start_new_session=True,
        )
        self.processes.append(process)
        channel.close_ours()
        return process

    def run_until(self, condition: Callable[[], object], timeout: float = 60.0) -> None:
        """Run the loop until `condition` holds."""
        deadline = self.loop.time() + timeout

        def look() -> None:
            if condition() or self.loop.time() > deadline:
                self.loop.stop()
            else:
                self.loop.call_later(0.002, look)

        look()
        self.loop.run_forever()
        assert condition()

    def messages(self, service: str = "web") -> list[bytes]:
        return [entry.message for entry in self.seen if entry.service == service]

    def written(self) -> bytes:
        """All that was written to the file."""
        self.run_until(lambda: not self.journal.console.pending)
        return self.path.read_bytes()

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.capture.close()
        self.journal.close()
        os.close(self._fd)


@pytest.fixture
def system(loop: Loop, tmp_path: Path) -> Iterator[System]:
    before = set(os.listdir("/proc/self/fd"))
    system = System(loop, tmp_path / "out")
    yield system
    system.close()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_two_streams(system: System) -> None:
    """Standard output and error are told apart, each in order, and end with the process."""
    system.spawn(system.capture.open("web"), "echo one; echo two >&2; echo three; printf four")
    system.run_until(lambda: not system.capture.open_channels("web"))
    streams = {name: [e.message for e in system.seen if e.stream == name] for name in ("stdout", "stderr")}
    assert streams == {"stdout": [b"one", b"three", b"four"], "stderr": [b"two"]}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of other users")
@pytest.mark.parametrize("tty", [False, True])
def test_output_opens_by_path_for_another_user(system: System, tty: bool) -> None:
    """/dev/stdout and /dev/stderr open for a service of another user, which they would not if they stayed ours."""
    command = "echo out > /dev/stdout; echo err > /dev/stderr"
    system.spawn(system.capture.open("web", NOBODY, tty), command, NOBODY)
    system.spawn(system.capture.open("denied", None, tty), command, NOBODY)
    system.run_until(lambda: len(system.messages()) == 2 and len(system.messages("denied")) == 2)
    assert sorted(system.messages()) == [b"err", b"out"]
    assert all(b"ermission" in line for line in system.messages("denied"))


def test_what_was_written_before_the_exit_is_there_after_drain(system: System) -> None:
    """Without any turn of the loop, drain brings all that a dead process left in its pipes, an unfinished line too."""
    channel = system.capture.open("web")
    process = system.spawn(channel, "printf '%s\\n' first; head -c 60000 /dev/zero | tr '\\0' x; printf error >&2")
    process.wait()
    system.capture.drain("web")
    assert system.messages()[0] == b"first"
    assert sum(len(line) for line in system.messages() if line.startswith(b"x")) == 60000
    assert system.messages()[-1] == b"error"
    system.capture.drain("web")
    assert not system.capture.open_channels("web")


def test_grandchild_that_holds_the_pipe(system: System) -> None:
    """What a grandchild keeps open is read on after the exit and beside the next start, and ends by itself."""
    reader, writer = os.pipe()
    channel = system.capture.open("web")
    command = "exec 3<&0; (read line <&3; echo late; printf rest) & echo early; printf parti"
    system.spawn(channel, command, stdin=reader).wait()
    os.close(reader)
    system.capture.drain("web")
    assert system.messages() == [b"early", b"parti"]
    assert system.capture.open_channels("web") == 1
    system.spawn(system.capture.open("web"), "echo anew")
    system.run_until(lambda: b"anew" in system.messages())
    os.write(writer, b"\n")
    os.close(writer)
    system.run_until(lambda: not system.capture.open_channels("web"))
    assert system.messages()[-2:] == [b"late", b"rest"]


def test_too_many_old_pipes(system: System) -> None:
    """Of the pipes that outlived their processes only so many are kept; the oldest is closed, and that is told."""
    held = []
    for number in range(OLD_CHANNELS + 2):
        channel = system.capture.open("web")
        held.append(os.dup(channel.stdout))
        channel.close_ours()
        os.write(held[-1], b"%d" % number)
        system.capture.drain("web")
    assert system.capture.open_channels("web") == OLD_CHANNELS + 1
    with pytest.raises(BrokenPipeError):
        os.write(held[0], b"x")
    os.write(held[1], b"still\n")
    system.run_until(lambda: b"still" in system.messages())
    assert [record.level for record in system.journal.events(services=["web"])] == [LogLevel.WARNING]
    os.write(held[-1], b"newest\n")
    system.run_until(lambda: b"newest" in system.messages())
    for fd in held:
        os.close(fd)
    system.run_until(lambda: not system.capture.open_channels("web"))


def test_a_daemon_that_forked_keeps_its_output(system: System) -> None:
    """The main process's pipe is read on after that has ended, watched even, however many hooks leave theirs open."""
    seen: list[bytes] = []
    system.capture.watch("web", seen.append)
    main = system.capture.open("web")
    held = [os.dup(main.stdout)]
    main.close_ours()
    system.capture.drain("web")
    for _ in range(2 * OLD_CHANNELS):
        hook = system.capture.open("web", main=False)
        held.append(os.dup(hook.stderr))
        hook.drain()
    os.write(held[0], b"alive\n")
    system.run_until(lambda: seen)
    for fd in held:
        os.close(fd)


def test_hooks_do_not_push_out_the_main_process(system: System) -> None:
    """However many hooks leave their pipes open, the main process keeps its own."""
    main = system.capture.open("web")
    held = []
    for _ in range(2 * OLD_CHANNELS):
        hook = system.capture.open("web", main=False)
        held.append(os.dup(hook.stderr))
        hook.drain()
    os.write(main.stdout, b"alive\n")
    system.run_until(lambda: b"alive" in system.messages())
    assert system.capture.open_channels("web") == OLD_CHANNELS + 1
    main.close_ours()
    for fd in held:
        os.close(fd)


def test_terminal(system: System) -> None:
    """A pseudo-terminal is a terminal of 80 by 24, the controlling one when opened by path; CR LF becomes LF."""
    channel = system.capture.open("web", tty=True)
    assert channel.terminal is not None
    assert channel.stdout == channel.stderr
    path = channel.terminal
    channel.close_ours()
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec < {path} > {path} 2>&1; tty; stty size < /dev/tty; echo x; printf '$ '"],
        start_new_session=True,
    )
    process.wait()
    system.capture.drain("web")
    assert system.messages() == [path.encode(), b"24 80", b"x", b"$ "]
    assert not system.capture.open_channels("web")


def test_terminal_with_a_background_writer(system: System) -> None:
    """What ignores the hang-up and holds the terminal is read on, or ends it; nothing spins, nothing is lost before."""
    channel = system.capture.open("web", tty=True)
    process = system.spawn(channel, "trap '' HUP; (while echo tick; do sleep 0.01; done) & sleep 0.1; echo over")
    process.wait()
    system.capture.drain("web")
    assert b"over" in system.messages()
    before = len(system.messages())
    system.run_until(lambda: len(system.messages()) > before + 3 or not system.capture.open_channels("web"))


@pytest.mark.parametrize("chunk", [1, 7, 4096, 60000])
def test_bytes_pass_unchanged(system: System, chunk: int) -> None:
    """NUL bytes, characters split between reads, bytes that are not UTF-8: raw output has them as they were written."""
    data = ("é日😀".encode() + b"\0\xff\x80\n" + b"x" * (3 * LINE_LIMIT) + b"\n\n\r\n") * (1 if chunk < 100 else 40)
    channel = system.capture.open("web")
    for start in range(0, len(data), chunk):
        os.write(channel.stdout, data[start : start + chunk])
        system.capture.drain("other")
        if chunk > 1 or start % 512 == 0:
            system.loop.call_soon(system.loop.stop)
            system.loop.run_forever()
    channel.close_ours()
    system.run_until(lambda: not system.capture.open_channels("web"))
    assert system.written() == data


def test_ten_megabytes_without_a_newline(system: System) -> None:
    """An endless line arrives in pieces, all of it, and marked as cut."""
    system.spawn(system.capture.open("web"), "head -c 10000000 /dev/zero")
    system.run_until(lambda: not system.capture.open_channels("web"))
    assert sum(len(entry.message) for entry in system.seen) == 10_000_000
    assert all(entry.cut for entry in system.seen[:-1])
    assert system.written() == b"\0" * 10_000_000


@contextmanager
def console_on_pipe(loop: Loop, **arguments: int) -> Iterator[tuple[Console, int]]:
    reader, writer = os.pipe()
    console = Console(loop, writer, **arguments)
    try:
        yield console, reader
    finally:
        console.close()
        os.close(reader)
        os.close(writer)


FLOOD = f"{PYTHON} -c 'import sys; [sys.stdout.write(\"flood %090d\\n\" % n) for n in range({{lines}})]'; echo END"


def test_flood_with_a_console_that_nobody_reads(loop: Loop, system: System) -> None:
    """100 MB into a stalled console: memory stays bounded, the flood ends, and others are heard before it does."""
    with console_on_pipe(loop) as (console, reader):
        journal = Journal(console, PipeFormat())
        capture = Capture(loop, journal)
        order: list[str] = []
        most = 0

        def follow(batch: Sequence[Entry]) -> None:
            nonlocal most
            most = max(most, console.pending)
            order.append("end" if batch[-1].message == b"END" else batch[0].service)

        journal.subscribe(None, follow)
        system.spawn(capture.open("flood"), "yes $(printf %099d 0) | head -c 100000000; echo END")
        other = capture.open("other")
        system.run_until(lambda: order.count("flood") > 20)
        os.write(other.stdout, b"hello\n")
        system.run_until(lambda: "end" in order)
        assert order.index("other") < order.index("end")
        assert most <= 5 * BUFFER_LIMIT
        assert console.pending <= BUFFER_LIMIT + 128 * 1024
        assert console.dropped
        other.close_ours()
        # Somebody reads again: the gap is told, and what comes now comes whole.
        os.set_blocking(reader, False)
        got = bytearray()

        def take() -> bool:
            try:
                while data := os.read(reader, 65536):
                    got.extend(data)
            except BlockingIOError:
                pass
            return not console.pending

        system.run_until(take)
        take()
        assert got.endswith(b" flood | END\n")
        assert b" were dropped here" in got
        assert b" other | hello\n" in got or b"hello" not in got
        capture.close()


def test_slow_reader_loses_nothing(loop: Loop, system: System) -> None:
    """A reader that is slower than the service, but reads, gets every line: the service waits for it."""
    slow = (
        "import os, sys, time\n"
        "n = 0\n"
        "while data := os.read(0, 16384):\n"
        "    n += data.count(b'\\n'); time.sleep(0.0005)\n"
        "print(n)\n"
    )
    with console_on_pipe(loop) as (console, reader):
        counter = subprocess.Popen([PYTHON, "-c", slow], stdin=reader, stdout=subprocess.PIPE)
        journal = Journal(console, PipeFormat())
        capture = Capture(loop, journal)
        system.spawn(capture.open("flood"), FLOOD.format(lines=100_000))
        system.run_until(lambda: not capture.open_channels("flood") and not console.pending)
        assert console.dropped == 0
        console.close()
    # The writer is closed with the context: the counter sees the end.
    assert int(counter.communicate()[0]) == 100_001
    capture.close()


def test_many_floods_starve_nobody(system: System) -> None:
    """One line among many floods is read before they end."""
    for number in range(20):
        system.spawn(system.capture.open(f"flood{number}"), FLOOD.format(lines=30_000))
    channel = system.capture.open("web")
    system.run_until(lambda: len(system.seen) > 20_000)
    os.write(channel.stdout, b"hello\n")
    channel.close_ours()
    system.run_until(lambda: sum(entry.message == b"END" for entry in system.seen) == 20)
    order = [entry.message for entry in system.seen]
    assert order.index(b"hello") < len(order) - 1 - order[::-1].index(b"END")
    assert len(order) == 20 * 30_001 + 1


def test_a_thousand_services(system: System) -> None:
    """A thousand services at once: each line arrives under its own name, and no descriptor is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 5000:
        pytest.skip("fewer than 5,000 descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 5000), hard))
    try:
        channels = [system.capture.open(f"s{number}") for number in range(1000)]
        for number, channel in enumerate(channels):
            os.write(channel.stdout, b"out %d\n" % number)
            os.write(channel.stderr, b"err %d\nunfinished" % number)
            channel.close_ours()
        system.run_until(lambda: len(system.seen) == 3000)
        for number in range(1000):
            messages = set(system.messages(f"s{number}"))
            assert messages == {b"out %d" % number, b"err %d" % number, b"unfinished"}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_watch(system: System) -> None:
    """A watcher sees whole lines of the newest main process only, not those of hooks or of what is left over."""
    got: list[bytes] = []
    end = system.capture.watch("web", got.append)
    old = system.capture.open("web")
    os.write(old.stdout, b"one\ntw")
    system.run_until(lambda: got)
    new = system.capture.open("web")
    hook = system.capture.open("web", main=False)
    for channel, text in ((old, b"o\n"), (hook, b"hook\n"), (new, b"three\nfour")):
        os.write(channel.stdout, text)
    system.run_until(lambda: len(system.messages()) == 4)
    assert got == [b"one\n", b"three\n"]
    new.drain()
    assert got == [b"one\n", b"three\n", b"four\n"]
    end()
    end()
    for channel in (old, hook):
        channel.drain()
    assert got == [b"one\n", b"three\n", b"four\n"]


def test_watcher_that_ends_itself(system: System) -> None:
    """A watcher may end itself while it is called, or fail; another one is called all the same."""
    got: list[str] = []

    def once(lines: bytes) -> None:
        got.append("once")
        end()

    def broken(lines: bytes) -> None:
        raise RuntimeError("no")

    end = system.capture.watch("web", once)
    system.capture.watch("web", broken)
    system.capture.watch("web", lambda lines: got.append("always"))
    channel = system.capture.open("web")
    os.write(channel.stdout, b"1\n")
    system.run_until(lambda: len(got) == 2)
    os.write(channel.stdout, b"2\n")
    channel.drain()
    assert got == ["once", "always", "always"]


def test_no_descriptor_left(system: System) -> None:
    """Where no pipe or terminal can be made, the step and the reason are told, and nothing is leaked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    fill = [os.dup(0)]
    highest = max(map(int, os.listdir("/proc/self/fd")))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, hard))
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                fill.append(os.dup(0))
        for spare in range(4):  # two pipes need four, a terminal needs two
            for tty in (False, True) if spare < 2 else (False,):
                with pytest.raises(SpawnError) as caught:
                    system.capture.open("web", tty=tty)
                assert caught.value.errno == errno.EMFILE
                assert ("pseudo-terminal" if tty else "pipe") in str(caught.value)
            os.close(fill.pop())
        system.capture.open("web").drain()
    finally:
        for fd in fill:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not system.capture.open_channels("web")


def test_time_may_jump(loop: Loop, system: System) -> None:
    """The wall clock going back by years changes the stamps, not the order."""
    times = iter([2e9, 1e9, 1.5e9])
    journal = Journal(system.journal.console, PipeFormat(), clock=lambda: next(times))
    capture = Capture(loop, journal)
    channel = capture.open("web")
    for text in (b"1\n", b"2\n", b"3\n"):
        os.write(channel.stdout, text)
        capture.drain("other")
        system.run_until(lambda expected=int(text): len(journal.last("web", 9)) == expected)  # type: ignore[misc]
    channel.close_ours()
    capture.close()
    assert [entry.time for entry in journal.last("web", 9)] == [2e9, 1e9, 1.5e9]
    assert [entry.cursor for entry in journal.last("web", 9)] == [1, 2, 3]
