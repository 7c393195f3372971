"""What a forked child does before its program runs, each step with a name; must not know services, loops or parents.

The steps are prepared by the parent as a flat list. The child never returns into its parent's code: it executes the
program or ends. A failing step goes to the parent over a close-on-exec pipe, so that the pipe's end without a word
means success; but a child that was killed is silent too, so it writes a mark just before it executes.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from asyncinit.errors import SpawnError, why
from asyncinit.linux import cgroups, limits, process, signals, terminal
from asyncinit.linux.oom_score import own_score
from asyncinit.runtime.process import executable, isolating, limiting, separation
from asyncinit.runtime.process.plan import Credentials, ExecPlan, NewPids, Session
from asyncinit.runtime.process.securing import Securing, filter_step
from asyncinit.runtime.process.step import Step

if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

MARK = b"\x01"
"""The child's last word when all steps went well."""

_NULL = "/dev/null"
_MESSAGE = 4000  # below PIPE_BUF, so that a message is written whole or not at all


class Moves(NamedTuple):
    """Where descriptors go: `pairs` of (ours, the child's), and the child's numbers that get /dev/null.

    No source is the destination of another pair, so that they can be carried out in any order.
    """

    pairs: tuple[tuple[int, int], ...]
    null: tuple[int, ...]


def destinations(plan: ExecPlan) -> frozenset[int]:
    """Return the child's numbers of all descriptors that it will have."""
    return frozenset((0, 1, 2, *(number for _, number in plan.extra)))


def moves(plan: ExecPlan, copies: list[int]) -> Moves:
    """Arrange the descriptors of `plan`; duplicates that this takes are added to `copies` for the caller to close."""
    wanted: list[tuple[int, int]] = [] if plan.terminal else [(plan.stdin, 0), (plan.stdout, 1), (plan.stderr, 2)]
    wanted += plan.extra
    taken = destinations(plan)
    safe: dict[int, int] = {}
    pairs = []
    for source, number in wanted:
        if source in taken and source not in (number, *safe):
            safe[source] = fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, max(taken) + 1)
            copies.append(safe[source])
        if source >= 0:
            pairs.append((source if source == number else safe.get(source, source), number))
    return Moves(tuple(pairs), tuple(number for source, number in wanted if source < 0))


def steps(plan: ExecPlan, arranged: Moves, credentials: Credentials | None, joined: int = -1) -> list[Step]:
    """Return what a child of ours must do to become what `plan` says, in order; `credentials` None: stay as we are.

    `joined` is a pidfd of the process whose namespaces it joins, if it does.
    """
    todo = []
    if plan.cgroup is not None and plan.placement is None:
        # First of all: whatever comes of the rest is in there. Who is placed was born there.
        todo.append(Step("join its cgroup", cgroups.join, (plan.cgroup,)))
    if plan.session is Session.NEW:
        todo.append(Step("make a session", os.setsid))
    else:
        todo.append(Step("make a process group", os.setpgid, (0, 0)))
    first_free = max(destinations(plan)) + 1
    for source, number in arranged.pairs:
        todo.append(Step(f"set up descriptor {number}", _place, (source, number)))
    if arranged.null:
        todo.append(Step(f"open {_NULL}", _open_null, (arranged.null, first_free)))
    if plan.terminal:
        ids = separation.outside(plan.isolation, credentials)
        owner = -1 if ids is None else ids[0]
        todo.append(Step(f"open terminal {plan.terminal}", _open_terminal, (plan.terminal, first_free, owner)))
    if plan.session is Session.FOREGROUND:
        todo.append(Step("take the terminal's foreground", _take_foreground, (os.getpgrp(),)))
    beside = plan.placement is not None and plan.isolation.joins is not None
    user_entered = beside or isinstance(plan.placement, NewPids) or plan.isolation.entered
    # What takes a right of the outside comes before a user namespace, in which nobody has that; what would hold down
    # the steps that make it all comes after them, where it takes no such right.
    todo += limiting.steps(plan.limits, held=False)
    alone = isolating.steps(plan.isolation, user_entered, joined)
    held = limiting.steps(plan.limits, held=True)
    todo += [*held, *alone] if isolating.changes_users(plan.isolation) else [*alone, *held]
    if plan.umask is not None:
        todo.append(Step("set umask", os.umask, (plan.umask,)))
    securing = Securing(plan.security, credentials)
    todo += securing.become()
    if plan.working_directory is not None:
        # As the user: root may be refused where the user is let in (NFS), and the other way round.
        todo.append(Step(f"change directory to {plan.working_directory}", os.chdir, (plan.working_directory,)))
    todo += securing.close_off()
    if plan.open_files is not None and "nofile" not in plan.limits.rlimits:
        # It is no more than ours, and what we have open may be beyond it: nothing can be opened afterwards.
        todo.append(Step("set the limit of open files", limits.set_rlimit, ("nofile", *plan.open_files)))
    return todo


