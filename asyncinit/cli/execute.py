"""`asyncinit exec`: become a command that runs as a service's own processes do."""

from __future__ import annotations

import errno
import os
import sys

from asyncinit.cli.outcome import UsageError, complain
from asyncinit.cli.server import connect
from asyncinit.client.errors import EXIT_NOT_ALLOWED
from asyncinit.config.spec import Security
from asyncinit.errors import SpawnError, why
from asyncinit.linux import capabilities, signals
from asyncinit.runtime.process import executable
from asyncinit.runtime.process.plan import Credentials
from asyncinit.runtime.process.securing import Securing
from asyncinit.runtime.process.step import Step

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from typing import Any

    from asyncinit.cli.declaring import Invocation

EXIT_CANNOT_EXECUTE = 126
EXIT_NOT_FOUND = 127


def execute(invocation: Invocation) -> int:
    """Take on what the service has and execute CMD; returns only if that fails.

    The terminal, the signals and the exit status are CMD's own because nothing of us stays between.
    """
    program = invocation.program
    if not program:
        raise UsageError("exec: give a command after the name: asyncinit exec NAME -- CMD...")
    return run_as(invocation.socket, invocation.values["name"], program)


def run_as(socket: str | None, name: str, program: tuple[str, ...]) -> int:
    """Execute a program as the service `name` would, in its namespaces; return an exit status if it ended apart."""
    with connect(socket) as server:
        plan = server.call("ExecPlan", {"name": name})
        pid = plan.get("pid")
        if pid is not None:
            from asyncinit.client.pids import translator

            pid = translator(server.server_pid, server.call("Status", {})["asyncinit"]["pid"])(pid)
            if pid is None:
                complain(f"{name}: its processes cannot be seen from here, so its namespaces cannot be joined")
                return EXIT_NOT_ALLOWED
    for lost in plan["left_out"]:
        complain(f"{lost} is left out: its value is not UTF-8")
    if pid is None:
        return _become_program(name, plan, program)
    from asyncinit.cli.joining import run_where

    try:
        return run_where(pid, lambda: _become_program(name, plan, program))
    except SpawnError as error:
        complain(f"{name}: {error}")
        return EXIT_NOT_ALLOWED if error.errno in (errno.EPERM, errno.EACCES) else 1


def _become_program(name: str, plan: dict[str, Any], program: tuple[str, ...]) -> int:
    """Take on what the service has and execute the program; return an exit status if that fails."""
    try:
        become(plan)
    except SpawnError as error:
        complain(f"{name}: {error}")
        return EXIT_NOT_ALLOWED if error.errno == errno.EPERM else 1
    return replace_by(program, dict(item.split("=", 1) for item in plan["environment"]))


def replace_by(program: tuple[str, ...], environment: dict[str, str]) -> int:
    """Execute a program in our place; return an exit status if that fails."""
    path = program[0]
    try:
        path = executable.find(path, environment)
        sys.stdout.flush()
        sys.stderr.flush()
        signals.reset_in_child()
        os.execve(path, program, environment)
    except SpawnError as error:
        complain(str(error))
        return EXIT_NOT_FOUND if error.errno == errno.ENOENT else EXIT_CANNOT_EXECUTE
    except OSError as error:
        number = error.errno or 0
        complain(f"cannot execute {path}: {executable.explain(path, number)}")
        return EXIT_NOT_FOUND if number == errno.ENOENT else EXIT_CANNOT_EXECUTE


def become(plan: dict[str, Any]) -> None:
    """Take on umask, user, groups, capabilities and directory; raises SpawnError with the step that failed.

    In the order of a service's own processes, so that a right is there until nothing takes it any more.
    """
    if plan["umask"] is not None:
        os.umask(plan["umask"])
    bound = plan["capabilities"]
    security = Security(
        no_new_privileges=plan["no_new_privileges"],
        capabilities=None if bound is None else tuple(bound),
        ambient_capabilities=tuple(plan["ambient_capabilities"]),
    )
    securing = Securing(security, _credentials(plan))
    todo = securing.become()
    if todo:
        capabilities.held()  # a first call loads what makes calls, which may be out of the other user's reach
    _carry_out(todo)
    folder = plan["working_directory"]
    if folder is not None:
        _carry_out([Step(f"change directory to {folder}", os.chdir, (folder,))])
    _carry_out(securing.close_off())


def _credentials(plan: dict[str, Any]) -> Credentials | None:
    """Return who to become; None: we are that already."""
    uid, gid, groups = plan["uid"], plan["gid"], plan["groups"]
    if uid is None:
        return None
    same = set(os.getresuid()) == {uid} and set(os.getresgid()) == {gid}
    if same and (groups is None or set(groups) <= {*os.getgroups(), gid}):
        return None
    return Credentials(uid, gid, None if groups is None else tuple(groups), plan["user"])


def _carry_out(steps: list[Step]) -> None:
    before = os.geteuid()
    for name, call, arguments in steps:
        try:
            call(*arguments)
        except SpawnError as error:
            detail = error.detail
            if error.errno == errno.EPERM and before != 0:
                detail = f"{why(errno.EPERM)}; you are uid {before}, and only root or that user may do this"
            raise SpawnError(error.step or name, error.errno, detail) from None
        except OSError as error:
            raise SpawnError(name, error.errno or 0) from error
