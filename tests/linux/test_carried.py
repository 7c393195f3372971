"""Parts that are carried over a re-exec: each is frozen, made bytes and back, and goes on in a second one like it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from asyncinit.config.spec import SpawnMethod
from asyncinit.core.status import Code, ExitStatus, Reason
from asyncinit.errors import SpawnError
from asyncinit.runtime.output.capture import Capture
from asyncinit.runtime.output.console import Console
from asyncinit.runtime.output.format import PipeFormat
from asyncinit.runtime.output.journal import Journal
from asyncinit.runtime.process.hooks import CommandRun
from asyncinit.runtime.process.plan import ExecPlan
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.coding import decode, encode
from asyncinit.runtime.reexec.keep import Kept
from asyncinit.runtime.tree.attribution import MembersState
from asyncinit.runtime.tree.members import Members
from tests.linux.running import FORKING, Running
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


@pytest.mark.filterwarnings(FORKING)
@pytest.mark.parametrize("method", [SpawnMethod.FORK, SpawnMethod.POSIX_SPAWN])
def test_a_birth_goes_on(loop: asyncio.AbstractEventLoop, method: SpawnMethod) -> None:
    """A child that was made and is not known to run its program is known to, or its failure is told, once."""
    world = Running(loop)
    told: list[tuple[str, object]] = []
    pids = {}
    for name, program in (("good", "true"), ("bad", "/not/there")):
        plan = ExecPlan((program,), dict(os.environ), method=method)
        try:
            pids[name] = world.spawner.spawn(plan, lambda _failure: None, lambda _status: None)
        except SpawnError:
            assert method is SpawnMethod.POSIX_SPAWN  # it tells such a thing at once
    keep = Kept()
    states = carried(world.reaper.freeze(keep)), carried(world.spawner.freeze(keep))
    assert {birth.pid for birth in states[1].births} == set(pids.values())
    for birth in states[1].births:
        if birth.pipe >= 0:
            loop.remove_reader(birth.pipe)

    later = Running(loop)
    later.reaper.thaw(states[0])
    later.spawner.thaw(states[1])
    for name, pid in pids.items():
        later.spawner.adopt(
            pid,
            lambda failure, name=name: told.append((name, None if failure is None else failure.errno)),
            lambda status, name=name: told.append((name, status)),
        )
    expected = {("good", None), ("good", ExitStatus(0))}
    if "bad" in pids:
        expected.add(("bad", errno.ENOENT))
    later.until(lambda: len(told) >= len(expected) and not later.reaper.pids())
    assert len(told) == len(expected)
    assert set(told) == expected
    assert [what for name, what in told if name == "good"] == [None, ExitStatus(0)]
    later.spawner.adopt(pids["good"], lambda _failure: None, lambda status: told.append(("late", status)))
    later.until(lambda: told[-1] == ("late", ExitStatus()))  # collected before: nobody can say how it ended


def test_a_command_goes_on(loop: asyncio.AbstractEventLoop) -> None:
    """With its deadline where it was; one that ended in between is told its end, one that hangs is killed in time."""
    world = Running(loop)
    plan = ExecPlan(("sleep", "60"), dict(os.environ))
    states = []
    for script, seconds in (("exit 3", 60.0), ("sleep 60", 0.3)):
        command = CommandRun(world.spawner, world.timers, seconds, lambda _reason: None)
        command.begin(replace(plan, argv=("sh", "-c", script)), lambda _pid: None)
        states.append(command)
    world.until(lambda: not world.spawner.births)
    frozen = [carried(command.freeze(7)) for command in states]
    assert [state.channel for state in frozen] == [7, 7]
    reaper = carried(world.reaper.freeze(Kept()))

    later = Running(loop)
    later.reaper.thaw(reaper)
    told: list[Reason | None] = []
    for state in frozen:
        CommandRun(later.spawner, later.timers, state.timeout, told.append).go_on(state)
    later.until(lambda: len(told) == 2 and not later.reaper.pids())
    assert [None if reason is None else reason.code for reason in told] == [Code.EXIT_CODE, Code.TIMEOUT]


@pytest.mark.filterwarnings(FORKING)
def test_what_is_offloaded_is_ended(loop: asyncio.AbstractEventLoop) -> None:
    """Its child does not outlive the program that has begun it, nor the one after."""
    world = Running(loop)
    job = world.offloader.run(lambda _step: time.sleep(60), type(None), 60.0, lambda _result: None)
    states = carried(world.reaper.freeze(Kept())), carried(world.offloader.freeze(Kept()))
    assert states[1].pids == [job.pid]
    later = Running(loop)
    later.reaper.thaw(states[0])
    later.offloader.thaw(states[1])
    later.until(lambda: not later.reaper.pids())
    world.offloader.close()
