"""Readiness by each of its kinds: when it is told, what is waited for in words, and that nothing is left open."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncinit.config.spec import Command, Ready, ReadyKind, Sign
from asyncinit.core.status import Code, Reason
from asyncinit.errors import AddressError
from asyncinit.runtime.ready.readiness import make_readiness
from asyncinit.runtime.ready.waiting import Readiness, ReadinessState
from asyncinit.runtime.reexec.coding import decode, encode
from asyncinit.runtime.reexec.keep import Kept
from tests.readiness_support import Cancel, Recorder, in_child, make_context, no_descriptor_left, run_until, turn


@pytest.fixture
def handler() -> Recorder:
    return Recorder()


def nobody(_pid: int) -> bool:
    return False


def waiting(loop, handler, kind: ReadyKind, address: str = "", *, belongs=nobody, context=None, **ready) -> Readiness:
    ready.setdefault("interval", 0.01)
    spec = Ready(kind=kind, address=address, **ready)
    return make_readiness(context or make_context(loop), spec, handler, belongs)


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A live process."""
    pid = in_child(lambda: time.sleep(600))
    yield pid
    os.kill(pid, 9)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("kind", [ReadyKind.EXEC, ReadyKind.NOTIFY])
def test_what_comes_from_elsewhere_needs_nothing(loop, handler, kind):
    """exec and notify open nothing and tell nothing by themselves."""
    with no_descriptor_left():
        readiness = waiting(loop, handler, kind)
        readiness.spawned()
        readiness.begin()
        readiness.lines(b"x\n")
        turn(loop)
    assert handler.told == [] and readiness.descriptors == ()
    assert ("READY=1" in readiness.waiting_text()) is (kind is ReadyKind.NOTIFY)
    readiness.cancel()


class TestProbes:
    """tcp, unix, http, file and command are asked again and again."""

    def test_it_is_told_once_when_the_answer_comes(self, loop, handler):
        """While nobody listens the obstacle is in the text; then it is ready, once."""
        with no_descriptor_left():
            server = socket.socket()
            server.bind(("127.0.0.1", 0))
            address = f"localhost:{server.getsockname()[1]}"
            readiness = waiting(loop, handler, ReadyKind.TCP, address)
            assert readiness.waiting_text() == f"tcp {address}"
            readiness.begin()
            assert handler.told == []
            run_until(loop, lambda: readiness.waiting_text() == f"tcp {address}: connection refused")
            server.listen()
            run_until(loop, lambda: handler.told)
            turn(loop, 50)
            server.close()
        assert handler.told == [("ready",)]

    def test_askings_never_overlap_and_are_timed_from_the_last_end(self, loop, handler):
        """The next comes after the last has ended, at first after 0, 50, 50, 100 ms, then after the interval."""
        events: list[tuple[str, float]] = []

        def run(_command: Command, _timeout: float, done: Callable[[Reason | None], None]) -> Cancel:
            events.append(("asked", time.monotonic()))
            count = sum(event == "asked" for event, _ in events)

            def end() -> None:
                events.append(("ended", time.monotonic()))
                done(Reason(Code.EXIT_CODE, "exited with 1") if count < 6 else None)

            loop.call_later(0.03, end)
            return Cancel()

        context = make_context(loop, run_command=run)
        ready = {"command": Command(("check", "me")), "interval": 0.12}
        readiness = waiting(loop, handler, ReadyKind.COMMAND, context=context, **ready)
        readiness.begin()
        readiness.begin()
        run_until(loop, lambda: readiness.waiting_text() == "command check me: exited with 1")
        run_until(loop, lambda: handler.is_ready)
        assert [event for event, _ in events] == ["asked", "ended"] * 6
        pauses = [later - earlier for (_, earlier), (_, later) in zip(events[1::2], events[2::2], strict=False)]
        assert all(pause >= least for pause, least in zip(pauses, [0.05, 0.05, 0.1, 0.12, 0.12], strict=True))

    def test_cancelled_it_tells_nothing(self, loop, handler, tmp_path):
        """Before it was begun, between two askings, during one: silence, and nothing open."""
        with no_descriptor_left():
            for turns in range(1, 12):
                readiness = waiting(loop, handler, ReadyKind.FILE, str(tmp_path / "x"))
                if turns > 1:
                    readiness.begin()
                turn(loop, turns)
                readiness.cancel()
                readiness.cancel()
            (tmp_path / "x").touch()
            turn(loop, 50)
        assert handler.told == []

    def test_a_bad_address_raises_at_once(self, loop, handler):
        """The text is what is said to be wrong, expanded as it was given."""
        with no_descriptor_left(), pytest.raises(AddressError, match="8080"):
            waiting(loop, handler, ReadyKind.TCP, "8080")


