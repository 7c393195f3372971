"""/run/initctl: what is written there arrives, garbage harms nobody, and it goes on after a re-exec."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from asyncinit.machine.init_request import Ask, InitRequest, encode
from asyncinit.runtime.initctl import Initctl, InitctlState
from asyncinit.runtime.reexec.coding import decode
from asyncinit.runtime.reexec.coding import encode as carry
from asyncinit.runtime.reexec.keep import Kept

REBOOT = InitRequest(Ask.RUNLEVEL, "6")


class Pipe:
    """One in a folder, with what came of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        self.loop = loop
        self.path = folder / "initctl"
        self.link = folder / "old"
        self.requests: list[InitRequest] = []
        self.warnings: list[str] = []
        self.initctl = self.again()

    def again(self) -> Initctl:
        return Initctl(self.loop, self.requests.append, self.warnings.append, str(self.path), str(self.link))

    def write(self, data: bytes) -> None:
        fd = os.open(self.link, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, data)
        os.close(fd)

    def turn(self) -> None:
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0))


@pytest.fixture
def pipe(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Pipe:
    return Pipe(loop, tmp_path)


def test_requests_arrive(pipe: Pipe) -> None:
    """By both names; and it is for its owner alone."""
    pipe.initctl.open()
    assert stat.S_IMODE(pipe.path.stat().st_mode) == 0o600
    pipe.write(encode(REBOOT) * 3)
    pipe.turn()
    assert pipe.requests == [REBOOT] * 3
    pipe.initctl.close()


def test_garbage(pipe: Pipe) -> None:
    """Is told once, and does nothing; what comes after it is understood."""
    pipe.initctl.open()
    for data in (b"x" * 5000, b"\0", encode(REBOOT)[:100] + b"junk" * 100):
        pipe.write(data)
        pipe.turn()
    pipe.turn()
    assert len(pipe.warnings) == 1
    pipe.requests.clear()
    pipe.write(b"junk")
    pipe.turn()
    pipe.write(encode(REBOOT))
    pipe.turn()
    assert pipe.requests == [REBOOT]
    pipe.initctl.close()


def test_a_flood_has_its_turn_and_no_more(pipe: Pipe) -> None:
    """Of what is written at once some is taken in each turn of the loop."""
    pipe.initctl.open()
    pipe.write(encode(REBOOT) * 100)
    pipe.loop.run_until_complete(asyncio.sleep(0))
    pipe.loop.run_until_complete(asyncio.sleep(0))
    assert 0 < len(pipe.requests) < 100
    for _ in range(30):
        pipe.turn()
    assert len(pipe.requests) == 100
    pipe.initctl.close()


@pytest.mark.parametrize("before", ["nothing", "file", "pipe", "link"])
def test_what_was_there_before(pipe: Pipe, before: str) -> None:
    """A pipe is taken over, with rights for its owner alone; anything else is replaced."""
    if before == "file":
        pipe.path.write_text("x")
    elif before == "pipe":
        os.mkfifo(pipe.path, 0o666)
    elif before == "link":
        pipe.path.symlink_to("/dev/null")
    pipe.initctl.open()
    assert stat.S_ISFIFO(pipe.path.lstat().st_mode)
    assert stat.S_IMODE(pipe.path.lstat().st_mode) == 0o600
    pipe.initctl.close()


def test_it_is_made_again_where_it_is_gone(pipe: Pipe) -> None:
    """On demand; one that is there stays as it is."""
    pipe.initctl.open()
    inode = pipe.path.stat().st_ino
    pipe.initctl.open()
    assert pipe.path.stat().st_ino == inode
    pipe.path.unlink()
    pipe.initctl.open()
    pipe.write(encode(REBOOT))
    pipe.turn()
    assert pipe.requests == [REBOOT]
    pipe.initctl.close()


def test_where_it_cannot_be(pipe: Pipe, tmp_path: Path) -> None:
    """It is told, and nothing else happens."""
    pipe.path = tmp_path / "missing" / "initctl"
    initctl = pipe.again()
    initctl.open()
    assert "no such file or directory" in pipe.warnings[0]
    initctl.close()


def test_it_is_carried_over_a_re_exec(pipe: Pipe) -> None:
    """With what was written meanwhile, and the beginning of a request that was read."""
    pipe.initctl.open()
    pipe.write(encode(REBOOT)[:50])
    pipe.turn()
    data = carry(pipe.initctl.freeze(Kept()))
    fd = decode(data, InitctlState).fd
    pipe.loop.remove_reader(fd)
    pipe.write(encode(REBOOT)[50:] + encode(REBOOT))
    after = pipe.again()
    after.thaw(decode(data, InitctlState))
    after.open()
    pipe.turn()
    assert pipe.requests == [REBOOT] * 2
    after.close()
