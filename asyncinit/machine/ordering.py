"""How a command has PID 1 end this machine where nobody answers at its control socket: by a signal.

So it is in the emergency shell, where something stands in for asyncinit, and where PID 1 hangs; for the last of these
the kernel can be asked without it. Strict about whose PID 1 it is: no other init, no container, and no machine around a
container is ever sent anything.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping

from asyncinit.linux import namespaces
from asyncinit.linux.reboot import how_to
from asyncinit.machine import booted, power_signals, recognition, stand_in

_PATIENCE = 5.0  # for PID 1 to take a signal; whoever waits for one takes it at once
_LOOK = 50  # milliseconds between two looks at it
_NAME = "asyncinit"


def is_ours(proc: str = "/proc", root: str = "/", environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether PID 1 is the asyncinit of this machine, and we are root there, in no container."""
    try:
        if os.geteuid() != 0 or not namespaces.in_initial_pid_namespace():
            return False
        if os.readlink(f"{proc}/self") != str(os.getpid()):
            return False  # of another PID namespace: this is not our PID 1
        if not os.path.samefile(f"{proc}/1/root/", root):
            return False  # a container that sees the PIDs of the machine
        variable = recognition.CONTAINER_VARIABLE
        theirs = _words(f"{proc}/1/environ")
        if environment.get(variable) or any(word.startswith(f"{variable}=") for word in theirs):
            return False
        program = os.path.basename(os.readlink(f"{proc}/1/exe"))
        return program.startswith("python") and _is_asyncinit(_words(f"{proc}/1/cmdline"), root)
    except OSError:
        return False


def _words(path: str) -> list[str]:
    with open(path, "rb") as file:
        return [os.fsdecode(word) for word in file.read().split(b"\0")]


def _is_asyncinit(words: list[str], root: str) -> bool:
    """Tell whether a Python's words are asyncinit's: `-m asyncinit`, its program, or an `init` that is that."""
    given = iter(words[1:])
    for word in given:
        if word == "-m":
            return next(given, "") == _NAME
        if word == "-c":
            return False
        if not word.startswith("-"):
            break
        if word in ("-W", "-X"):
            next(given, None)
    else:
        return False
    if word.endswith(f"/{_NAME}/__main__.py") or os.path.basename(word) == _NAME:
        return True
    if not recognition.called_init(word):
        return False
    place = os.path.join(root, word.lstrip("/"))
    return os.path.basename(os.path.realpath(place)) == _NAME or booted.is_booted(root)


def tell(
    action: str,
    at_once: bool,
    *,
    proc: str = "/proc",
    kill: Callable[[int, int], None] = os.kill,
    patience: float = _PATIENCE,
) -> bool:
    """Send PID 1 the signal for `action`; return whether it has taken it. Raises OSError."""
    number = power_signals.asking_for(how_to(action), at_once)
    kill(1, number)
    end = time.monotonic() + patience
    while _waits(number, f"{proc}/1/status"):
        if time.monotonic() >= end:
            return False
        select.poll().poll(_LOOK)
    return True


def _waits(number: int, path: str) -> bool:
    """Tell whether a signal waits for being taken."""
    with open(path, encoding="ascii", errors="replace") as file:
        masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(mask >> (number - 1) & 1 for mask in masks)


def end(action: str) -> None:
    """Have the kernel do it, without PID 1; returns only where it does not."""
    stand_in.end_at_once(how_to(action))
