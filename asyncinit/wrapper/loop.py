"""The life of CMD under `asyncinit -- CMD`: forward signals, reap, stop and continue with it, clean up after it.

It must not know of services, asyncio or files. Signals are taken one at a time by sigwaitinfo(2), with their sender;
all of them are blocked all the time, so none is lost and none interrupts anything. After each one, children and the
clock are looked after: a flood of some signal with a low number would otherwise keep SIGCHLD waiting for ever.
"""

import os
import time

from asyncinit import minimal
from asyncinit.linux import terminal
from asyncinit.wrapper import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from asyncinit.wrapper.options import WrapOptions
else:
    import _signal

LEFTOVER_GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL for what CMD leaves behind: inside docker stop's 10 for a CMD that uses 7."""

LAST_WAIT = 1.0
"""Seconds that killed processes have to vanish, before we leave without them (they hang in the kernel)."""

_SI_KERNEL = 0x80
_REAP_AT_ONCE = 256  # then a look at the signals: a storm of orphans must not hold up a SIGTERM
_STOPS = (_signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU)
_ASKS_FOR_END = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGQUIT)
_WAKES = (*_ASKS_FOR_END, _signal.SIGHUP)
_EVERY_CHANGE = os.WEXITED | os.WSTOPPED | os.WCONTINUED | os.WNOHANG | minimal.WALL


