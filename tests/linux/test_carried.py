"""Parts that are carried over a re-exec: each is frozen, made bytes and back, and goes on in a second one like it."""

from __future__ import annotations

import asyncio
import os
from typing import TypeVar

import msgspec

from asyncinit.core.status import ExitStatus
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.coding import decode, encode
from asyncinit.runtime.reexec.keep import Kept
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
