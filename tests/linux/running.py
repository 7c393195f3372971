"""What tests of real processes share: a loop with a reaper, and ways to run it until something holds."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from asyncinit.core.status import ExitStatus
from asyncinit.errors import SpawnError
from asyncinit.runtime.process.offload import Offloader
from asyncinit.runtime.process.plan import ExecPlan
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.process.spawner import Spawner
from asyncinit.runtime.timers import Timers

T = TypeVar("T")

# pytest's parallel workers have threads; asyncinit has none.
FORKING = "ignore:This process.*multi-threaded:DeprecationWarning"


class Outcome:
    """What came of a spawned process: the callbacks in their order."""

    def __init__(self) -> None:
        self.pid = -1
        self.calls: list[str] = []
        self.failure: SpawnError | None = None
        self.status: ExitStatus | None = None

    def executed(self, failure: SpawnError | None) -> None:
        self.calls.append("executed")
        self.failure = failure

    def exited(self, status: ExitStatus) -> None:
        self.calls.append("exited")
        self.status = status


class Running:
    """A loop, a reaper and what makes processes; no signal is used, the reaper looks often."""

    def __init__(self, loop: asyncio.AbstractEventLoop, slow: bool = False) -> None:
        self.loop = loop
        self.reaper = Reaper(loop)
        self.timers = Timers(loop)
        self.complaints: list[str] = []
        self.spawner = Spawner(loop, self.reaper, slow=lambda: slow, complain=self.complaints.append)
        self.offloader = Offloader(loop, self.reaper, self.timers)

    def until(self, condition: Callable[[], T], timeout: float = 20.0) -> T:
        """Run the loop until `condition` gives something true, and return that."""
        deadline = time.monotonic() + timeout

        def look() -> None:
            self.reaper.reap()
            if condition() or time.monotonic() > deadline:
                self.loop.stop()
            else:
                self.loop.call_later(0.002, look)

        self.loop.call_soon(look)
        self.loop.run_forever()
        value = condition()
        assert value, f"not within {timeout} s: {condition}"
        return value

    def turn(self) -> None:
        """Let the loop do what is due."""
        self.loop.call_soon(self.loop.call_soon, self.loop.stop)
        self.loop.run_forever()

    def start(self, plan: ExecPlan) -> Outcome:
        """Spawn; a failure that is raised is an outcome too."""
        outcome = Outcome()
        try:
            outcome.pid = self.spawner.spawn(plan, outcome.executed, outcome.exited)
        except SpawnError as error:
            outcome.failure = error
            return outcome
        assert outcome.calls == []
        assert self.reaper.known(outcome.pid)
        return outcome

    def run(self, plan: ExecPlan) -> Outcome:
        """Spawn, and wait until the process is reaped."""
        outcome = self.start(plan)
        self.until(lambda: not self.reaper.known(outcome.pid))
        return outcome

    def said(self, plan: ExecPlan) -> str:
        """Spawn, and return what is written to standard output and standard error, without blanks around it."""
        return self.output(plan, errors=True).strip()

    def output(self, plan: ExecPlan, *, errors: bool = False) -> str:
        """Spawn with a pipe as standard output (`errors`: and standard error), and return what is written to it."""
        reader, writer = os.pipe()
        try:
            outcome = self.run(replace(plan, stdout=writer, stderr=writer if errors else plan.stderr))
        finally:
            os.close(writer)
        with open(reader) as file:
            text = file.read()
        assert outcome.failure is None, outcome.failure
        return text


def descriptors() -> list[str]:
    """Return our open descriptors as numbers with what they are."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:
            continue  # the listing's own
    return sorted(found)