class Wrapper:
    """One CMD from its start to the end of all that it made; `supervise` gives the status to leave with."""

    def __init__(self, options: "WrapOptions") -> None:
        self.options = options
        self.jobs = terminal.JobControl()
        self.pid = 0  # CMD's until it is reaped: its number, and its group's, can't be anybody else's before
        self.status: int | None = None
        self.stopped = False
        self.asked_to_stop = False  # by a signal that we forwarded, so not to be continued by us
        self.kill_at: float | None = None
        self.more_to_reap = False

    def supervise(self) -> int:
        """Start CMD, return its status once all that it made is gone; raises OSError if it can't start."""
        self.pid = command.start(self.options.command, self.jobs.fd if self.jobs.wanted_at_start() else -1)
        group = self.pid
        while self.status is None:
            info = self._wait()
            if info is not None and info.si_signo != _signal.SIGCHLD:
                self._forward(info.si_signo, info.si_code == _SI_KERNEL)
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                self.kill_at = None
                minimal.kill_all()
            self._reap()
        self.jobs.take_back(group)
        self._clean_up()
        return self.status

    def _wait(self) -> "_signal.struct_siginfo | None":
        """Take the next signal; None once it is time to kill, or while there may be more to reap."""
        if self.more_to_reap:
            return _signal.sigtimedwait(minimal.CATCHABLE, 0)
        if self.kill_at is not None:
            return _signal.sigtimedwait(minimal.CATCHABLE, max(0.0, self.kill_at - time.monotonic()))
        return _signal.sigwaitinfo(minimal.CATCHABLE)

    def _forward(self, received: int, from_kernel: bool) -> None:
        """Pass a signal on as it is, or as `--rewrite` says."""
        number = self.options.rewrite.get(received, received)
        if number == 0:
            return
        if received in _ASKS_FOR_END and self.kill_at is None and self.options.grace is not None:
            self.kill_at = time.monotonic() + self.options.grace
        if number == _signal.SIGCONT:
            self.asked_to_stop = False
            self.jobs.lend(self.pid)  # a shell that continues us has made our group the foreground, or not
        elif number in _STOPS and not from_kernel:
            self.asked_to_stop = True
        if number == _signal.SIGCONT and self.stopped and self.options.scope == "process":
            self._continue()  # the terminal has stopped the whole group
        else:
            self._send(number)
        if number in _WAKES:
            self._reap()
            if self.stopped:  # else what shall end would sleep on, with the signal pending
                self._send(_signal.SIGCONT)

    def _send(self, number: int) -> None:
        """Send a signal to CMD, its group or its tree, as `--scope` says."""
        if not self.pid:
            return
        try:
            if self.options.scope == "tree":
                minimal.signal_each(minimal.descendants() or (self.pid,), number)
            elif self.options.scope == "process":
                os.kill(self.pid, number)
            else:
                self._send_to_group(number)
        except OSError as error:
            command.complain(f"cannot send signal {number} to process {self.pid}: {(error.strerror or '').lower()}")

    def _send_to_group(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            os.kill(self.pid, number)  # CMD has left the group that we made for it

    def _reap(self) -> None:
        """Take note of every child that has ended, and of each stop of CMD."""
        self.more_to_reap = False
        for _ in range(_REAP_AT_ONCE):
            try:
                change = os.waitid(os.P_ALL, 0, _EVERY_CHANGE)
            except ChildProcessError:
                self._lost()
                return
            if change is None:
                return
            if change.si_pid != self.pid:
                continue  # an orphan
            if change.si_code == os.CLD_STOPPED:
                self.stopped = True
                self._stopped_by(change.si_status)
            elif change.si_code == os.CLD_CONTINUED:
                self.stopped = self.asked_to_stop = False
            elif change.si_code != os.CLD_TRAPPED:
                self.pid = 0
                self.status = change.si_status + (0 if change.si_code == os.CLD_EXITED else 128)
        self.more_to_reap = True

    def _lost(self) -> None:
        """Without children and without CMD's status there is nothing to wait for; say so, and don't make one up."""
        if self.pid:
            command.complain("cannot tell how the command ended: its status was lost")
            self.pid, self.status = 0, 1

    def _stopped_by(self, signal: int) -> None:
        """CMD has stopped: give it the terminal that it asked for, or stop with it, or continue it."""
        by_terminal = signal in _STOPS
        if not by_terminal and not self._owns_foreground():
            return  # SIGSTOP: somebody has a reason (a debugger, an administrator), and no shell waits for its terminal
        if signal in (_signal.SIGTTIN, _signal.SIGTTOU) and not self.asked_to_stop and self.jobs.lend(self.pid):
            self._continue()
        elif self.jobs.stop_with(self.pid, signal if by_terminal else _signal.SIGTSTP):
            pass  # we are back, and the SIGCONT that is pending does the rest
        elif by_terminal and not self.asked_to_stop and (signal == _signal.SIGTSTP or self.jobs.fd < 0):
            self.jobs.lend(self.pid)
            self._continue()
        # else: stopped on purpose, or the terminal is somebody else's and CMD, continued, would ask again at once

    def _owns_foreground(self) -> bool:
        return self.jobs.fd >= 0 and terminal.foreground(self.jobs.fd) == self.pid

    def _continue(self) -> None:
        """Continue CMD's group after a stop that nobody else can end."""
        self.stopped = False
        try:
            self._send_to_group(_signal.SIGCONT)
        except OSError:
            pass  # of another user now (setuid): we may not, and it is still stopped

    def _clean_up(self) -> None:
        """End what CMD has left behind: TERM, CONT, and KILL after a while; returns as soon as nothing is left."""
        deadline = time.monotonic() + LEFTOVER_GRACE
        if self.kill_at is not None:
            deadline = min(deadline, self.kill_at)
        if childless(deadline):
            return
        minimal.signal_all(_signal.SIGTERM)
        minimal.signal_all(_signal.SIGCONT)
        while (left := deadline - time.monotonic()) > 0:
            info = _signal.sigtimedwait(minimal.CATCHABLE, left)
            if childless(deadline):
                return
            if info is not None and info.si_signo == _signal.SIGINT and info.si_code == _SI_KERNEL:
                break  # ^C: somebody is watching and does not want to wait
        deadline = time.monotonic() + LAST_WAIT
        while not childless(deadline) and time.monotonic() < deadline:
            minimal.kill_all()
            _signal.sigtimedwait((_signal.SIGCHLD,), 0.05)


def childless(deadline: float) -> bool:
    """Reap all that have ended, in a storm of them at most until `deadline`; tell whether no child is left."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | minimal.WALL)
            if ended is None or time.monotonic() > deadline:
                return False
        except ChildProcessError:
            return True
