"""The one reaper with real children, on both loops: whose end it was, and that none is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from functools import partial

import pytest

from asyncinit.core.status import ExitStatus
from asyncinit.runtime.process import reaper as reaper_module
from asyncinit.runtime.process.foreign_main import ForeignMain
from asyncinit.runtime.process.reaper import Reaper
from tests.linux.running import Running, descriptors
from tests.support import wait_until


def spawn(script: str, output: int | None = None) -> int:
    """Start a shell; nobody is told of its pid yet."""
    actions = [] if output is None else [(os.POSIX_SPAWN_DUP2, output, 1)]
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ, file_actions=actions)


def ended(pid: int) -> bool:
    """Tell whether a child has ended, without collecting its status."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@pytest.fixture
def world(loop: asyncio.AbstractEventLoop) -> Iterator[Running]:
    """A loop with a reaper; at the end the ledger is even, and no descriptor is left."""
    before = descriptors()
    world = Running(loop)
    yield world
    world.until(lambda: not world.reaper.pids())
    assert world.reaper.spawned == world.reaper.reaped
    assert descriptors() == before


def test_statuses(world: Running) -> None:
    """A code is a code, a signal is a signal; each is told once, to the one who asked."""
    told: dict[int, list[ExitStatus]] = {}
    expected = {}
    for script, status in (
        ("exit 0", ExitStatus(0)),
        ("exit 255", ExitStatus(255)),
        ("kill -KILL $$", ExitStatus(signal=signal.SIGKILL)),
        ("kill -TERM $$", ExitStatus(signal=signal.SIGTERM)),
    ):
        pid = spawn(script)
        told[pid], expected[pid] = [], [status]
        world.reaper.watch(pid, told[pid].append)
    world.until(lambda: not world.reaper.pids())
    assert told == expected


