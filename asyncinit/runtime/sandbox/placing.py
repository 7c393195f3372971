"""Put a process into a PID namespace: what the forked helpers do; must not know who waits for them.

A PID namespace is only for the children of who makes or joins it, and can be left by nobody, so asyncinit itself never
does that: a helper does, and is gone a moment later. What it makes is no child of the helper:

- by clone(2) with CLONE_PARENT it is asyncinit's own, whose end the reaper is told. asyncinit could not make it that
  way by itself: PID 1 may not use that flag (it would make a sibling of PID 1);
- or it is made twice, and the one between ends: then PID 1 of the namespace is its parent, and the tree is whole.

Until it has executed its program, the process has asyncinit's memory, with the secrets of other services. Nobody who
is in the namespace already may read that: so it is not dumpable.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Mapping
from typing import NoReturn

from asyncinit.errors import SpawnError
from asyncinit.linux import cgroups, namespaces
from asyncinit.linux.process import set_dumpable
from asyncinit.runtime.process import child, refusals
from asyncinit.runtime.process.plan import JoinedPids, NewPids, Pid1
from asyncinit.runtime.sandbox.handshake import INIT, MAIN, PLACED, There

Become = Callable[[], NoReturn]

_OPEN = b"\x01"
_IN_POD = "make a process in its pod"


def make(
    placement: NewPids, there: There, program: Become, init: Callable[[int], NoReturn], cgroup: str | None
) -> NoReturn:
    """In a forked helper: make the namespaces and PID 1 in `cgroup`, and end.

    `init` gets the gate, -1: nobody waits there.
    """

    def act(step: Callable[[str], None]) -> None:
        _join_cgroup(cgroup, step)
        if placement.user is not None:
            step(placement.user.name)
            placement.user.call(*placement.user.arguments)
        kinds = [kind for kind in namespaces.FLAGS if kind in {"pid", *placement.namespaces} - {"user"}]
        several = f"new namespaces ({', '.join(kinds)})" if len(kinds) > 1 else "a PID namespace"
        step(f"make {several}")
        flags = sum(namespaces.FLAGS[kind] for kind in kinds)
        if namespaces.fork_sibling(flags, signal.SIGCHLD) == 0:
            _attempt(there, lambda step: _be_first(placement, there, program, init, step))

    _attempt(there, act)


def _be_first(
    placement: NewPids, there: There, program: Become, init: Callable[[int], NoReturn], step: Callable[[str], None]
) -> None:
    """As PID 1: become what it shall be, with a child that becomes the program where that is not PID 1."""
    for one in placement.steps:
        step(one.name)
        one.call(*one.arguments)
    step("open its namespaces")
    descriptors = tuple(map(namespaces.open_own, held(placement)))
    if placement.pid1 is not Pid1.INIT:
        there.say(MAIN, descriptors)
        there.wait()
        if placement.pid1 is Pid1.PROGRAM:
            program()
        init(-1)
    step("make a pipe")
    waiting, gate = os.pipe2(os.O_CLOEXEC)
    if child.fork() == 0:
        os.close(gate)
        there.say(MAIN)
        there.wait()
        # As long as the init has not given up its rights it can still be looked into.
        if os.read(waiting, 1) != _OPEN:
            os._exit(1)
        os.close(waiting)
        program()
    os.close(waiting)
    there.say(INIT, descriptors)
    there.wait()
    init(gate)


def held(placement: NewPids) -> list[str]:
    """Return the kinds of namespaces that others can join, in that order."""
    if not (placement.joinable or placement.shared or placement.pid1 is Pid1.POD):
        return []
    user = {"user"} if placement.user is not None else set()
    return [kind for kind in namespaces.FLAGS if kind in {"pid"} | user | placement.namespaces]


def join(
    placement: JoinedPids, joined: Mapping[str, int], there: There, program: Become, cgroup: str | None
) -> NoReturn:
    """In a forked helper: enter the namespaces of the descriptors `joined`, make the process there, and end."""

    def become() -> NoReturn:
        there.say(MAIN)
        there.wait()
        program()

    def act(step: Callable[[str], None]) -> None:
        set_dumpable(False)
        _join_cgroup(cgroup, step)
        for kind in namespaces.FLAGS:
            if kind in joined:
                step(f"join the {kind} namespace of its pod")
                namespaces.setns(joined[kind], namespaces.FLAGS[kind])
        step(_IN_POD)
        if not placement.inside:
            if namespaces.fork_sibling(0, signal.SIGCHLD) == 0:
                become()
            return
        between = child.fork()
        if between == 0:
            if child.fork() == 0:
                become()
            os._exit(0)
        os.waitpid(between, 0)
        there.say(PLACED)

    _attempt(there, act)


def _join_cgroup(folder: str | None, step: Callable[[str], None]) -> None:
    """Be in a cgroup before all else: the namespaces do not show its folder, and one of cgroups begins with it."""
    if folder is not None:
        step("join its cgroup")
        cgroups.join(folder)


def _attempt(there: There, act: Callable[[Callable[[str], None]], None]) -> NoReturn:
    """Act, tell what fails with the name of the last step, and end."""
    name = "place the process"

    def step(text: str) -> None:
        nonlocal name
        name = text

    try:
        act(step)
        os._exit(0)
    except SpawnError as error:
        detail = error.detail or _explained(name, error.errno)
        there.fail(SpawnError(name if error.step in ("", "make a process") else error.step, error.errno, detail))
    except OSError as error:
        there.fail(SpawnError(name, error.errno or 0, _explained(name, error.errno) if error.errno else str(error)))
    except BaseException as error:
        there.fail(SpawnError(name, 0, str(error) or type(error).__name__))


def _explained(name: str, number: int) -> str:
    """Say what it takes where the kernel refuses."""
    if number == errno.ENOMEM and name == _IN_POD:
        return "its PID 1 has ended"  # or there is no memory; then the next attempt will tell
    return refusals.namespaces(number)