class TestDescriptor:
    """notify_fd: a newline on a pipe."""

    def spawn(self, readiness: Readiness, *writes: bytes) -> None:
        """Do what a child does with its descriptor."""
        [(ours, number)] = readiness.descriptors
        assert number == 3
        assert not os.get_inheritable(ours)
        assert os.get_blocking(ours)
        child = os.dup(ours)
        readiness.spawned()
        assert readiness.descriptors == ()
        for data in writes:
            os.write(child, data)
        os.close(child)

    @pytest.mark.parametrize("writes", [[b"\n"], [b"ready", b"\n"], [b"ready\nmore"], [b"x" * 10_000 + b"\n"]])
    def test_a_newline_is_readiness(self, loop, handler, writes):
        """Whatever is before or after it, and in how many pieces, also when it came before begin()."""
        with no_descriptor_left():
            readiness = waiting(loop, handler, ReadyKind.NOTIFY_FD, descriptor=3)
            assert "descriptor 3" in readiness.waiting_text()
            self.spawn(readiness, *writes)
            readiness.begin()
            readiness.begin()
            assert handler.told == []
            run_until(loop, lambda: handler.told)
            turn(loop)
            readiness.cancel()
        assert handler.told == [("ready",)]

    @pytest.mark.parametrize("writes", [[], [b"no newline"]])
    def test_a_close_without_a_newline_is_told_and_is_no_failure(self, loop, handler, writes):
        """Nobody is ready, the waiting text says why, and nothing spins."""
        with no_descriptor_left():
            readiness = waiting(loop, handler, ReadyKind.NOTIFY_FD, descriptor=3)
            self.spawn(readiness, *writes)
            readiness.begin()
            run_until(loop, lambda: handler.told)
            turn(loop, 20)
            assert "closed" in readiness.waiting_text()
            readiness.cancel()
        assert [entry[0] for entry in handler.told] == ["complaint"]

    def test_a_spawn_that_fails_leaves_nothing_open(self, loop, handler):
        """cancel() alone closes both ends, begun or not, with data in the pipe or without."""
        for begun in (False, True):
            with no_descriptor_left():
                readiness = waiting(loop, handler, ReadyKind.NOTIFY_FD, descriptor=3)
                os.write(readiness.descriptors[0][0], b"\n")
                if begun:
                    readiness.begin()
                readiness.cancel()
                readiness.cancel()
                readiness.begin()
                turn(loop)
        assert handler.told == []

    def test_no_pipe_is_an_error_that_leaves_nothing(self, loop, handler):
        """EMFILE raises before anything is spawned."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        context = make_context(loop)
        with no_descriptor_left():
            fillers = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
            try:
                while True:
                    try:
                        fillers.append(os.dup(0))
                    except OSError:
                        break
                with pytest.raises(OSError, match="open files"):
                    waiting(loop, handler, ReadyKind.NOTIFY_FD, descriptor=3, context=context)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for descriptor in fillers:
                    os.close(descriptor)


class TestPidFile:
    """pid_file: it names a live process of the service."""

    def test_the_named_process_becomes_the_main_one(self, loop, handler, tmp_path, sleeper):
        """The file may come late and be written in pieces; the pid is told before the readiness."""
        file = tmp_path / "pid"
        with no_descriptor_left():
            readiness = waiting(loop, handler, ReadyKind.PID_FILE, str(file), belongs={sleeper}.__contains__)
            readiness.begin()
            run_until(loop, lambda: "no such file" in readiness.waiting_text())
            file.write_text("")
            run_until(loop, lambda: "empty" in readiness.waiting_text())
            file.write_text(f"{sleeper}\nmore\n")
            run_until(loop, lambda: handler.told)
            turn(loop)
            readiness.cancel()
        assert handler.told[:2] == [("main_pid", sleeper), ("ready",)]
        assert handler.told.count(("ready",)) == 1

    @pytest.mark.parametrize("content", ["garbage", "-1", "0", "1", "4194304", "9" * 5000, "\0\0", str(1 << 64), "own"])
    def test_what_names_no_process_of_the_service_is_waited_past(self, loop, handler, tmp_path, sleeper, content):
        """Garbage, init, we ourselves, numbers that nobody has: no readiness, an obstacle in printable words."""
        file = tmp_path / "pid"
        belongs = {sleeper, 1, os.getpid(), 4194304}.__contains__
        readiness = waiting(loop, handler, ReadyKind.PID_FILE, str(file), belongs=belongs)
        file.write_text(str(os.getpid()) if content == "own" else content)
        readiness.begin()
        run_until(loop, lambda: "pid file" in readiness.waiting_text() and ":" in readiness.waiting_text())
        turn(loop, 30)
        assert handler.told == []
        assert readiness.waiting_text().isprintable() and len(readiness.waiting_text()) < 400
        file.write_text(str(sleeper))
        run_until(loop, lambda: handler.is_ready)
        readiness.cancel()

    def test_the_dead_and_strangers_do_not_count(self, loop, handler, tmp_path, sleeper):
        """A zombie of the service and a live process of somebody else are obstacles."""
        file = tmp_path / "pid"
        dead = in_child(lambda: None)
        os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
        readiness = waiting(loop, handler, ReadyKind.PID_FILE, str(file), belongs={dead}.__contains__)
        file.write_text(str(dead))
        readiness.begin()
        run_until(loop, lambda: "does not live" in readiness.waiting_text())
        file.write_text(str(sleeper))
        run_until(loop, lambda: "not a process of this service" in readiness.waiting_text())
        readiness.cancel()
        os.waitpid(dead, 0)
        assert handler.told == []

    def test_one_that_nobody_can_attribute_counts_if_it_lives(self, loop, handler, tmp_path, sleeper):
        """Where membership can't be told (None), the file's word is taken."""
        file = tmp_path / "pid"
        readiness = waiting(loop, handler, ReadyKind.PID_FILE, str(file), belongs=lambda _: None)
        file.write_text(str(sleeper))
        readiness.begin()
        run_until(loop, lambda: handler.is_ready)
        readiness.cancel()

    def test_a_file_from_an_earlier_run_does_not_count(self, loop, handler, tmp_path, sleeper):
        """It may name a process of this run (in a container the numbers come back): it must be written anew."""
        file = tmp_path / "pid"
        file.write_text(str(sleeper))
        os.utime(file, ns=(1, 1))
        readiness = waiting(loop, handler, ReadyKind.PID_FILE, str(file), belongs={sleeper}.__contains__)
        readiness.begin()
        run_until(loop, lambda: "earlier run" in readiness.waiting_text())
        turn(loop, 30)
        assert handler.told == []
        file.write_text(str(sleeper))
        run_until(loop, lambda: handler.is_ready)
        readiness.cancel()

    @pytest.mark.parametrize("kind", ["fifo", "folder", "device", "link"])
    def test_only_a_regular_file_is_opened(self, loop, handler, tmp_path, kind):
        """A FIFO without a writer, a device, a folder and a link to nothing neither hang nor count."""
        file = tmp_path / "pid"
        match kind:
            case "fifo":
                os.mkfifo(file)
            case "folder":
                file.mkdir()
            case "device":
                file.symlink_to("/dev/zero")
            case "link":
                file.symlink_to(tmp_path / "nothing")
        readiness = waiting(loop, handler, ReadyKind.PID_FILE, str(file))
        readiness.begin()
        expected = "no such file" if kind == "link" else "not a regular file"
        run_until(loop, lambda: ": " in readiness.waiting_text())
        assert expected in readiness.waiting_text()
        readiness.cancel()
        assert handler.told == []

    def test_hanging_file_systems_are_read_in_a_child(self, loop, handler, tmp_path, sleeper):
        """Where one is mounted the file is read elsewhere and judged here."""
        file = Path(tmp_path / "pid")
        file.write_text(str(sleeper))
        results: list[object] = [OSError(5, "x"), sleeper]

        def offload(function: Callable[[], object], _timeout: float, done: Callable[[object], None]) -> Cancel:
            assert function() == sleeper
            loop.call_soon(done, results.pop(0))
            return Cancel()

        context = make_context(loop, offload=offload, slow_paths=lambda: True)
        belongs = {sleeper}.__contains__
        readiness = waiting(loop, handler, ReadyKind.PID_FILE, str(file), belongs=belongs, context=context)
        readiness.begin()
        run_until(loop, lambda: "input/output error" in readiness.waiting_text())
        run_until(loop, lambda: handler.is_ready)
        assert handler.told == [("main_pid", sleeper), ("ready",)]


class TestLog:
    """log: a line of output matches."""

    def test_a_line_is_readiness(self, loop, handler):
        """The first line that matches, once, its colours ignored."""
        readiness = waiting(loop, handler, ReadyKind.LOG, "listening on *")
        assert "listening on *" in readiness.waiting_text()
        readiness.begin()
        readiness.lines(b"starting\nlistening\non\n")
        assert handler.told == []
        readiness.lines(b"\x1b[32mlistening on\x1b[0m :80\n")
        readiness.lines(b"listening on :81\n")
        turn(loop)
        assert handler.told == [("ready",)]

    def test_a_line_from_before_begin_counts(self, loop, handler):
        """What was written while the program was being executed is told after begin() has returned."""
        readiness = waiting(loop, handler, ReadyKind.LOG, "up")
        readiness.lines(b"up\n")
        turn(loop)
        assert handler.told == []
        readiness.begin()
        assert handler.told == []
        turn(loop)
        assert handler.told == [("ready",)]

    @pytest.mark.parametrize("early", [True, False])
    def test_cancelled_it_tells_nothing(self, loop, handler, early):
        """Lines after the end, or told but not yet delivered, do nothing."""
        readiness = waiting(loop, handler, ReadyKind.LOG, "up")
        if early:
            readiness.lines(b"up\n")
        readiness.begin()
        readiness.cancel()
        readiness.lines(b"up\n")
        turn(loop)
        assert handler.told == []


class TestCombined:
    """all and any: several signs, each looked for in its own way."""

    def combined(self, loop, handler, kind: ReadyKind, *parts: Sign, carried=None, belongs=nobody) -> Readiness:
        spec = Ready(kind, parts=parts, interval=0.01)
        return make_readiness(make_context(loop), spec, handler, belongs, carried)

    def test_all(self, loop, handler, tmp_path):
        """It is told once, when the last one was seen; the text has those that are missing, and why."""
        one, two = tmp_path / "one", tmp_path / "two"
        parts = (Sign(ReadyKind.FILE, str(one)), Sign(ReadyKind.NOTIFY), Sign(ReadyKind.FILE, str(two)))
        with no_descriptor_left():
            readiness = self.combined(loop, handler, ReadyKind.ALL, *parts)
            readiness.begin()
            missing = "no such file or directory"
            notification = "READY=1 on its notification socket"
            text = f"file {one}: {missing}; and {notification}; and file {two}: {missing}"
            run_until(loop, lambda: readiness.waiting_text() == text)
            readiness.notified()
            two.touch()
            run_until(loop, lambda: readiness.waiting_text() == f"file {one}: {missing}")
            two.unlink()
            turn(loop, 50)
            assert handler.told == [], "what was seen once is not asked again, and one is missing"
            one.touch()
            run_until(loop, lambda: handler.told)
            turn(loop, 50)
            readiness.notified()
            readiness.cancel()
        assert handler.told == [("ready",)]

    def test_any(self, loop, handler, tmp_path):
        """The first one is enough; the others are not looked for any more."""
        parts = (Sign(ReadyKind.FILE, str(tmp_path / "one")), Sign(ReadyKind.LOG, "listening"), Sign(ReadyKind.NOTIFY))
        with no_descriptor_left():
            readiness = self.combined(loop, handler, ReadyKind.ANY, *parts)
            assert "; or " in readiness.waiting_text()
            readiness.begin()
            turn(loop, 20)
            assert handler.told == []
            readiness.lines(b"now listening\n")
            assert handler.told == [("ready",)]
            readiness.notified()
            (tmp_path / "one").touch()
            turn(loop, 50)
            readiness.cancel()
        assert handler.told == [("ready",)]

    def test_a_line_from_before(self, loop, handler):
        """What was written before it is begun counts, as for a log alone."""
        parts = (Sign(ReadyKind.LOG, "a"), Sign(ReadyKind.LOG, "b"))
        readiness = self.combined(loop, handler, ReadyKind.ALL, *parts)
        readiness.lines(b"a\n")
        readiness.begin()
        turn(loop)
        assert handler.told == []
        assert readiness.waiting_text() == 'a line with "b"'
        readiness.lines(b"b\n")
        assert handler.told == [("ready",)]

    def test_descriptors_and_main_processes(self, loop, handler, tmp_path, sleeper):
        """Each part's descriptors are the child's; a pid file's process is the main one, told before readiness."""
        file = tmp_path / "pid"
        parts = (Sign(ReadyKind.NOTIFY_FD, descriptor=3), Sign(ReadyKind.NOTIFY_FD, descriptor=5))
        with no_descriptor_left():
            readiness = self.combined(
                loop,
                handler,
                ReadyKind.ALL,
                *parts,
                Sign(ReadyKind.PID_FILE, str(file)),
                belongs={sleeper}.__contains__,
            )
            assert [number for _, number in readiness.descriptors] == [3, 5]
            theirs = [os.dup(ours) for ours, _ in readiness.descriptors]
            readiness.spawned()
            assert readiness.descriptors == ()
            readiness.begin()
            os.write(theirs[0], b"\n")
            file.write_text(str(sleeper))
            run_until(loop, lambda: ("main_pid", sleeper) in handler.told)
            turn(loop, 20)
            assert not handler.is_ready
            os.close(theirs[1])
            run_until(loop, lambda: handler.complaints)
            assert "closed without one" in readiness.waiting_text()
            os.close(theirs[0])
            readiness.cancel()
        assert not handler.is_ready

    def test_an_error_leaves_nothing(self, loop, handler):
        """When one part has no meaning the descriptors of those before it are closed."""
        parts = (Sign(ReadyKind.NOTIFY_FD, descriptor=3), Sign(ReadyKind.TCP, "8080"))
        with no_descriptor_left(), pytest.raises(AddressError, match="8080"):
            self.combined(loop, handler, ReadyKind.ALL, *parts)

    def test_cancelled_it_tells_nothing(self, loop, handler, tmp_path):
        """Before it was begun and while it looks: silence, and nothing open."""
        parts = (Sign(ReadyKind.FILE, str(tmp_path)), Sign(ReadyKind.NOTIFY_FD, descriptor=3))
        for turns in range(1, 8):
            with no_descriptor_left():
                readiness = self.combined(loop, handler, ReadyKind.ALL, *parts)
                if turns > 1:
                    readiness.begin()
                turn(loop, turns)
                readiness.cancel()
                readiness.cancel()
                turn(loop)
        assert handler.told == []

    def test_carried(self, loop, handler, tmp_path):
        """What was seen before a re-exec stays seen, and the pipe is the same."""
        gone, late = tmp_path / "gone", tmp_path / "late"
        gone.touch()
        parts = (
            Sign(ReadyKind.FILE, str(gone)),
            Sign(ReadyKind.NOTIFY_FD, descriptor=3),
            Sign(ReadyKind.LOG, "listening"),
            Sign(ReadyKind.FILE, str(late)),
        )
        before = self.combined(loop, handler, ReadyKind.ALL, *parts)
        child = os.dup(before.descriptors[0][0])
        before.spawned()
        before.lines(b"listening\n")
        before.begin()
        run_until(loop, lambda: str(gone) not in before.waiting_text())
        gone.unlink()
        keep = Kept()
        state = before.freeze(keep)
        assert decode(encode(state), ReadinessState) == state
        (pipe,) = keep.descriptors
        loop.remove_reader(pipe)
        os.write(child, b"\n")
        os.close(child)
        late.touch()
        second = Recorder()
        after = self.combined(loop, second, ReadyKind.ALL, *parts, carried=state)
        assert after.descriptors == ()
        after.begin()
        run_until(loop, lambda: second.told)
        assert second.told == [("ready",)]
        after.cancel()
        before._parts[1].readiness._reader = -1  # its descriptor is the other's now
        before.cancel()
