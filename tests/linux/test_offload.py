"""Functions in a child with a deadline, on both loops."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from asyncinit.errors import SpawnError
from asyncinit.runtime.process import forked, offload
from asyncinit.runtime.process.offload import StepCallback
from tests.linux.running import FORKING, Running, descriptors

pytestmark = pytest.mark.filterwarnings(FORKING)
LONG = 600.0


@dataclass
class Inner:
    numbers: tuple[int, ...] = ()


@dataclass
class Outer:
    inner: Inner | None = None
    names: dict[str, Inner | None] = field(default_factory=dict)


@pytest.fixture
def running(loop: asyncio.AbstractEventLoop) -> Iterator[Running]:
    """A loop that offloads; nothing may be left of it."""
    running = Running(loop)
    before = descriptors()
    yield running
    running.until(lambda: not running.reaper.pids())
    assert not running.offloader.jobs
    assert descriptors() == before


def answer(running: Running, function: Callable[[StepCallback], Any], result: Any = Any, timeout: float = LONG) -> Any:
    """Offload, and wait for the answer."""
    answers: list[Any] = []
    running.offloader.run(function, result, timeout, answers.append)
    assert answers == []
    running.until(lambda: answers)
    running.until(lambda: not running.reaper.pids())
    assert len(answers) == 1
    return answers[0]


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (None, type(None)),
        (0, int),
        ([], list[str]),
        ("ü" * 300_000, str),
        (Outer(Inner((1, 2)), {"a": None, "b": Inner()}), Outer),
    ],
)
def test_result(running: Running, value: object, result: object) -> None:
    """What the function returns arrives as it is, empty and large values too."""
    assert answer(running, lambda _step: value, result) == value


def raising(error: BaseException) -> Callable[[StepCallback], None]:
    def function(step: StepCallback) -> None:
        step("read the stars")
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SpawnError("set user x", errno.ENOENT, "no such user"), "cannot set user x: no such user"),
        (FileNotFoundError(errno.ENOENT, "x"), "cannot read the stars: no such file or directory"),
        (ValueError("odd"), "cannot read the stars: ValueError: odd"),
        (KeyboardInterrupt(), "cannot read the stars: KeyboardInterrupt: "),
        (SystemExit(3), "cannot read the stars: SystemExit: 3"),
    ],
)
def test_failure(running: Running, error: BaseException, text: str) -> None:
    """Whatever the function raises is told with its step."""
    assert str(answer(running, raising(error))) == text


def test_what_is_not_of_the_type_is_an_error(running: Running) -> None:
    """A result of another type is told, not guessed at."""
    assert isinstance(answer(running, lambda _step: "x", int), SpawnError)
    assert isinstance(answer(running, lambda _step: object()), SpawnError)


def test_deadline(running: Running) -> None:
    """What hangs is killed at the deadline, and its step is named; even if it ignores all signals."""

    def hang(step: StepCallback) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        step("read environment file /nfs/x")
        time.sleep(LONG)

    failure = answer(running, hang, timeout=0.2)
    assert isinstance(failure, SpawnError)
    assert failure.errno == errno.ETIMEDOUT
    assert str(failure) == "cannot read environment file /nfs/x: not done within 0.2 s"


def test_its_own_children_end_with_it(running: Running) -> None:
    """A child of the function is killed at the deadline, too."""
    reader, writer = os.pipe()

    def hang(_step: StepCallback) -> None:
        os.fork()
        time.sleep(LONG)

    # The pipe's end is what tells that the last process is gone, so it must be kept from being closed.
    real = forked.close_all_but
    forked.close_all_but = lambda *_keep: None  # type: ignore[assignment]
    try:
        answers: list[object] = []
        running.offloader.run(hang, type(None), 0.2, answers.append)
    finally:
        forked.close_all_but = real
    os.close(writer)
    running.until(lambda: answers)
    os.set_blocking(reader, False)

    def gone() -> bool:
        try:
            return os.read(reader, 1) == b""
        except BlockingIOError:
            return False

    running.until(gone)
    os.close(reader)


def test_killed_child(running: Running) -> None:
    """A child that dies without a word is told by its signal."""

    def die(step: StepCallback) -> None:
        step("ask the oracle")
        os.kill(os.getpid(), signal.SIGKILL)

    text = str(answer(running, die))
    assert text == "cannot ask the oracle: the process that did it was killed by SIGKILL"


def test_answer_of_a_child_that_is_reaped_first(running: Running) -> None:
    """An answer is not lost when the child's end is seen before its pipe."""
    answers: list[Any] = []
    job = running.offloader.run(lambda _step: "x" * 50_000, str, LONG, answers.append)
    os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOWAIT)
    running.reaper.reap()
    assert len(answers[0]) == 50_000


def test_cancel(running: Running) -> None:
    """Nobody is called after a cancel, and the child is gone."""
    answers: list[Any] = []
    job = running.offloader.run(lambda _step: time.sleep(LONG), type(None), LONG, answers.append)
    job.cancel()
    job.cancel()
    running.until(lambda: not running.reaper.known(job.pid))
    assert answers == []


def test_close(running: Running) -> None:
    """All that runs is ended at once."""
    for _ in range(3):
        running.offloader.run(lambda _step: time.sleep(LONG), type(None), LONG, lambda _answer: None)
    running.offloader.close()
    running.until(lambda: not running.reaper.pids())


def test_the_child_has_nothing_of_ours(running: Running) -> None:
    """It has its pipe and /dev/null, default signals and a session of its own."""

    def look(_step: StepCallback) -> tuple[list[str], str, bool]:
        links = [os.readlink(f"/proc/self/fd/{name}") for name in ("0", "1", "2")]
        others = [name for name in os.listdir("/proc/self/fd") if int(name) > 2]
        with open("/proc/self/status") as file:
            signals = [line for line in file if line.startswith(("SigBlk", "SigIgn"))]
        return [*links, str(len(others))], "".join(signals), os.getsid(0) == os.getpid()

    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        found, signals, leader = answer(running, look)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert found == ["/dev/null"] * 3 + ["2"]  # the pipe, and the listing itself
    # 32 and 33 are glibc's own; a Python that was itself made by its posix_spawn has them ignored.
    assert [int(line.split()[1], 16) & ~(3 << 31) for line in signals.splitlines()] == [0, 0]
    assert leader


def test_no_child_can_be_made(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is told as a failure, later, and no descriptor is left."""

    def refuse() -> int:
        raise OSError(errno.EAGAIN, "x")

    monkeypatch.setattr(os, "fork", refuse)
    failure = answer(running, lambda _step: None)
    assert (failure.step, failure.errno) == ("make a process", errno.EAGAIN)


def test_a_flood_is_stopped(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result without measure is not eaten."""
    monkeypatch.setattr(offload, "_LARGEST", 100_000)
    failure = answer(running, lambda _step: "x" * 10_000_000, str)
    assert failure.errno == errno.EMSGSIZE


def test_many_at_once(running: Running) -> None:
    """Each of many gets its own answer."""
    answers: dict[int, object] = {}
    for index in range(50):
        running.offloader.run(
            lambda _step, index=index: index, int, LONG, lambda found, index=index: answers.__setitem__(index, found)
        )
    running.until(lambda: len(answers) == 50)
    assert answers == {index: index for index in range(50)}