def tie_to(parent: int) -> None:
    """Get SIGTERM when `parent`, whose only thread has made us, dies.

    The last step of all: a change of user takes it back. So does the execution of a set-user-id program.
    """
    process.set_parent_death_signal(_signal.SIGTERM)
    if os.getppid() != parent:  # it has died before it could tell us
        os._exit(0)


def fork() -> int:
    """Fork; in the child, first of all stop what would disturb the parent's things. Raises SpawnError."""
    try:
        with own_score.given_back():
            pid = os.fork()
    except OSError as error:
        raise SpawnError("make a process", error.errno or 0) from error
    if pid == 0:
        # No destructor of a loop's handle may run here: the epoll set behind it is the parent's.
        gc.disable()
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    return pid


def become(todo: list[Step], plan: ExecPlan, report: int, mark: bytes = MARK) -> NoReturn:
    """In a forked child: carry out the steps and execute the program, or write the failure to `report` and end.

    `mark` is empty for one that goes beside the process that is asked for, with the same `report`.
    """
    name = "prepare the process"
    try:
        for name, call, arguments in todo:  # noqa: B007 (the name is for the handlers below)
            call(*arguments)
        name = f"execute {plan.argv[0]}"
        program = executable.find(plan.argv[0], plan.environment)
        name = f"execute {program}"
        environment = {**plan.environment, **dict.fromkeys(plan.pid_variables, str(os.getpid()))}
        signals.reset_in_child()
        os.write(report, mark)
        if plan.system_call_filter:
            name, call, arguments = filter_step(plan.system_call_filter)
            call(*arguments)
        _execute(program, plan.argv, environment)
    except SpawnError as error:
        _tell(report, SpawnError(error.step or name, error.errno, error.detail))
    except OSError as error:
        _tell(report, SpawnError(name, error.errno or 0, why(error.errno) if error.errno else str(error)))
    except BaseException as error:
        _tell(report, SpawnError(name, 0, str(error) or type(error).__name__))
    finally:
        os._exit(127)


def _execute(program: str, argv: tuple[str, ...], environment: Mapping[str, str]) -> NoReturn:
    try:
        os.execve(program, argv, environment)
    except OSError as error:
        number = error.errno or 0
        raise SpawnError(f"execute {program}", number, executable.explain(program, number)) from None


def telling(error: SpawnError) -> bytes:
    """Return the message by which a child tells its failure, short enough to be written whole or not at all."""
    return f"{error.errno}\0{error.step[:1000]}\0{error.detail}".encode(errors="replace")[:_MESSAGE]


def _tell(report: int, error: SpawnError) -> None:
    try:
        os.write(report, telling(error))
    except OSError:
        pass  # the parent is gone; there is nobody left to tell


def told(message: bytes) -> SpawnError:
    """Return the failure that a child told."""
    number, _, rest = message.decode(errors="replace").partition("\0")
    step, _, detail = rest.partition("\0")
    return SpawnError(step, int(number) if number.isdecimal() else errno.EPROTO, detail)


def _place(source: int, number: int) -> None:
    if source == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(source, number, inheritable=True)


def _spread(fd: int, numbers: tuple[int, ...], first_free: int) -> None:
    """Give all of `numbers` to `fd`, which may have taken one of them when it was opened."""
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, first_free)
    for number in numbers:
        os.dup2(high, number, inheritable=True)
    if fd not in numbers:
        os.close(fd)
    os.close(high)


def _open_null(numbers: tuple[int, ...], first_free: int) -> None:
    _spread(os.open(_NULL, os.O_RDWR | os.O_CLOEXEC), numbers, first_free)


def _open_terminal(path: str, first_free: int, owner: int) -> None:
    """Make the device `path` our controlling terminal on 0, 1 and 2, and give it to `owner` where we may."""
    # Without O_NONBLOCK the open of a serial line waits for its carrier.
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(fd, True)
    try:
        terminal.make_controlling(fd)
    except PermissionError:
        # It is another session's. Root may take it, as getty does.
        terminal.make_controlling(fd, steal=True)
    if owner >= 0:
        try:
            os.fchown(fd, owner, -1)
        except OSError:
            pass  # a convenience: /dev/tty opens all the same
    _spread(fd, (0, 1, 2), first_free)


def _take_foreground(parent_group: int) -> None:
    """Make our process group the terminal's foreground one, unless a live group that is not our parent's has it."""
    for fd in (0, 1, 2):
        group = terminal.foreground(fd)
        if group is None:
            continue
        if group in (0, parent_group) or not terminal.group_exists(group):
            terminal.set_foreground(fd, os.getpgrp())
        return
