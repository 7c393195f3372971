"""Run commands around a service's life, one after another, each with a time limit; knows nothing of when.

A hook is a process of its service: in the service's environment, with the service's output, registered with the
members. It has a session of its own and is killed with its whole group at its deadline. What it leaves running behind
itself belongs to the service, and ends with it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from asyncinit.config.spec import Hook
from asyncinit.core.budget import UNHURRIED, Pace
from asyncinit.core.events import HookStage
from asyncinit.core.status import Code, ExitStatus, Reason, Trigger, reason_of, signal_name
from asyncinit.errors import SpawnError
from asyncinit.runtime.process.plan import ExecPlan
from asyncinit.runtime.process.spawner import Spawner
from asyncinit.runtime.timers import Timer, Timers

Done = Callable[[Reason | None], None]
"""Is told why something failed, or None."""

_UNDYING = 5.0
"""Seconds after SIGKILL; who lives on then hangs in the kernel, and is not waited for."""


class Activity(Protocol):
    """A command, or several, under way."""

    def cancel(self) -> None:
        """End it and call nobody; harmless when it is over."""

    def abandon(self) -> None:
        """Let it run on, as a process of the service, and call nobody."""


class CommandState(Struct):
    """A command under way as it is carried over a re-exec; `channel` is the number of its output's (0: none)."""

    pid: int = -1
    timeout: float = 0.0
    deadline: float = 0.0
    expired: bool = False
    channel: int = 0


