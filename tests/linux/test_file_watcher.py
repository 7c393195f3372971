"""Children that watch files: what they tell, what becomes of them, and how they are carried; on both loops."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from asyncinit.runtime.file_watching.messages import Changed, Failed, Message, Standing, Watched
from asyncinit.runtime.file_watching.watcher import FileWatcher, FileWatcherState
from tests.linux.running import FORKING, Running, descriptors

pytestmark = pytest.mark.filterwarnings(FORKING)


class Watching(Running):
    """A loop that has files watched; `told` is what came of it, `warnings` what was complained of."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.told: list[Message] = []
        self.warnings: list[str] = []
        self.watcher = FileWatcher(loop, self.reaper, self.timers, self.warnings.append)

    def begin(self, folder: Path, *paths: str, quiet: float = 0.02) -> None:
        """Watch, and wait until nothing is missed."""
        self.watcher.watch("web", Watched(str(folder), paths, quiet=quiet), self.told.append)
        self.until(lambda: any(isinstance(message, Standing | Failed) for message in self.told))

    @property
    def changes(self) -> list[Changed]:
        return [message for message in self.told if isinstance(message, Changed)]


@pytest.fixture
def watching(loop: asyncio.AbstractEventLoop) -> Iterator[Watching]:
    """A loop that has files watched; nothing may be left of it."""
    before = descriptors()
    watching = Watching(loop)
    yield watching
    watching.watcher.close()
    watching.until(lambda: not watching.reaper.pids())
    assert descriptors() == before


def test_changes_are_told(watching: Watching, tmp_path: Path) -> None:
    """First that it watches, then each burst once; not before `watch` has returned."""
    (tmp_path / "a").write_text("1")
    watching.begin(tmp_path, ".")
    assert watching.told == [Standing(1)]
    (tmp_path / "a").write_text("2")
    watching.until(lambda: watching.changes)
    (tmp_path / "b").write_text("2")
    watching.until(lambda: len(watching.changes) == 2)
    assert watching.changes == [Changed(("a",), 1), Changed(("b",), 1)]


def test_a_burst_is_told_once(watching: Watching, tmp_path: Path) -> None:
    """A thousand files that are written without a pause are one change."""
    watching.begin(tmp_path, ".", quiet=2.0)
    for number in range(1000):
        (tmp_path / f"{number}").write_text("x")
    watching.until(lambda: watching.changes)
    (tmp_path / "last").write_text("x")
    watching.until(lambda: len(watching.changes) == 2)
    assert [changed.count for changed in watching.changes] == [1000, 1]


def test_it_sleeps_while_nothing_changes(watching: Watching, tmp_path: Path) -> None:
    """The child does not run at all in between: its number of context switches stays."""
    watching.begin(tmp_path, ".")
    (pid,) = watching.reaper.pids()

    def switches() -> list[str]:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return [line for line in lines if "ctxt_switches" in line] + [line for line in lines if "Threads" in line]

    watching.until(lambda: "S (sleeping)" in Path(f"/proc/{pid}/status").read_text())
    before = switches()
    for _ in range(50):
        watching.turn()
    assert switches() == before
    assert before[-1].split() == ["Threads:", "1"]


def test_folders_that_come_are_counted(watching: Watching, tmp_path: Path) -> None:
    """A tree without files changes nothing, and is watched, which is told once it is."""
    watching.begin(tmp_path, ".")
    for number in range(20):
        (tmp_path / f"{number}/deep").mkdir(parents=True)
    watching.until(lambda: watching.told[-1] == Standing(41))
    assert watching.changes == []


def test_what_cannot_be_watched_is_told_once(watching: Watching, tmp_path: Path) -> None:
    """Then there is no child any more."""
    watching.watcher.watch("web", Watched(str(tmp_path), (".",), ignore=("!",)), watching.told.append)
    watching.until(lambda: watching.told)
    watching.until(lambda: not watching.reaper.pids())
    (failed,) = watching.told
    assert isinstance(failed, Failed) and "[watch] ignore" in failed.text
    assert watching.watcher.watched_by() == []


def test_a_child_that_is_killed_is_made_again(watching: Watching, tmp_path: Path) -> None:
    """And what has changed meanwhile is told."""
    (tmp_path / "a").write_text("1")
    watching.begin(tmp_path, ".")
    (pid,) = watching.reaper.pids()
    os.kill(pid, signal.SIGKILL)
    watching.until(lambda: watching.warnings)
    (tmp_path / "a").write_text("2")
    watching.until(lambda: watching.changes)
    assert "killed by SIGKILL" in watching.warnings[0]
    assert "a" in watching.changes[0].paths
    assert watching.reaper.pids() != {pid}


def test_who_watches_otherwise_is_told_of_that_alone(watching: Watching, tmp_path: Path) -> None:
    """Other paths for the same key replace the ones before; the same ones go on with the same child."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    watching.begin(tmp_path, "a")
    (pid,) = watching.reaper.pids()
    watching.watcher.watch("web", Watched(str(tmp_path), ("a",), quiet=0.02), watching.told.append)
    assert watching.reaper.pids() == {pid}
    watching.told.clear()
    watching.begin(tmp_path, "b")
    (tmp_path / "a/x").write_text("x")
    (tmp_path / "b/x").write_text("x")
    watching.until(lambda: watching.changes)
    assert watching.changes == [Changed(("b/x",), 1)]
    watching.watcher.forget("web")
    watching.until(lambda: not watching.reaper.pids())


def test_it_is_carried_over_a_reexec(watching: Watching, tmp_path: Path) -> None:
    """The child goes on; what it told meanwhile, and the half of a message, is understood afterwards."""
    watching.begin(tmp_path, ".")
    pids = watching.reaper.pids()
    kept: list[int] = []

    def keep(fd: int) -> int:
        kept.append(fd)
        return fd

    state = watching.watcher.freeze(keep)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=FileWatcherState)
    (carried,) = state.children.values()
    assert kept == [carried.pipe]
    watching.loop.remove_reader(carried.pipe)
    (tmp_path / "a").write_text("2")

    successor = FileWatcher(watching.loop, watching.reaper, watching.timers, watching.warnings.append)
    watching.watcher = successor
    successor.thaw(state)
    told: list[Message] = []
    successor.watch("web", carried.watched, told.append)
    watching.until(lambda: told)
    assert told == [Changed(("a",), 1)]
    assert watching.reaper.pids() == pids


def test_a_child_that_another_version_does_not_understand_is_replaced(watching: Watching, tmp_path: Path) -> None:
    """Nothing that has changed meanwhile is lost by that."""
    watching.begin(tmp_path, ".")
    (pid,) = watching.reaper.pids()
    state = watching.watcher.freeze(lambda fd: fd)
    (carried,) = state.children.values()
    watching.loop.remove_reader(carried.pipe)
    (tmp_path / "a").write_text("2")
    state.protocol += 1
    watching.watcher = FileWatcher(watching.loop, watching.reaper, watching.timers, watching.warnings.append)
    watching.watcher.thaw(state)
    told: list[Message] = []
    watching.watcher.watch("web", carried.watched, told.append)
    watching.until(lambda: any(isinstance(message, Changed) and "a" in message.paths for message in told))
    watching.until(lambda: pid not in watching.reaper.pids())
