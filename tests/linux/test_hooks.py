"""Hooks and commands as real processes, on both loops."""

from __future__ import annotations

import asyncio
import errno
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from asyncinit.config.spec import Command, Hook, SpawnMethod
from asyncinit.core.budget import Pace
from asyncinit.core.events import HookStage
from asyncinit.core.status import Code, Reason
from asyncinit.errors import SpawnError
from asyncinit.runtime.process.hooks import CommandRun, HookRun
from asyncinit.runtime.process.plan import ExecPlan
from tests.linux.running import FORKING, Running, descriptors

pytestmark = pytest.mark.filterwarnings(FORKING)
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
LONG = 600.0


class World(Running):
    """Runs commands, and notes which pids were born."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.born: list[int] = []
        self.answers: list[Reason | None] = []
        self.method = SpawnMethod.AUTO

    def command(
        self, *argv: str, timeout: float = LONG, done: Callable[[Reason | None], None] | None = None
    ) -> CommandRun:
        """Run a command."""
        plan = ExecPlan(argv, ENVIRONMENT, method=self.method)
        command = CommandRun(self.spawner, self.timers, timeout, done or self.answers.append)
        command.begin(plan, self.born.append)
        return command

    def answer(self) -> Reason | None:
        """Wait for the one answer."""
        assert self.answers == []
        self.until(lambda: self.answers)
        self.until(lambda: not self.reaper.pids())
        assert len(self.answers) == 1
        return self.answers.pop()

    def hooks(self, *hooks: Hook, **options: Any) -> HookRun:
        """Run hooks."""

        def run(hook: Hook, timeout: float, done: Callable[[Reason | None], None]) -> CommandRun:
            if hook.command.argv == ("unset",):
                raise SpawnError("expand hooks.pre_start", 0, "${X} is not set")
            return self.command(*hook.command.argv, timeout=timeout, done=done)

        return HookRun(
            HookStage.PRE_START, hooks, run, call_soon=self.loop.call_soon, done=self.answers.append, **options
        )


@pytest.fixture(params=[SpawnMethod.POSIX_SPAWN, SpawnMethod.FORK])
def world(loop: asyncio.AbstractEventLoop, request: pytest.FixtureRequest) -> Iterator[World]:
    before = descriptors()
    world = World(loop)
    world.method = request.param
    yield world
    assert not world.reaper.pids()
    assert descriptors() == before


def hook(*argv: str, **keys: Any) -> Hook:
    return replace(Hook(Command(argv)), **keys)


def shell(text: str, **keys: Any) -> Hook:
    return hook("/bin/sh", "-c", text, **keys)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("true",), None),
        (("false",), Reason(Code.EXIT_CODE, "exited with 1")),
        (("sh", "-c", "kill -USR1 $$"), Reason(Code.SIGNAL, "killed by SIGUSR1")),
        (("/no/such",), Reason(Code.SPAWN, "cannot execute /no/such: no such file or directory")),
    ],
)
def test_command(world: World, argv: tuple[str, ...], expected: Reason | None) -> None:
    """The end of a command is told in words, once, later; its pid before."""
    run = world.command(*argv)
    assert world.born == ([run.pid] if run.pid > 0 else [])
    assert world.answer() == expected


def test_command_at_its_deadline(world: World, tmp_path: Path) -> None:
    """It is killed with its whole group, whatever it ignores."""
    pids = tmp_path / "pids"
    text = f"trap '' TERM INT HUP; (trap '' TERM; echo $$ >>{pids}; exec sleep 600) & echo $! >>{pids}; wait"
    world.command("/bin/sh", "-c", text, timeout=0.5)
    reason = world.answer()
    assert reason == Reason(Code.TIMEOUT, "did not end within 0.5 s and was killed")
    child = int(pids.read_text().split()[-1])
    world.until(lambda: dead(child))


def dead(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_command_without_deadline(world: World) -> None:
    """No limit is no timer."""
    world.command("true", timeout=math.inf)
    assert world.answer() is None


def test_cancelled_command(world: World) -> None:
    """It is killed, and nobody is called."""
    run = world.command("sleep", "600")
    run.cancel()
    run.cancel()
    world.until(lambda: not world.reaper.known(run.pid))
    assert world.answers == []


def test_an_undying_command_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs in the kernel after SIGKILL is told as such."""
    from asyncinit.runtime.process import hooks

    monkeypatch.setattr(hooks, "_UNDYING", 0.01)
    monkeypatch.setattr(os, "killpg", lambda _pid, _signal: None)
    kill = os.kill
    monkeypatch.setattr(os, "kill", lambda _pid, _signal: None)
    run = world.command("sleep", "600", timeout=0.01)
    world.until(lambda: world.answers)
    kill(run.pid, 9)
    world.until(lambda: not world.reaper.known(run.pid))
    assert [reason.text if reason else "" for reason in world.answers] == [
        f"did not end within 0.01 s, and pid {run.pid} does not die"
    ]