class CommandRun:
    """One command as a process, killed with its group after `timeout` seconds (`math.inf`: never).

    `done` is called once, after `begin` or `go_on` has returned, with None if the command exited with 0; not after
    `cancel`.
    """

    def __init__(self, spawner: Spawner, timers: Timers, timeout: float, done: Done) -> None:
        self._spawner = spawner
        self._reaper = spawner.reaper
        self._timers = timers
        self._timer: Timer | None = None
        self._timeout = timeout
        self._expired = False
        self._done: Done | None = done
        self.pid = -1

    def begin(self, plan: ExecPlan, born: Callable[[int], None]) -> None:
        """Run it; `born` is told the pid before anything else can happen to it."""
        try:
            self.pid = self._spawner.spawn(plan, self._executed, self._exited)
        except SpawnError as error:
            self._spawner.loop.call_soon(self._executed, error)
            return
        born(self.pid)
        self._timer = self._timers.after(self._timeout, self._expire)

    @property
    def over(self) -> bool:
        """Tell whether nobody waits for it any more."""
        return self._done is None

    def freeze(self, channel: int) -> CommandState:
        """Return what is carried over a re-exec."""
        deadline = math.inf if self._timer is None else self._timer.deadline
        return CommandState(self.pid, self._timeout, deadline, self._expired, channel)

    def go_on(self, state: CommandState) -> None:
        """Take over the process of a command that was begun before a re-exec."""
        self.pid, self._expired = state.pid, state.expired
        if self.pid < 0:
            self._spawner.loop.call_soon(self._executed, SpawnError("make its process"))
            return
        self._spawner.adopt(self.pid, self._executed, self._exited)
        self._timer = self._timers.at(state.deadline, self._undying if state.expired else self._expire)

    def cancel(self) -> None:
        """Kill it with its group and call nobody; harmless when it is over."""
        if self._done is not None:
            self._done = None
            self._finish(None)
            self._reaper.kill_group(self.pid)

    def abandon(self) -> None:
        """Let it run on and call nobody; who ends the service ends it."""
        self._done = None
        self._finish(None)

    def _executed(self, failure: SpawnError | None) -> None:
        if failure is not None:
            self._finish(Reason(Code.SPAWN, str(failure)))

    def _exited(self, status: ExitStatus) -> None:
        if self._expired:
            self._finish(Reason(Code.TIMEOUT, f"did not end within {self._timeout:g} s and was killed"))
        else:
            self._finish(None if status.code == 0 else reason_of(status))

    def _expire(self) -> None:
        self._expired = True
        self._reaper.kill_group(self.pid)
        self._timer = self._timers.after(_UNDYING, self._undying)

    def _undying(self) -> None:
        text = f"did not end within {self._timeout:g} s, and pid {self.pid} does not die"
        self._finish(Reason(Code.TIMEOUT, text))

    def _finish(self, failure: Reason | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        done, self._done = self._done, None
        if done is not None:
            done(failure)


class HooksState(Struct):
    """Hooks under way as they are carried over a re-exec: the one that runs (`command`), and those after it."""

    stage: HookStage = HookStage.PRE_START
    hooks: list[Hook] = []
    running: Hook | None = None
    command: CommandState | None = None
    pace: Pace = UNHURRIED
    variables: dict[str, str] = {}


class HookRun:
    """The hooks of one stage, run in order until one fails that may not.

    `run` makes a `CommandRun` of a hook (see there for the timeout in seconds and `done`) and may raise SpawnError;
    `pace` says what each gets of its time limit. `ignored` is told of failures that are ignored. `done` is called once,
    after the constructor has returned; not after `cancel`.
    """

    def __init__(
        self,
        stage: HookStage,
        hooks: Sequence[Hook],
        run: Callable[[Hook, float, Done], Activity],
        *,
        call_soon: Callable[[Callable[[], None]], object],
        done: Done,
        pace: Pace = UNHURRIED,
        ignored: Callable[[Reason], None] = lambda _reason: None,
    ) -> None:
        self._stage = stage
        self._left = deque(hooks)
        self._current: Hook | None = None
        self._run = run
        self._call_soon = call_soon
        self._pace = pace
        self._ignored = ignored
        self._done: Done | None = done
        self.running: Activity | None = None
        call_soon(self._next)

    def freeze(self, command: CommandState | None, variables: Mapping[str, str]) -> HooksState:
        """Return what is carried over a re-exec; `command` is that of the hook that runs, None: it is not made yet."""
        left = list(self._left)
        if self._current is not None and command is None:
            left.insert(0, self._current)
        running = None if command is None else self._current
        return HooksState(self._stage, left, running, command, self._pace, dict(variables))

    def go_on(self, hook: Hook, take_over: Callable[[Done], Activity]) -> None:
        """Begin with `hook`, which runs already since before a re-exec: `take_over` gives its command."""
        self._current = hook
        self.running = take_over(lambda failure: self._ended(hook, failure))

    def cancel(self) -> None:
        """Kill the hook that runs with its group, run no other, and call nobody; harmless when all is over."""
        self._done = None
        self._left.clear()
        if self.running is not None:
            self.running.cancel()
            self.running = None

    def abandon(self) -> None:
        """Let the hook that runs go on, run no other, and call nobody."""
        self._done = None
        self._left.clear()
        if self.running is not None:
            self.running.abandon()
            self.running = None

    def _next(self) -> None:
        if self._done is None or self.running is not None:
            return
        if not self._left:
            self._finish(None)
            return
        hook = self._current = self._left.popleft()
        try:
            self.running = self._run(hook, self._pace.of(hook.timeout), lambda failure: self._ended(hook, failure))
        except SpawnError as error:
            failure = Reason(Code.SPAWN, str(error))
            self._call_soon(lambda: self._ended(hook, failure))

    def _ended(self, hook: Hook, failure: Reason | None) -> None:
        self.running = self._current = None
        if self._done is None:
            return
        if failure is not None:
            told = self._told(hook, failure)
            if not hook.ignore_failure:
                self._finish(told)
                return
            self._ignored(told)
        self._next()

    def _told(self, hook: Hook, failure: Reason) -> Reason:
        name = "stop command" if self._stage is HookStage.UNDO else f"{self._stage} hook"
        if failure.code is Code.SPAWN:
            return Reason(Code.HOOK, f"{name}: {failure.text}")
        return Reason(Code.HOOK, f"{name} {hook.command.argv[0]} {failure.text}")

    def _finish(self, failure: Reason | None) -> None:
        done, self._done = self._done, None
        self._left.clear()
        if done is not None:
            done(failure)


def end_variables(result: Code, status: ExitStatus | None) -> dict[str, str]:
    """Return what post_stop hooks are told of the end, as systemd tells it: see SERVICE_RESULT in systemd.exec(5).

    EXIT_CODE and EXIT_STATUS are left out where there was no process or its status is not known.
    """
    variables = {"SERVICE_RESULT": str(result)}
    if status is not None and status.code is not None:
        variables |= {"EXIT_CODE": "exited", "EXIT_STATUS": str(status.code)}
    elif status is not None and status.signal is not None:
        how = "dumped" if status.core_dumped else "killed"
        variables |= {"EXIT_CODE": how, "EXIT_STATUS": signal_name(status.signal).removeprefix("SIG")}
    return variables


_MONITORED = {
    "SERVICE_RESULT": "MONITOR_SERVICE_RESULT",
    "EXIT_CODE": "MONITOR_EXIT_CODE",
    "EXIT_STATUS": "MONITOR_EXIT_STATUS",
}
"""What the end of another service is told by, for what tells of one's own."""


def monitor_variables(trigger: Trigger | None) -> dict[str, str]:
    """Return what a service is told of the end that it is started for (`on_failure`, `on_success`), as systemd does."""
    if trigger is None:
        return {}
    told = end_variables(trigger.code, trigger.status)
    return {"MONITOR_SERVICE": trigger.service} | {_MONITORED[name]: value for name, value in told.items()}
