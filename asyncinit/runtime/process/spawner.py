"""Make processes from plans and tell when their programs run; knows nothing of services.

Two ways lead to a process. posix_spawn(3) is the quick one: it sets the mask, the dispositions, the session and the
descriptors, and suspends us until the program is executed, so it is not for programs on file systems that can hang.
A forked child (see `child`) does all the rest, and tells a failure over a pipe. Our own mask, dispositions, uid or
limits are never changed to influence a child.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from msgspec import Struct, field

from asyncinit.config.spec import SpawnMethod
from asyncinit.core.status import ExitStatus
from asyncinit.errors import SpawnError
from asyncinit.linux.close_range import close_on_exec_from
from asyncinit.linux.mounts import slow_file_systems
from asyncinit.linux.oom_score import own_score
from asyncinit.linux.process import pidfd_open
from asyncinit.runtime.process import child, executable, isolating, securing
from asyncinit.runtime.process.plan import Credentials, ExecPlan, Session
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.process.step import Step
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.sandbox.sandboxes import Placed, Sandboxes, SandboxesState

ExecutedCallback = Callable[[SpawnError | None], None]
ExitedCallback = Callable[[ExitStatus], None]

_DEFAULTS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_PTY_FOLDER = "/dev/pts/"


class BirthState(Struct):
    """A child that is not known to run its program; `pipe` -1: it does, and that was not told yet."""

    pid: int = 0
    pipe: int = -1
    message: bytes = b""
    program: str = ""


class SpawnerState(Struct):
    """What is carried over a re-exec."""

    births: list[BirthState] = []
    sandboxes: SandboxesState = field(default_factory=SandboxesState)


class Spawner:
    """Make processes, registered with the reaper before anything else can happen.

    `slow` tells whether a file system is mounted that can hang. `complain` is called with a text when something is not
    as it must be. `tied`: a process gets SIGTERM when we die; all are forked then, for posix_spawn cannot ask for it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reaper: Reaper,
        slow: Callable[[], bool] = slow_file_systems,
        complain: Callable[[str], None] = lambda _text: None,
        tied: bool = False,
    ) -> None:
        self._tied = tied
        self.loop = loop
        self.reaper = reaper
        self.sandboxes = Sandboxes(loop, reaper, complain)
        self._slow = slow
        self.births: set[_Birth] = set()

    def spawn(self, plan: ExecPlan, executed: ExecutedCallback, exited: ExitedCallback) -> int:
        """Make a process from `plan` and return its pid. Raises SpawnError.

        Its mask is empty, its dispositions are the defaults (but for the two signals that glibc keeps for itself and
        that its posix_spawn leaves ignored), and it has no descriptors but those of the plan.
        `executed(None)` is called once the program runs, never before this has returned, and always before
        `exited(status)`. Where the child fails before that, `executed(error)` is called and `exited` never is. The
        reaper's callback for the pid must not be replaced before `executed` was called.
        """
        _check(plan)
        # Whoever opened a descriptor without O_CLOEXEC: no program of ours shall have it.
        close_on_exec_from(3)
        # To stay who we are takes no right.
        stays = not isolating.changes_users(plan.isolation) and securing.is_ours(plan.credentials)
        credentials = None if stays else plan.credentials
        made, pipe = self._make(plan, credentials)
        birth = _Birth(self, made.pid, plan.argv[0], executed, exited)
        self.reaper.watch(made.pid, birth.ended, made.teller)
        birth.begin(pipe)
        made.begin()
        return made.pid

    def _make(self, plan: ExecPlan, credentials: Credentials | None) -> tuple[Placed | _Made, int]:
        if not self._tied and _plain(plan, credentials) and self._quick(plan):
            try:
                return _Made(_posix_spawn(plan)), -1
            except NotImplementedError:  # this C library has no POSIX_SPAWN_SETSID
                pass
        return self._fork(plan, credentials)

    def adopt(self, pid: int, executed: ExecutedCallback, exited: ExitedCallback) -> None:
        """Go on with a child that was made before a re-exec; `executed` is called only if that was not told yet.

        Of one whose end was collected before that, in a failure of ours, the status is not known.
        """
        birth = next((birth for birth in self.births if birth.pid == pid), None)
        if birth is not None:
            birth.executed, birth.exited = executed, exited
        elif self.reaper.known(pid):
            self.reaper.adopt(pid, exited)
        else:
            self.loop.call_soon(exited, ExitStatus())

    def freeze(self, keep: Keep) -> SpawnerState:
        """Return what is carried over a re-exec: the children that have not executed their programs yet."""
        return SpawnerState([birth.freeze(keep) for birth in self.births], self.sandboxes.freeze(keep))

    def thaw(self, state: SpawnerState) -> None:
        """Go on listening; whose the children are is told by `adopt`."""
        self.sandboxes.thaw(state.sandboxes)
        for one in state.births:
            birth = _Birth(self, one.pid, one.program, lambda _failure: None, lambda _status: None)
            self.reaper.adopt(one.pid, birth.ended)
            birth.begin(one.pipe, one.message)

    def close(self) -> None:
        """Give back the descriptors of children that have not executed yet; their callbacks are not called any more."""
        for birth in list(self.births):
            birth.abandon()
        self.sandboxes.close()

    def _fork(self, plan: ExecPlan, credentials: Credentials | None) -> tuple[Placed | _Made, int]:
        """Make a child that becomes what `plan` says; return it with the pipe that tells how it went."""
        copies: list[int] = []
        reader = -1
        try:
            arranged = _arrange(plan, copies)
            try:
                reader, report = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                copies.append(report)
                if report in child.destinations(plan):
                    report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, max(child.destinations(plan)) + 1)
                    copies.append(report)
            except OSError as error:
                raise SpawnError("make a pipe", error.errno or 0) from error
            todo = child.steps(plan, arranged, credentials, _joined(plan, copies))
            if self._tied and plan.placement is None:  # else it dies with the PID 1 of its namespace, and that with us
                todo.append(Step("tie its life to ours", child.tie_to, (os.getpid(),)))
            if plan.placement is not None:
                become = partial(child.become, todo, plan, report)
                return self.sandboxes.place(plan.placement, become, report, plan.cgroup), reader
            pid = child.fork()
            if pid == 0:
                child.become(todo, plan, report)
        except BaseException:
            if reader >= 0:
                os.close(reader)
            raise
        finally:
            _close(copies)
        if plan.session is not Session.NEW:
            try:
                os.setpgid(pid, pid)  # whoever is first, so that the group can be signalled at once
            except OSError:
                pass  # it has done so itself, and has executed or is gone
        return _Made(pid), reader

    def _quick(self, plan: ExecPlan) -> bool:
        if plan.method is SpawnMethod.AUTO:
            return not self._slow()
        return plan.method is SpawnMethod.POSIX_SPAWN