def test_hooks_run_in_order(world: World, tmp_path: Path) -> None:
    """One after another, never two at once."""
    path = tmp_path / "order"
    world.hooks(*(shell(f"echo begin {n} >>{path}; echo end {n} >>{path}") for n in range(3)))
    assert world.answer() is None
    assert path.read_text().split("\n")[:-1] == [f"{word} {n}" for n in range(3) for word in ("begin", "end")]
    assert len(world.born) == 3


def test_no_hooks(world: World) -> None:
    """An empty list is done in the next turn."""
    world.hooks()
    assert world.answer() is None


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (shell("exit 3"), "pre_start hook /bin/sh exited with 3"),
        (hook("/no/such"), "pre_start hook: cannot execute /no/such: no such file or directory"),
        (hook("unset"), "pre_start hook: cannot expand hooks.pre_start: ${X} is not set"),
        (shell("sleep 600", timeout=0.1), "pre_start hook /bin/sh did not end within 0.1 s and was killed"),
    ],
)
def test_a_failure_ends_the_list(world: World, bad: Hook, text: str, tmp_path: Path) -> None:
    """No hook runs after one that failed, unless its failure is ignored; that is told aside."""
    path = tmp_path / "after"
    world.hooks(bad, hook("touch", str(path)))
    assert world.answer() == Reason(Code.HOOK, text)
    assert not path.exists()
    ignored: list[Reason] = []
    world.hooks(replace(bad, ignore_failure=True), hook("touch", str(path)), ignored=ignored.append)
    assert world.answer() is None
    assert path.exists()
    assert ignored == [Reason(Code.HOOK, text)]


def test_the_pace_cuts_the_limits(world: World) -> None:
    """A hook with a long limit is killed early where time is short."""
    world.hooks(shell("sleep 600", timeout=math.inf), pace=Pace(0.5, most=0.2))
    reason = world.answer()
    assert reason is not None
    assert "within 0.1 s" in reason.text


def test_cancelled_hooks(world: World, tmp_path: Path) -> None:
    """The one that runs is killed, the others don't run, and nobody is called; before the first, too."""
    path = tmp_path / "ran"
    run = world.hooks(shell("sleep 600"), hook("touch", str(path)))
    world.until(lambda: world.born)
    run.cancel()
    run.cancel()
    world.hooks(hook("touch", str(path))).cancel()
    world.until(lambda: not world.reaper.pids())
    assert world.answers == []
    assert not path.exists()


def test_what_a_hook_leaves_behind_lives_on(world: World, tmp_path: Path) -> None:
    """A background process of a hook belongs to the service; the hook is over without it."""
    path = tmp_path / "pid"
    world.hooks(shell(f"sleep 600 >/dev/null 2>&1 & echo $! >{path}"))
    assert world.answer() is None
    pid = int(path.read_text())
    assert not dead(pid)
    os.kill(pid, 9)


def test_no_process_for_a_hook(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook for which no process can be made fails by name."""

    def refuse(*_args: object, **_keys: object) -> int:
        raise OSError(errno.EAGAIN, "x")

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(os, "posix_spawn", refuse)
    world.hooks(hook("true"))
    reason = world.answer()
    assert reason is not None
    assert reason.text.startswith("pre_start hook: cannot make a process: ")