def test_the_ledger(world: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many end at once, in whatever batches, and beside orphans: every status is told exactly once."""
    monkeypatch.setattr(reaper_module, "_BATCH", 7)
    told: list[int] = []
    for number in range(60):
        pid = spawn(f"exit {number % 3}")
        if number % 3:
            world.reaper.watch(pid, lambda _status, pid=pid: told.append(pid))  # type: ignore[misc]
    world.until(lambda: world.reaper.orphans == 20 and not world.reaper.pids())
    assert len(told) == len(set(told)) == 40
    assert (world.reaper.spawned, world.reaper.reaped) == (40, 40)


def test_batches_let_others_in(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two batches the loop serves others, and however often it is asked there is one next batch."""
    monkeypatch.setattr(reaper_module, "_BATCH", 1)
    reaper = Reaper(loop)
    pids = [spawn("exit 0") for _ in range(5)]
    for pid in pids:
        wait_until(partial(ended, pid))
    seen: list[int] = []
    turns: list[int] = []

    def look() -> None:
        turns.append(reaper.orphans)
        if reaper.orphans < 5:
            loop.call_soon(look)
        else:
            loop.stop()

    reaper.add_listener(lambda pid, _status: seen.append(pid))
    loop.call_soon(reaper.reap)
    loop.call_soon(reaper.reap)
    loop.call_soon(look)
    loop.run_forever()
    assert sorted(seen) == sorted(pids)
    assert turns == [2, 3, 4, 5]


def test_known_until_reaped(world: Running) -> None:
    """A child is known from its registration until its status is told, and not any more when it is told."""
    pid = spawn("exit 0")
    known: list[bool] = []
    world.reaper.watch(pid, lambda _status: known.append(world.reaper.known(pid)))
    assert world.reaper.known(pid)
    assert world.reaper.pids() == {pid}
    world.until(lambda: known)
    assert known == [False]


def test_listeners_hear_of_all(world: Running) -> None:
    """Before the child's own callback, and of orphans too."""
    heard: list[tuple[str, int]] = []
    world.reaper.add_listener(lambda pid, _status: heard.append(("listener", pid)))
    own, orphan = spawn("exit 0"), spawn("exit 0")
    world.reaper.watch(own, lambda _status: heard.append(("own", own)))
    world.until(lambda: len(heard) == 3)
    assert heard.index(("listener", own)) < heard.index(("own", own))
    assert ("listener", orphan) in heard


def test_a_forgotten_child(world: Running) -> None:
    """Its end is collected, and told to nobody but the listeners."""
    told: list[object] = []
    pid = spawn("exit 0")
    world.reaper.watch(pid, told.append)
    world.reaper.forget(pid)
    world.until(lambda: not world.reaper.known(pid))
    assert told == []


@pytest.mark.parametrize("who", ["listener", "callback", "expected"])
def test_somebody_fails(world: Running, who: str) -> None:
    """It is told, and neither the others nor the statuses of others are lost."""
    failures: list[object] = []
    world.loop.set_exception_handler(lambda _loop, context: failures.append(context["exception"]))
    told: list[str] = []

    def hear(name: str, *_arguments: object) -> None:
        told.append(name)
        if name == who:
            raise ValueError(name)

    world.reaper.add_listener(partial(hear, "listener"))
    for _ in range(2):
        pid = spawn("exit 0")
        world.reaper.watch(pid, partial(hear, "callback"))
        world.reaper.expect(pid, partial(hear, "expected"))
    world.until(lambda: not world.reaper.pids())
    assert told == ["listener", "callback", "expected"] * 2
    assert [str(failure) for failure in failures] == [who] * 2


def test_no_children(loop: asyncio.AbstractEventLoop) -> None:
    """Looking where there is none is harmless."""
    Reaper(loop).reap()


class TestForeignMain:
    """A main process that the service named itself."""

    def watch(self, world: Running, pid: int) -> tuple[ForeignMain, list[ExitStatus]]:
        told: list[ExitStatus] = []
        return ForeignMain(world.loop, world.reaper, world.timers, pid, told.append), told

    def grandchild(self, script: str) -> tuple[int, int]:
        """Start a shell that has a child doing `script`, and collects it; return both pids."""
        reader, writer = os.pipe()
        pid = spawn(f"sh -c {script!r} & echo $!; wait; exec sleep 100", writer)
        os.close(writer)
        with open(reader) as file:
            return pid, int(file.readline())

    def test_it_has_become_our_child(self, world: Running) -> None:
        """The reaper tells; it is an orphan all the same, for we did not make it."""
        pid = spawn("exit 3")
        _, told = self.watch(world, pid)
        assert not world.reaper.known(pid)
        world.until(lambda: told)
        assert told == [ExitStatus(3)]
        assert world.reaper.orphans == 1

    def test_it_is_a_child_that_we_made_for_something_else(self, world: Running) -> None:
        """Who made it (a hook) is told as well."""
        pid = spawn("exit 3")
        hook: list[ExitStatus] = []
        world.reaper.watch(pid, hook.append)
        _, told = self.watch(world, pid)
        world.until(lambda: told)
        assert hook == told == [ExitStatus(3)]

    def test_a_watch_that_is_given_up(self, world: Running) -> None:
        """Nobody is told, and who made the process still is."""
        pid = spawn("exit 3")
        hook: list[ExitStatus] = []
        world.reaper.watch(pid, hook.append)
        watch, told = self.watch(world, pid)
        watch.close()
        watch.close()
        world.until(lambda: hook)
        assert told == []

    def test_it_is_somebody_elses_child(self, world: Running) -> None:
        """Its end is seen; its status is what the kernel knows, or unknown, and never made up."""
        parent, pid = self.grandchild("exec sleep 100")
        world.reaper.watch(parent, lambda _status: None)
        _, told = self.watch(world, pid)
        os.kill(pid, signal.SIGKILL)
        world.until(lambda: told)
        assert told in ([ExitStatus(signal=signal.SIGKILL)], [ExitStatus()])
        assert not world.reaper.known(pid)
        os.kill(parent, signal.SIGKILL)

    def test_it_has_ended_before_we_looked(self, world: Running) -> None:
        """Somebody has collected it: unknown, instead of a wait for ever."""
        pid = spawn("exit 0")
        world.until(lambda: world.reaper.orphans)
        _, told = self.watch(world, pid)
        assert told == [], "never from within the constructor"
        world.until(lambda: told)
        assert told == [ExitStatus()]

    def test_the_whole_tree_is_gone(self, world: Running) -> None:
        """Its status is told now: nothing that could tell it later lives."""
        pid = spawn("exit 3")
        wait_until(partial(ended, pid))
        watch, told = self.watch(world, pid)
        watch.tree_gone()
        assert told == [ExitStatus(3)]
        watch.tree_gone()
        assert len(told) == 1
