"""Run other programs and wait for them, for the programs of this package; nothing here runs in PID 1."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

Action = tuple[int, int, int] | tuple[int, int, str, int, int]
"""POSIX_SPAWN_DUP2 with two descriptors; POSIX_SPAWN_OPEN with one, a path, flags and a mode."""

NOT_THERE = 127
"""The exit status of a program that is not there, as a shell has it."""


def start(words: Sequence[str], actions: Sequence[Action] = ()) -> int | None:
    """Start a command, with actions of posix_spawn(3) on its descriptors; return its pid.

    None: it cannot be started, and the reason was told on stderr.
    """
    try:
        return os.posix_spawnp(words[0], list(words), os.environ, file_actions=actions)
    except OSError as error:
        print(f"cannot run {words[0]}: {(error.strerror or '').lower()}", file=sys.stderr)
        return None


def end_of(pid: int) -> int:
    """Wait for a child; return its exit status as a shell has it, 128 and more for a signal."""
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - status if status < 0 else status


def run(words: Sequence[str]) -> int:
    """Run a command to its end; return its exit status as a shell has it."""
    sys.stdout.flush()
    pid = start(words)
    return NOT_THERE if pid is None else end_of(pid)


def output_of(words: Sequence[str]) -> str:
    """Run a command to its end; return what it wrote to its standard output. What it complains of is lost."""
    reading, writing = os.pipe()
    pid = start(words, [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
    os.close(writing)
    with os.fdopen(reading, errors="replace") as pipe:
        text = pipe.read()
    if pid is not None:
        end_of(pid)
    return text


def end(pid: int) -> None:
    """Have a child end, and wait for it."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    end_of(pid)
