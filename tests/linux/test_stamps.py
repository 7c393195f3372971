"""Stamps of timers on disk, read and written in children, on both loops."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from asyncinit.runtime.timing.stamps import Stamps
from tests.linux.running import FORKING, Running

pytestmark = pytest.mark.filterwarnings(FORKING)


class Disk:
    """Stamps below a folder of an ordinary user's, and what was complained of."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path, project: str | None = None) -> None:
        self.running = Running(loop)
        self.complaints: list[str] = []
        self.stamps = Stamps(
            self.running.offloader,
            {"XDG_STATE_HOME": str(folder), "HOME": "/nonexistent"},
            lambda name, text: self.complaints.append(f"{name}: {text}"),
            project,
        )

    def write(self, name: str, moment: float) -> None:
        self.stamps.write(name, moment)
        self.running.until(lambda: not self.stamps.freeze() and not self.running.reaper.pids())

    def read(self, *names: str) -> Mapping[str, float]:
        answers: list[Mapping[str, float]] = []
        self.stamps.read(names, answers.append)
        assert not answers, "never at once"
        self.running.until(lambda: answers and not self.running.reaper.pids())
        return answers[0]


@pytest.fixture(autouse=True)
def as_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the tests is not the system's root."""
    monkeypatch.setattr("asyncinit.runtime.process.directories.of_the_system", lambda: False)


def test_written_and_read(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """The folder is made, the newest moment counts, and what was never written is not there."""
    disk = Disk(loop, tmp_path / "state")
    assert disk.read("nightly") == {}
    disk.write("nightly", 1795454030.123456)
    disk.write("nightly", 1795454031.5)
    disk.write("poll", 12.0)
    assert disk.read("nightly", "poll", "never") == {"nightly": 1795454031.5, "poll": 12.0}
    text = (tmp_path / "state/asyncinit/timers/nightly").read_text()
    assert text == "1795454031.500000 2026-11-23T17:13:51.500Z\n"
    assert sorted(os.listdir(tmp_path / "state/asyncinit/timers")) == ["nightly", "poll"]
    assert disk.complaints == []


def test_the_last_of_many_counts(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """However fast they come, an older stamp never replaces a newer one, and no two are written at once."""
    disk = Disk(loop, tmp_path)
    for number in range(100):
        disk.stamps.write("poll", float(number))
    assert len(disk.running.offloader.jobs) == 1
    assert disk.stamps.freeze() == {"poll": 99.0}
    disk.running.until(lambda: not disk.stamps.freeze() and not disk.running.reaper.pids())
    assert disk.read("poll") == {"poll": 99.0}


@pytest.mark.parametrize("content", [b"", b"yesterday", b"nan", b"-5 x", b"inf", b"\xff\xfe", b"9" * 5000])
def test_what_is_no_stamp(loop: asyncio.AbstractEventLoop, tmp_path: Path, content: bytes) -> None:
    """It is told, counts as none, does not hide the others, and is replaced by the next one."""
    disk = Disk(loop, tmp_path)
    disk.write("good", 5.0)
    (tmp_path / "asyncinit/timers/bad").write_bytes(content)
    assert disk.read("bad", "good") == {"good": 5.0}
    assert len(disk.complaints) == 1
    assert "bad: cannot read" in disk.complaints[0]
    assert disk.stamps.bad("bad")
    disk.write("bad", 6.0)
    assert disk.read("bad") == {"bad": 6.0}
    assert not disk.stamps.bad("bad")


def test_a_place_that_cannot_be_written(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """It is told once with what failed and why; once it works again, it is told the next time."""
    (tmp_path / "asyncinit").write_text("in the way")
    disk = Disk(loop, tmp_path)
    for _ in range(3):
        disk.write("nightly", 1.0)
    assert len(disk.complaints) == 1
    assert "nightly: cannot make directory" in disk.complaints[0]
    assert disk.stamps.bad("nightly")
    (tmp_path / "asyncinit").unlink()
    disk.write("nightly", 2.0)
    assert not disk.stamps.bad("nightly")
    assert disk.read("nightly") == {"nightly": 2.0}


def test_no_place_at_all(loop: asyncio.AbstractEventLoop) -> None:
    """Without a home there is none, and that is told for each."""
    disk = Disk(loop, Path("not absolute"))
    disk.stamps._environment = {}
    assert disk.read("a", "b") == {}
    assert len(disk.complaints) == 2
    assert "HOME" in disk.complaints[0]


def test_projects_do_not_share_theirs(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """Two projects with a service of the same name: each has its own, by whatever path it is named."""
    (tmp_path / "one/shop").mkdir(parents=True)
    (tmp_path / "two/shop").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "one/shop")
    one, two, link = (Disk(loop, tmp_path, str(tmp_path / name)) for name in ("one/shop", "two/shop", "link"))
    one.write("nightly", 1.0)
    assert two.read("nightly") == {}
    assert link.read("nightly") == {"nightly": 1.0}
