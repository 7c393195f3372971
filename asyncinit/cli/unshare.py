"""`asyncinit run --unshare`: run the same command again as PID 1 of a fresh PID namespace, and stay as its parent.

It must not know of services. Two processes remain: the outer one (this), which forwards signals and hands the exit
status on, and the inner one, an ordinary asyncinit that finds itself to be PID 1 and owns a /proc of its own. A
helper makes the inner one as its own sibling (CLONE_PARENT), so that neither the outer process nor PID 1 carries
anything of the making: no foreign namespace outside, no state of a parser inside. The inner one starts with all
signals blocked, as they are here: what arrives while it imports waits for it.

The inner process has its own process group, in our session: see `linux.arrivals`.
"""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from asyncinit.errors import AsyncinitError
from asyncinit.linux import namespaces, process, signals, terminal
from asyncinit.linux.arrivals import STOPS, Arrivals, pass_on
from asyncinit.linux.program import started_as

if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

MODES = ("auto", "always", "never")


@dataclass(eq=False)
class UnshareError(AsyncinitError):
    """A fresh PID namespace is not to be had here: the step that failed and why. Nothing was changed."""

    step: str
    errno: int

    def __str__(self) -> str:
        text = f"cannot {self.step}: {os.strerror(self.errno).lower()}"
        if self.errno in (errno.EPERM, errno.EACCES):
            return f"{text} (forbidden here, as in most containers)"
        if self.errno in (errno.ENOSPC, errno.EINVAL):
            return f"{text} (this system allows no namespaces, or no more of them)"
        return text


def unshare_and_wait(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run asyncinit with `arguments` as PID 1 of a fresh PID namespace; leave as it leaves, by `os._exit`.

    Without `arguments` they are those of our own command line less `--unshare`. As root the inner process is root; as
    another user it is root of a user namespace in which only our own uid and gid exist, as 0. It has a mount namespace
    of its own with a fresh /proc. Signals are forwarded to it; ^Z stops only us, so that a shell gets its terminal
    back. If we die, it is killed. If a signal ended it, we die of the same one.

    All signals but the faults must be blocked. Raises UnshareError, with nothing changed, where the kernel or a
    sandbox refuses.
    """
    if arguments is None:
        arguments = without_unshare(sys.argv[1:])
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    jobs = terminal.JobControl()
    arrivals = Arrivals(jobs.fd)  # before somebody inside becomes the terminal's foreground
    inner = _make([*started_as(), *arguments])
    pidfd = process.pidfd_open(inner)
    while (ended := _ended(inner)) is None:
        info = arrivals.next()
        if info is None:
            pass_on(pidfd, _signal.SIGHUP, True)
        elif info.si_signo in STOPS:
            jobs.stop_with(inner, info.si_signo)
            arrivals.look_at_terminal()
        elif info.si_signo != _signal.SIGCHLD:
            pass_on(pidfd, info.si_signo, info.si_code == signals.SI_KERNEL)
    jobs.take_back(inner)
    _leave_like(ended)


def without_unshare(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without `--unshare`, `--unshare=MODE` and `--unshare MODE`; what follows `--` is kept."""
    kept: list[str] = []
    rest = list(arguments)
    while rest and rest[0] != "--":
        word = rest.pop(0)
        if word == "--unshare":
            if rest and rest[0] in MODES:
                del rest[0]
        elif not word.startswith("--unshare="):
            kept.append(word)
    return kept + rest


def _make(command: list[str]) -> int:
    """Return the pid of the inner process, which runs `command` by then."""
    reader, writer = os.pipe()
    outer = process.pidfd_open(os.getpid())
    helper = os.fork()
    if helper == 0:
        _make_sibling(command, outer, writer)
    os.close(writer)
    os.close(outer)
    report = b""
    while chunk := os.read(reader, 4096):  # ends when the helper is gone and the inner process runs its program
        report += chunk
    os.close(reader)
    os.waitpid(helper, 0)
    words = report.decode().split("\n")
    inner = next((int(word[4:]) for word in words if word.startswith("pid ")), 0)
    failure = next((word for word in words if word.startswith("errno ")), "" if inner else f"errno {errno.EIO} fork")
    if failure:
        if inner:
            os.waitpid(inner, 0)
        _, number, step = failure.split(" ", 2)
        raise UnshareError(step, int(number))
    return inner


def _make_sibling(command: list[str], outer: int, writer: int) -> NoReturn:
    """In the helper: make the inner process, tell its pid, and end."""
    step = "make a user namespace"
    try:
        uid, gid = os.geteuid(), os.getegid()
        if uid != 0:
            namespaces.unshare(namespaces.CLONE_NEWUSER)
            step = "map our user into a user namespace"
            namespaces.write_id_maps(uid, gid)
        step = "make a PID namespace"
        pid = namespaces.fork_sibling(namespaces.CLONE_NEWPID | namespaces.CLONE_NEWNS, _signal.SIGCHLD)
        if pid == 0:
            _become_inner(command, outer, writer)
        os.write(writer, b"pid %d\n" % pid)
        os._exit(0)
    except BaseException as error:
        _report(writer, step, error)
    os._exit(1)


def _become_inner(command: list[str], outer: int, writer: int) -> NoReturn:
    """In PID 1 of the new namespace: get a /proc, tie our life to the outer process's, become the program."""
    step = "tie PID 1 to this process"
    try:
        os.setpgid(0, 0)
        process.set_parent_death_signal(_signal.SIGKILL)
        if select.select([outer], [], [], 0)[0]:  # it was gone before it could be tied
            os._exit(1)
        step = "keep mounts private"
        namespaces.make_mounts_private()
        step = "mount a fresh /proc"
        namespaces.mount_proc()
        step = f"execute {command[0]}"
        os.execv(command[0], command)
    except BaseException as error:
        _report(writer, step, error)
    os._exit(1)


def _report(writer: int, step: str, error: BaseException) -> None:
    number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
    try:
        os.write(writer, f"errno {number} {step}\n".encode(errors="replace"))
    except OSError:
        pass  # nobody is left to be told


def _ended(inner: int) -> os.waitid_result | None:
    """Return how the inner process ended, or None; anything else that became our child is reaped as well."""
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
        if ended is None or ended.si_pid == inner:
            return ended


def _leave_like(ended: os.waitid_result) -> NoReturn:
    """Leave with the same exit code, or die of the same signal, as a shell expects (128+n where we can't)."""
    if ended.si_code == os.CLD_EXITED:
        os._exit(ended.si_status)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # one core is enough
    if ended.si_status not in (_signal.SIGKILL, _signal.SIGSTOP):
        _signal.signal(ended.si_status, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (ended.si_status,))
    os.kill(os.getpid(), ended.si_status)
    os._exit(128 + ended.si_status)
