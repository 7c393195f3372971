"""Ask the program now installed whether it could go on: a child of it reads a copy of the state; decides nothing.

It is a child like any other (spawned, reaped, with a deadline), so a program that hangs as it starts holds up nobody.
It gets a word as its command that a program without live re-exec does not know: such a one refuses it.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Callable, Mapping
from functools import partial

from asyncinit.core.status import ExitStatus
from asyncinit.errors import SpawnError
from asyncinit.linux.program import started_as
from asyncinit.runtime.process.plan import ExecPlan
from asyncinit.runtime.process.spawner import Spawner
from asyncinit.runtime.ready.plain_text import one_line
from asyncinit.runtime.reexec.coding import store
from asyncinit.runtime.timers import Timer, Timers

VARIABLE = "ASYNCINIT_STATE"
"""Tells a program which descriptor has the state that it shall go on with; the entry module knows it too."""
CHECK = "check:"
"""Stands before the number where it shall only say whether it could."""
COMMAND = "can-go-on"
ANSWER = "asyncinit can go on: "
"""What the child says at last, with its version."""

TIMEOUT = 30.0
"""Seconds for it to start and to read the state."""

_DESCRIPTOR = 3
_MOST = 64 * 1024
_REASON = 400

Done = Callable[[str, str], None]
"""Is told the new program's version, and why it cannot go on; one of them is empty."""


class Trial:
    """One asking; `environment` is the one that asyncinit was given. `done` is called once, from the loop."""

    def __init__(self, spawner: Spawner, timers: Timers, environment: Mapping[str, str], done: Done) -> None:
        self._spawner = spawner
        self._timers = timers
        self._environment = environment
        self._done = done
        self._pid = -1
        self._pipe = -1
        self._said = b""
        self._timer: Timer | None = None

    def begin(self, state: bytes, timeout: float = TIMEOUT) -> None:
        """Ask, and wait for `timeout` seconds. Raises SpawnError, OSError where no child can be made."""
        self._pid, self._pipe = _spawn(self._spawner, self._environment, state, self._executed, self._exited)
        self._spawner.loop.add_reader(self._pipe, self._readable)
        self._timer = self._timers.after(timeout, partial(self._expire, timeout))

    def cancel(self) -> None:
        """Give up; nobody is told."""
        self._done = lambda _version, _reason: None
        self._spawner.reaper.kill_group(self._pid)
        self._finish("", "")

    def _executed(self, failure: SpawnError | None) -> None:
        if failure is not None:
            self._finish("", str(failure))

    def _readable(self) -> None:
        data = _read(self._pipe)
        self._said = (self._said + data)[-_MOST:]
        if not data:
            self._loop.remove_reader(self._pipe)

    def _exited(self, status: ExitStatus) -> None:
        while self._pipe >= 0 and (data := _read(self._pipe)):
            self._said = (self._said + data)[-_MOST:]
        self._finish(*judge(self._said, str(status)))

    def _expire(self, timeout: float) -> None:
        self._spawner.reaper.kill_group(self._pid)
        self._finish("", f"the new program did not say within {timeout:g} s that it can go on")

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._spawner.loop

    def _finish(self, version: str, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1
        done, self._done = self._done, lambda _version, _reason: None
        done(version, reason)


def ask_at_once(
    spawner: Spawner, environment: Mapping[str, str], state: bytes, seconds: float, alive: Callable[[], None]
) -> tuple[str, str]:
    """Ask without a loop, for when it has failed; return the version, and why it cannot go on.

    Blocks for `seconds` at most; `alive` is called each second meanwhile.
    """
    try:
        pid, pipe = _spawn(spawner, environment, state, lambda _failure: None, lambda _status: None)
    except (OSError, SpawnError) as error:
        return "", str(error)
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    deadline = time.monotonic() + seconds
    said = b""
    while (left := deadline - time.monotonic()) > 0:
        alive()
        if poll.poll(1000 * min(left, 1.0)):
            data = _read(pipe)
            said += data
            if not data:
                break
    os.close(pipe)
    spawner.reaper.kill_group(pid)  # it has ended, or hangs
    return judge(said, f"was silent for {seconds:g} s")


def judge(said: bytes, end: str) -> tuple[str, str]:
    """Return the version of a program that can go on, and else why not: the last line of what it said, or its `end`."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    last = one_line(lines[-1].strip(), _REASON) if lines else ""
    if last.startswith(ANSWER):
        return last.removeprefix(ANSWER), ""
    return "", f"the new program cannot go on: {last or end}"


def _spawn(
    spawner: Spawner,
    environment: Mapping[str, str],
    state: bytes,
    executed: Callable[[SpawnError | None], None],
    exited: Callable[[ExitStatus], None],
) -> tuple[int, int]:
    """Return the pid of the child, and the pipe with what it says."""
    copy = store(state)
    try:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            os.set_blocking(reader, False)
            plan = ExecPlan(
                (*started_as(), COMMAND),
                {**environment, VARIABLE: f"{CHECK}{_DESCRIPTOR}"},
                stdout=writer,
                stderr=writer,
                extra=((copy, _DESCRIPTOR),),
            )
            return spawner.spawn(plan, executed, exited), reader
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
    finally:
        os.close(copy)


def _read(pipe: int) -> bytes:
    try:
        return os.read(pipe, _MOST)
    except BlockingIOError:
        return b""