class _Made:
    """A child of ours that is on its way."""

    teller = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def begin(self) -> None:
        """It waits for nobody."""


class _Birth:
    """A child between its making and the execution of its program."""

    def __init__(
        self, spawner: Spawner, pid: int, program: str, executed: ExecutedCallback, exited: ExitedCallback
    ) -> None:
        self.pid = pid
        self.executed = executed
        self.exited = exited
        self._loop = spawner.loop
        self._births = spawner.births
        self._program = program
        self._pipe = -1
        self._handle: asyncio.Handle | None = None
        self._message = b""
        self._settled = False
        self._failed = False

    def freeze(self, keep: Keep) -> BirthState:
        """Return what is carried over a re-exec."""
        return BirthState(self.pid, keep(self._pipe), self._message, self._program)

    def begin(self, pipe: int, message: bytes = b"") -> None:
        """Listen to the child's pipe (-1: its program runs already), from which `message` was read before."""
        self._births.add(self)
        self._message = message
        self._pipe = pipe
        if pipe < 0:
            self._handle = self._loop.call_soon(self._settle, None)
        else:
            self._loop.add_reader(pipe, self._readable)

    def abandon(self) -> None:
        """Let go of the descriptor and call nobody any more."""
        self._settled = self._failed = True
        self._release()

    def ended(self, status: ExitStatus) -> None:
        """Take the status from the reaper; what the child had to say before is told first."""
        if not self._settled:
            self._read()
            if self._pipe >= 0 and not self._message:
                name = f"execute {self._program}"
                self._settle(SpawnError(name, 0, f"the process was {status} before its program ran"))
            else:
                self._settle(self._failure())
        if not self._failed:
            self.exited(status)

    def _readable(self) -> None:
        if self._read():
            self._loop.remove_reader(self._pipe)
            # Without a mark it is dead, and the reaper knows how it died.
            if self._message:
                self._settle(self._failure())

    def _read(self) -> bool:
        """Read what is there; return whether it was all."""
        while self._pipe >= 0:
            try:
                part = os.read(self._pipe, 4096)
            except BlockingIOError:
                return False
            if not part:
                break
            self._message += part
        return True

    def _failure(self) -> SpawnError | None:
        said = self._message.replace(child.MARK, b"")
        return child.told(said) if said else None

    def _settle(self, failure: SpawnError | None) -> None:
        self._settled = True
        self._failed = failure is not None
        self._release()
        try:
            self.executed(failure)
        except Exception as error:
            # The status that may follow at once must not get lost with it.
            self._loop.call_exception_handler({"message": "executed callback failed", "exception": error})

    def _release(self) -> None:
        self._births.discard(self)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1


