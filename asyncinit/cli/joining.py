"""Run a command where a process is: in its namespaces; what `exec` and `pod enter` share. Asks no server.

A PID namespace is entered by children alone: then we stay as the parent, hand on signals and the exit status, and stop
and go on with the child, so that a shell sees one command. Otherwise nothing of us stays between.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from asyncinit.cli.outcome import complain
from asyncinit.errors import SpawnError, why
from asyncinit.linux import namespaces, process, signals, user_namespaces

if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

_TERMINAL_STOPS = frozenset({_signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU})


def run_where(pid: int, act: Callable[[], int], wanted: Collection[str] = namespaces.FLAGS) -> int:
    """Join the namespaces of process `pid` that are `wanted` and not ours, and `act` there; return what that returns.

    `act` executes a program, and returns an exit status only if it fails; then that is returned, else the status of the
    program where we have to stay. What it needs is imported by now: the file system may be another one. Raises
    SpawnError where the process is gone or the kernel refuses.
    """
    step = "look at its namespaces"
    try:
        pidfd = process.pidfd_open(pid)
        kinds = namespaces.kinds_apart(pid).intersection(wanted)
        if not kinds:
            return act()
        step = f"join its namespaces ({', '.join(kind for kind in namespaces.FLAGS if kind in kinds)})"
        first = user_namespaces.first_of(pid) if "user" in kinds else None
        # As root of the outside we have what those inside shall not read.
        process.set_dumpable(False)
        namespaces.join_process(pidfd, pid, kinds)
        os.close(pidfd)
        if first is not None:
            step = "become the first user of its user namespace"
            user_namespaces.become_first(first)
    except OSError as error:
        raise SpawnError(step, error.errno or 0, _explained(error.errno or 0)) from error
    return _in_a_child(act) if "pid" in kinds else act()


def _explained(number: int) -> str:
    if number == errno.ESRCH:
        return "its process is gone"
    if number in (errno.EPERM, errno.EACCES):
        return f"{why(number)}; you are uid {os.geteuid()}, and that takes root, or the user of asyncinit"
    return why(number)


def _in_a_child(act: Callable[[], int]) -> int:
    _signal.pthread_sigmask(_signal.SIG_BLOCK, signals.CATCHABLE)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = act()
        except Exception as error:
            complain(str(error))
        finally:
            os._exit(code)
    while True:
        info = _signal.sigwaitinfo(signals.CATCHABLE)
        if info.si_signo != _signal.SIGCHLD:
            _hand_on(child, info)
            continue
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WSTOPPED | os.WNOHANG)
        if ended is None:
            continue
        if ended.si_code != os.CLD_STOPPED:
            return ended.si_status if ended.si_code == os.CLD_EXITED else _die_of(ended.si_status)
        # What continues us (a shell's fg) continues the whole group, and is handed on where it is for us alone.
        os.kill(os.getpid(), _signal.SIGSTOP)


def _hand_on(child: int, info: _signal.struct_siginfo) -> None:
    """Pass a signal on; what the terminal sends the child has been given already."""
    if info.si_code != signals.SI_KERNEL and info.si_signo not in _TERMINAL_STOPS:
        try:
            os.kill(child, info.si_signo)
        except OSError:
            pass  # it has ended; that is told next


def _die_of(number: int) -> int:
    """Die of the signal that ended the child, as a shell expects; return 128+n where that does not work."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # one core is enough
    if number not in (_signal.SIGKILL, _signal.SIGSTOP):
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (number,))
    os.kill(os.getpid(), number)
    return 128 + number
