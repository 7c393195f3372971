"""Become the simple init of a PID namespace: what is done before it is executed; for PID 1 of that."""

from __future__ import annotations

import fcntl
import os
from typing import NoReturn

from asyncinit import simple_init
from asyncinit.errors import SpawnError
from asyncinit.linux import capabilities, limits
from asyncinit.runtime.process import child
from asyncinit.runtime.process.plan import ExecPlan
from asyncinit.runtime.process.step import Step

_FIRST_FREE = simple_init.GATE + 1
# Where the interpreter's own libraries are; nothing else of our environment is for those in the sandbox to know.
_LIBRARIES = "LD_LIBRARY_PATH"


def become(mode: str, report: int, birth: int, gate: int, score: int | None) -> NoReturn:
    """Execute it; `report`, `birth` and `gate` (-1: none) are the descriptors that it gets.

    `score` is its place when memory runs out, None: that which it has. All in its PID namespace would go with it.
    """
    try:
        # What the child says to us must not be overwritten by what the program gets.
        birth = fcntl.fcntl(birth, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
        given = [(report, simple_init.REPORT), (birth, simple_init.BIRTH)]
        if gate >= 0:
            given.append((gate, simple_init.GATE))
        environment = {name: value for name, value in os.environ.items() if name == _LIBRARIES}
        plan = ExecPlan(simple_init.command(mode), environment, extra=tuple(given))
        first = [Step("protect its init", _protect, (score,)), Step("keep the rights of its init", _keep_rights)]
        todo = [*first, *child.steps(plan, child.moves(plan, []), None)]
    except OSError as error:
        os.write(birth, child.telling(SpawnError("prepare its init", error.errno or 0)))
        os._exit(1)
    # The mark is the service's own word: the init goes beside it.
    child.become(todo, plan, birth, mark=child.MARK if mode == simple_init.POD else b"")


def _protect(score: int | None) -> None:
    if score is not None:
        try:
            limits.set_oom_score(score)
        except OSError:
            pass  # it takes a right that is lost in a user namespace; few are smaller than an init, and so chosen later


def _keep_rights() -> None:
    """Have the program start with what we may; only to root that is given without further ado."""
    held = capabilities.held().permitted
    if os.geteuid() != 0 and held:
        capabilities.set_held(capabilities.Sets(held, held, held))
        capabilities.set_ambient(held)