def _check(plan: ExecPlan) -> None:
    if not plan.argv:
        raise SpawnError("execute the command", errno.EINVAL, "it is empty")
    step = f"execute {plan.argv[0]}"
    if any("\0" in word for word in plan.argv):
        raise SpawnError(step.replace("\0", "?"), errno.EINVAL, "an argument has a NUL character")
    for name, value in plan.environment.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            shown = name.replace("\0", "?")
            raise SpawnError(step, errno.EINVAL, f"the environment variable {shown!r} can't have such a name or value")
    for fd, number in plan.extra:
        if fd < 0 or number < 3:
            raise SpawnError(f"set up descriptor {number}", errno.EBADF, "extra descriptors are open, and 3 or more")
    if plan.terminal and plan.session is not Session.NEW:
        raise SpawnError(f"open terminal {plan.terminal}", errno.EINVAL, "only a new session can have its own terminal")


def _plain(plan: ExecPlan, credentials: Credentials | None) -> bool:
    """Tell whether posix_spawn can do all that the plan asks for."""
    return (
        credentials is None
        and plan.working_directory is None
        and plan.umask is None
        and plan.open_files is None
        and not plan.limits
        and not plan.security
        and plan.placement is None
        and plan.cgroup is None
        and not plan.isolation
        and not plan.pid_variables
        and plan.session is not Session.FOREGROUND
        and (plan.terminal is None or plan.terminal.startswith(_PTY_FOLDER))
    )


def _posix_spawn(plan: ExecPlan) -> int:
    program = executable.find(plan.argv[0], plan.environment)
    copies: list[int] = []
    try:
        arranged = _arrange(plan, copies)
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
        if plan.terminal:
            # Opened by the leader of a new session that has none, a terminal becomes its controlling one.
            actions.append((os.POSIX_SPAWN_OPEN, 0, plan.terminal, os.O_RDWR, 0))
            actions += [(os.POSIX_SPAWN_DUP2, 0, number) for number in (1, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, source, number) for source, number in arranged.pairs]
        actions += [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in arranged.null]
        standing: dict[str, Any] = {"setsid": True} if plan.session is Session.NEW else {"setpgroup": 0}
        with own_score.given_back():
            return os.posix_spawn(
                program,
                plan.argv,
                plan.environment,
                file_actions=actions,
                **standing,
                setsigmask=(),
                setsigdef=_DEFAULTS,
            )
    except OSError as error:
        raise _spawn_error(plan, program, error.errno or 0) from error
    except ValueError as error:  # a text that the file system's encoding does not have
        raise SpawnError(f"execute {program}", errno.EINVAL, str(error)) from error
    finally:
        _close(copies)


def _spawn_error(plan: ExecPlan, program: str, number: int) -> SpawnError:
    """Find out which part of posix_spawn failed: all that it gives is one errno."""
    if number in (errno.EAGAIN, errno.ENOMEM):
        return SpawnError("make a process", number)
    if number == errno.EBADF:
        return SpawnError("set up its descriptors", number, "one is not open, or a number is above the limit of files")
    null = plan.terminal or "/dev/null"
    if not os.path.exists(null) and (plan.terminal or -1 in (plan.stdin, plan.stdout, plan.stderr)):
        return SpawnError(f"open {null}", number)
    if number in (errno.EMFILE, errno.ENFILE, errno.EIO):
        return SpawnError(f"open {null}", number)
    return SpawnError(f"execute {program}", number, executable.explain(program, number))


def _arrange(plan: ExecPlan, copies: list[int]) -> child.Moves:
    try:
        return child.moves(plan, copies)
    except OSError as error:
        raise SpawnError("duplicate descriptors", error.errno or 0) from error


def _joined(plan: ExecPlan, copies: list[int]) -> int:
    """Return a pidfd of the process whose namespaces the plan joins, -1: of none; taken while nobody can reap it."""
    if plan.isolation.joins is None:
        return -1
    try:
        copies.append(pidfd_open(plan.isolation.joins))
        copies.append(fcntl.fcntl(copies[-1], fcntl.F_DUPFD_CLOEXEC, max(child.destinations(plan)) + 1))
    except OSError as error:
        raise SpawnError("join the namespaces of its service", error.errno or 0) from error
    return copies[-1]


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
