"""Parts that are carried over a re-exec: each is frozen, made bytes and back, and goes on in a second one like it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TypeVar

import msgspec

from asyncinit.core.status import ExitStatus
from asyncinit.runtime.output.capture import Capture
from asyncinit.runtime.output.console import Console
from asyncinit.runtime.output.format import PipeFormat
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.coding import decode, encode
from asyncinit.runtime.reexec.keep import Kept
from asyncinit.runtime.tree.attribution import MembersState
from asyncinit.runtime.tree.members import Members
from tests.linux.running import Running
from tests.support import wait_until

T = TypeVar("T", bound=msgspec.Struct)


def carried(state: T) -> T:
    """Return a state as the next program reads it, which is the same."""
    again = decode(encode(state), type(state))
    assert again == state
    return again


def test_the_reaper_goes_on(loop: asyncio.AbstractEventLoop) -> None:
    """Who ended in between is told to who adopts it; who is adopted by nobody is counted; nobody is an orphan."""
    before = Reaper(loop)
    script = ["sh", "-c", "exit 7"]
    pids = [os.posix_spawn("/bin/sh", script, os.environ) for _ in range(2)]
    for pid in pids:
        before.watch(pid, lambda _status: None)
        wait_until(lambda pid=pid: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    after = Reaper(loop)
    after.thaw(carried(before.freeze(Kept())))
    told: list[ExitStatus] = []
    assert all(map(after.known, pids))
    after.adopt(pids[0], told.append)
    after.reap()
    assert told == [ExitStatus(7)]
    assert (after.spawned, after.reaped, after.orphans) == (2, 2, 0)
    after.adopt(pids[0], told.append)  # too late: nobody will come any more
    assert not after.known(pids[0])


def test_output_goes_on(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """A line that was half written, one that was not written, what is remembered, and an open pipe."""
    out = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    keep = Kept()
    journal = Journal(Console(loop, out), PipeFormat())
    capture = Capture(loop, journal)
    channel = capture.open("web")
    theirs = os.dup(channel.stdout)
    channel.close_ours()
    os.write(theirs, b"one\ntw")
    capture.drain("web")  # retires it too: its unfinished line is let go
    os.write(theirs, b"o\nthr")
    loop.call_later(0.05, loop.stop)
    loop.run_forever()
    journal.event("web", "ready", fields={"state": "ready", "pid": 12})
    frozen = (carried(journal.freeze(keep)), carried(capture.freeze(keep)))
    for source in frozen[1].channels[0].sources:
        loop.remove_reader(source.fd)
    journal.close()

    again = Journal(Console(loop, out), PipeFormat())
    again.thaw(frozen[0])
    capture = Capture(loop, again)
    capture.thaw(frozen[1])
    assert again.cursor == journal.cursor
    assert again.last("web", 10) == journal.last("web", 10)
    assert again.events() == journal.events()
    assert {source.fd for source in frozen[1].channels[0].sources} <= keep.descriptors
    os.write(theirs, b"ee\n")
    os.close(theirs)
    loop.call_later(0.05, loop.stop)
    loop.run_forever()
    assert [entry.message for entry in again.last("web", 10)] == [b"one", b"tw", b"o", b"three"]
    written = (tmp_path / "out").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in written] == [
        *("web | one", "web | tw", "web | o", "web * ready", "web | three")
    ]
    capture.close()
    assert capture.open_channels("web") == 0
    os.close(out)


def test_a_batch_under_way_comes_first(loop: asyncio.AbstractEventLoop) -> None:
    """What the console's reader has not taken of a line is the next that it gets."""
    reader, writer = os.pipe()
    before = Console(loop, writer)
    lines = [b"%06d" % number + b"x" * 93 + b"\n" for number in range(3000)]
    for line in lines:
        before.write(line)
    loop.call_later(0.05, loop.stop)
    loop.run_forever()
    state = carried(before.freeze(Kept()))
    assert state.batch
    before.close()
    after = Console(loop, writer)
    after.thaw(state)
    got = bytearray()

    def read() -> None:
        got.extend(os.read(reader, 1 << 20))
        if len(got) == sum(map(len, lines)):
            loop.stop()

    loop.add_reader(reader, read)
    loop.call_later(20, loop.stop)
    loop.run_forever()
    loop.remove_reader(reader)
    assert bytes(got) == b"".join(lines)
    after.close()
    os.close(reader)
    os.close(writer)


def test_members_go_on(loop: asyncio.AbstractEventLoop) -> None:
    """Whose a child is, whose its descendants are, and whose an orphan is that was seen before."""
    world = Running(loop)
    members = Members(loop, world.reaper, world.timers)
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 60 & exec sleep 60"], os.environ, setsid=True)
    world.reaper.watch(pid, lambda _status: None)
    members.born("web", "token-of-web", pid, leader=True)
    wait_until(lambda: len(members.live("web")) == 2)
    reaper_state, state = carried(world.reaper.freeze(Kept())), carried(members.freeze(Kept()))
    members.close()

    later = Running(loop)
    later.reaper.thaw(reaper_state)
    again = Members(loop, later.reaper, later.timers)
    again.thaw(state)
    assert again.live("web")[0].pid == pid
    assert len(again.live("web")) == 2
    assert again.owner_of(pid) == "web"
    gone: list[bool] = []
    os.killpg(pid, signal.SIGKILL)
    again.watch_gone("web", lambda: gone.append(True))
    later.until(lambda: gone)
    again.forget("web")
    assert carried(again.freeze(Kept())) == MembersState()
    again.close()
