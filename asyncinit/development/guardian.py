"""Two guardians in front of the asyncinit of a project: whatever it has started ends with it, however it ends.

    shell - outer guardian - inner guardian - asyncinit - services

Each is a subreaper. So what a dead process leaves, daemons that have forked twice too, comes to the next one above,
which ends it: SIGTERM and SIGCONT, a short wait, SIGKILL. Two of the three can be killed at once, and the third tidies
up: asyncinit and a guardian, because the other guardian inherits all; both guardians, because asyncinit gets a SIGTERM
when the one above it dies (the parent-death signal), and goes down in order. When all three are killed nobody is left
to find what has forked; the services' own processes have that signal too (`runtime.process.child`).

The outer one is the shell's job: it gets the terminal's keys, signals and hang-up, and passes them on once. ^Z stops it
alone, so that the shell has its terminal back while the services go on, supervised. Its exit status is asyncinit's.

The guardians wait, and nothing else: they are forked off before anything heavy is imported, so they share nearly all
their memory with asyncinit's beginning.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from asyncinit import minimal
from asyncinit.linux import process, signals, terminal
from asyncinit.linux.arrivals import STOPS, Arrivals, pass_on
from asyncinit.linux.subreaper import set_subreaper

if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL for what is left when asyncinit was killed: nobody knows any more what it is."""

_NEVER_MEANT = (_signal.SIGINT, _signal.SIGQUIT)
# A script's background job ignores them, and the keys reach it all the same.


def be_guarded() -> None:
    """Return as a child that is guarded; this process and another between are its guardians, and never return.

    All signals but the faults are blocked from now on. Raises OSError, with nothing else changed, where a guardian
    cannot be.
    """
    _signal.pthread_sigmask(_signal.SIG_BLOCK, signals.CATCHABLE)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    set_subreaper()
    outer = os.getpid()
    heirs, will = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    inner = os.fork()
    if inner != 0:
        os.close(will)
        _Guardian(inner, terminal.JobControl(), heirs).guard()
    os.close(heirs)
    os.setpgid(0, 0)
    _tie_to(outer)
    set_subreaper()
    inner = os.getpid()
    guarded = os.fork()
    if guarded != 0:
        os.close(will)
        _Guardian(guarded).guard()
    _tie_to(inner)
    os.write(will, b"%d" % os.getpid())
    os.close(will)


def _tie_to(parent: int) -> None:
    """Have ourselves be told to end when `parent` dies, or at once where it is dead already."""
    process.set_parent_death_signal(_signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), _signal.SIGTERM)  # it is blocked, and waits for whoever takes it


class _Guardian:
    """Guard the child `ward`; with `jobs` at the terminal of a shell. `heirs` has the pid of the ward's own ward."""

    def __init__(self, ward: int, jobs: terminal.JobControl | None = None, heirs: int = -1) -> None:
        self._ward = ward
        self._jobs = jobs
        self._heirs = heirs
        self._pidfd = process.pidfd_open(ward)
        self._deaf = _signal.getsignal(_signal.SIGHUP) is _signal.SIG_IGN  # nohup
        ignored = (number for number in _NEVER_MEANT if _signal.getsignal(number) is _signal.SIG_IGN)
        self._never_meant = frozenset(ignored)

    def guard(self) -> NoReturn:
        """Pass signals on until the ward has ended, then end all that is left, and leave with its status."""
        arrivals = Arrivals(-1 if self._jobs is None else self._jobs.fd)
        while (status := self._status()) is None:
            info = arrivals.next()
            if info is None:
                pass_on(self._pidfd, _signal.SIGHUP, True)
            elif info.si_signo in STOPS and self._jobs is not None:
                self._jobs.stop_with(self._ward, info.si_signo)
                arrivals.look_at_terminal()
            elif info.si_signo != _signal.SIGCHLD and not self._ignores(info.si_signo, info.si_code):
                pass_on(self._pidfd, info.si_signo, info.si_code == signals.SI_KERNEL)
        if self._jobs is not None:
            self._jobs.take_back(self._ward)
        minimal.run(status=status, grace=GRACE, end=True)

    def _ignores(self, number: int, code: int) -> bool:
        """Tell whether we were started so that this signal means nothing; blocked, it comes nevertheless."""
        if number == _signal.SIGHUP:
            return self._deaf
        return number in self._never_meant and code == signals.SI_KERNEL

    def _status(self) -> int | None:
        """Reap; return the status of the ward once it has ended and has left no ward to us."""
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | minimal.WALL)
            if ended is None:
                return None
            if ended.si_pid != self._ward:
                continue
            killed = ended.si_code != os.CLD_EXITED
            heir = self._heir()
            if heir is None:
                if killed:
                    minimal.say(f"asyncinit: killed by signal {ended.si_status}; ending what it has left")
                return ended.si_status + (128 if killed else 0)
            os.close(self._pidfd)
            self._ward, self._pidfd = heir, process.pidfd_open(heir)

    def _heir(self) -> int | None:
        """Return the ward of the dead ward, if that was killed while it guarded: it is our child now, and goes down."""
        try:
            heir = int(os.read(self._heirs, 16))
            os.waitid(os.P_PID, heir, os.WEXITED | os.WNOHANG | os.WNOWAIT | minimal.WALL)
        except (OSError, ValueError):
            return None  # it has ended with its guardian, or before
        return heir
