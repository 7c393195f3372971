"""Asking the program that shall follow, and becoming it: what is done when it cannot be, with real children."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator

import pytest

from asyncinit.config.spec import LogLevel
from asyncinit.runtime.reexec import succession as module
from asyncinit.runtime.reexec import trial
from asyncinit.runtime.reexec.keep import Kept
from asyncinit.runtime.reexec.succession import ESCAPES, Succession
from asyncinit.runtime.reexec.trial import ANSWER, Trial, ask_at_once
from tests.linux.running import FORKING, Running, descriptors
from tests.support import PYTHON

pytestmark = pytest.mark.filterwarnings(FORKING)

READS = "import os; fd = int(os.environ['ASYNCINIT_STATE'].removeprefix('check:')); data = os.pread(fd, 99, 0)"
PROGRAMS = {
    "says yes": (f"{READS}; print('{ANSWER}9 ' + data.decode())", "9 the state", ""),
    "says no": ("print('a'); raise SystemExit('no, because')", "", "the new program cannot go on: no, because"),
    "says nothing": ("raise SystemExit(3)", "", "the new program cannot go on: exited with 3"),
    "dies": ("import os; os.abort()", "", "the new program cannot go on: killed by SIGABRT (core dumped)"),
    "hangs": ("import time; time.sleep(60)", "", "the new program did not say within 1 s that it can go on"),
    "floods": ("print('x' * 10_000_000)", "", "the new program cannot go on: " + "x" * 397 + "..."),
}


@pytest.fixture
def world(loop: asyncio.AbstractEventLoop) -> Iterator[Running]:
    before = descriptors()
    world = Running(loop)
    yield world
    world.until(lambda: not world.reaper.pids())
    assert descriptors() == before


def becomes(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have `script` be the program that is installed now."""
    monkeypatch.setattr(trial, "started_as", lambda: [PYTHON, "-S", "-c", script])


@pytest.mark.parametrize("kind", PROGRAMS)
def test_the_new_program_is_asked(world: Running, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Its last line counts; whoever is silent, dies or hangs has said no."""
    script, version, reason = PROGRAMS[kind]
    becomes(monkeypatch, script)
    said: list[tuple[str, str]] = []
    Trial(world.spawner, world.timers, dict(os.environ), lambda *answer: said.append(answer)).begin(
        b"the state", 1.0 if kind == "hangs" else 60.0
    )
    world.until(lambda: said)
    told = said[0][1].replace(" (core dumped)", "")
    assert (said[0][0], told) == (version, reason.replace(" (core dumped)", ""))
    world.until(lambda: not world.reaper.pids())
    assert len(said) == 1


@pytest.mark.parametrize("kind", ["says yes", "says no", "hangs"])
def test_asked_without_a_loop(world: Running, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The same answers where nothing can be waited for but this."""
    script, version, reason = PROGRAMS[kind]
    becomes(monkeypatch, script)
    seconds, alive = 1.0 if kind == "hangs" else 30.0, []
    found = ask_at_once(world.spawner, dict(os.environ), b"the state", seconds, lambda: alive.append(True))
    assert alive
    expected = "the new program cannot go on: was silent for 1 s" if kind == "hangs" else reason
    assert found == (version, expected)


class Announced:
    """What would be told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def system(self, text: str, _level: LogLevel = LogLevel.INFO) -> None:
        self.texts.append(text)


class World:
    """A succession whose state is a text."""

    def __init__(self, running: Running) -> None:
        self.left = 0
        self.broken = False
        self.announced = Announced()
        self.refused: list[str] = []
        self.reader, self.writer = os.pipe()
        self.succession = Succession(
            running.spawner,
            running.timers,
            self.announced,  # type: ignore[arg-type]
            dict(os.environ),
            gather=self.gather,
            leave=self.leave,
        )

    def gather(self, keep: Kept, tolerant: bool) -> bytes:
        keep(self.reader)
        if self.broken and not tolerant:
            raise KeyError("a bug")
        return b"the state"

    def leave(self) -> None:
        self.left += 1

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def house(world: Running) -> Iterator[World]:
    house = World(world)
    yield house
    house.close()


def test_all_who_ask_are_one(world: Running, house: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two who ask at the same time are asked for once; the loop is left once, when it is known that it can go on."""
    becomes(monkeypatch, PROGRAMS["says yes"][0])
    house.succession.request(house.refused.append)
    house.succession.request(house.refused.append)
    assert len(world.reaper.pids()) == 1
    world.until(lambda: house.left)
    assert (house.left, house.succession.due, house.refused) == (1, True, [])


def test_all_who_ask_are_refused(world: Running, house: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason; and who asks later is asked for again."""
    becomes(monkeypatch, PROGRAMS["says no"][0])
    house.succession.request(house.refused.append)
    house.succession.request(house.refused.append)
    world.until(lambda: house.refused)
    assert house.refused == ["the new program cannot go on: no, because"] * 2
    becomes(monkeypatch, PROGRAMS["says yes"][0])
    house.succession.request(house.refused.append)
    world.until(lambda: house.left)
    assert len(house.refused) == 2


def test_a_state_that_cannot_be_told_is_refused(world: Running, house: World) -> None:
    """A bug of a part is no end of anything on request."""
    house.broken = True
    house.succession.request(house.refused.append)
    assert house.refused == ["cannot ask the new program: 'a bug'"]
    assert not house.left


def test_an_exec_that_fails_is_no_end(world: Running, house: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked is told, and no descriptor is left open to programs."""

    def gone(_variables: object) -> None:
        assert os.get_inheritable(house.reader)
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    becomes(monkeypatch, PROGRAMS["says yes"][0])
    monkeypatch.setattr(module, "execute_again", gone)
    house.succession.request(house.refused.append)
    world.until(lambda: house.left)
    house.succession.hand_over()
    assert house.refused == ["cannot execute the new program: no such file or directory"]
    assert not house.succession.due
    assert not os.get_inheritable(house.reader)


def test_a_shutdown_calls_it_off(world: Running, house: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is told, and the child that was asked is ended."""
    becomes(monkeypatch, PROGRAMS["hangs"][0])
    house.succession.request(house.refused.append)
    house.succession.cancel()
    assert house.refused == ["asyncinit is shutting down"]
    house.succession.cancel()
    world.until(lambda: not world.reaper.pids())
    assert not house.left


def test_escapes_are_counted(world: Running, house: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many within a minute lead to a new program each, if it can go on, one more to nothing."""
    house.broken = True  # what cannot be told is left out
    becomes(monkeypatch, PROGRAMS["says no"][0])
    for _ in range(ESCAPES):
        assert house.succession.escaped(RuntimeError("x")) == "the new program cannot go on: no, because"
    assert house.succession.escaped(RuntimeError("x")) == f"{ESCAPES + 1} internal errors within 60 s"
