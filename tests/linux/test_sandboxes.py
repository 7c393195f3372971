"""Processes in PID namespaces: who their parent is, how their ends are told, and what their init may; on both loops."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from asyncinit.linux import proc
from asyncinit.runtime.process.plan import ExecPlan, JoinedPids, NewPids, Pid1
from tests.linux.running import FORKING, Outcome, Running, descriptors

pytestmark = [
    pytest.mark.filterwarnings(FORKING),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture
def running(loop: asyncio.AbstractEventLoop) -> Iterator[Running]:
    """A loop that makes processes; nothing may be left of it, neither a process nor a descriptor."""
    running = Running(loop)
    running.turn()  # uvloop opens its own when it first runs
    before = descriptors()
    yield running
    for pid in running.reaper.inits:
        os.kill(pid, signal.SIGKILL)
    running.until(lambda: not running.reaper.pids())
    running.turn()
    assert descriptors() == before
    assert running.reaper.inits == {}
    assert running.reaper.spawned == running.reaper.reaped


def shell(text: str, **changes: Any) -> ExecPlan:
    return replace(ExecPlan(("/bin/sh", "-c", text), ENVIRONMENT), **changes)


def pod(running: Running, **changes: Any) -> Outcome:
    """Make a pod and wait until its init is ready."""
    outcome = running.start(shell("", placement=NewPids(Pid1.POD, **changes)))
    running.until(lambda: outcome.calls)
    assert outcome.failure is None, outcome.failure
    return outcome


INSIDE = [True, False]
STATUSES = [("exit 3", 3, None), ("kill -9 $$", None, 9), ("exit 137", 137, None), ("kill -TERM $$", None, 15)]


def told(outcome: Outcome) -> tuple[int | None, int | None]:
    assert outcome.failure is None, outcome.failure
    assert outcome.calls == ["executed", "exited"]
    assert outcome.status is not None
    return outcome.status.code, outcome.status.signal


@pytest.mark.parametrize("end", STATUSES)
def test_a_program_can_be_pid_1(running: Running, end: tuple[str, int | None, int | None]) -> None:
    """Without an init it is PID 1 itself, our own child, and its status is the kernel's own word."""
    text, code, number = end
    outcome = running.start(shell(f"test $$ = 1 || exit 99; {text}; exit 7", placement=NewPids(Pid1.PROGRAM)))
    running.until(lambda: outcome.status)
    # A signal that it has no handler for does not reach PID 1 from inside.
    assert told(outcome) == ((code, None) if number is None else (7, None))


@pytest.mark.parametrize("end", STATUSES)
def test_with_an_init_the_program_is_pid_2(running: Running, end: tuple[str, int | None, int | None]) -> None:
    """Its init is PID 1; the exact status comes from that one's report."""
    text, code, number = end
    outcome = running.start(shell(f'test "$$ $PPID" = "2 1" || exit 99; {text}', placement=NewPids()))
    running.until(lambda: outcome.status)
    assert told(outcome) == (code, number)
    running.until(lambda: not running.reaper.pids())


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("end", STATUSES)
def test_a_member_of_a_pod(running: Running, inside: bool, end: tuple[str, int | None, int | None]) -> None:
    """Inside, its parent is the pod's init, outside it has none that it sees; its status is exact either way."""
    text, code, number = end
    home = pod(running)
    reader, writer = os.pipe()
    outcome = running.start(shell(f"read x; {text}", placement=JoinedPids(home.pid, inside), stdin=reader))
    os.close(reader)
    running.until(lambda: outcome.calls)
    stat = proc.stat(outcome.pid)
    assert stat is not None
    assert stat.ppid == (home.pid if inside else os.getpid())
    assert proc.status_field(outcome.pid, "NSpid").split()[0] == str(outcome.pid)
    os.close(writer)
    running.until(lambda: outcome.status)
    assert told(outcome) == (code, number)
