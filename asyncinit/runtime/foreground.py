"""`-- CMD` beside services and the terminal: CMD is its foreground, and ^Z never leaves nobody in charge of it.

Where a shell can resume us we stop with CMD, as one job, and services go on unsupervised until then; as PID 1, or
where nobody could resume us, CMD is continued. Over a re-exec the terminal keeps its foreground.
"""

from __future__ import annotations

import os
import signal

from msgspec import Struct

from asyncinit.linux.terminal import JobControl, foreground
from asyncinit.runtime.process.plan import Session
from asyncinit.runtime.process.reaper import Reaper
from asyncinit.runtime.reexec.keep import Keep

_BY_TERMINAL = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})


class ForegroundState(Struct):
    """What is carried over a re-exec: CMD, 0 if there is none."""

    pid: int = 0


class Foreground:
    """The terminal's side of one child that leads a process group in our session."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper
        self._jobs = JobControl()
        self._pid = 0

    def freeze(self, _keep: Keep) -> ForegroundState:
        """Return what is carried over a re-exec."""
        return ForegroundState(self._pid)

    def thaw(self, state: ForegroundState) -> None:
        """Go on with the CMD of the program before."""
        if state.pid:
            self.begun(state.pid)

    def session(self) -> Session:
        """Return where CMD shall stand when it is spawned."""
        return Session.FOREGROUND if self._jobs.wanted_at_start() else Session.GROUP

    def begun(self, pid: int) -> None:
        """Take `pid` as CMD from now on."""
        self._pid = pid
        self._reaper.watch_stops(pid, self._stopped)

    def ended(self) -> None:
        """Take the terminal back: CMD has ended."""
        self._jobs.take_back(self._pid)
        self._pid = 0

    def resumed(self) -> None:
        """Give CMD the terminal and continue it: our shell has continued us."""
        if self._pid:
            self._jobs.lend(self._pid)
            self._continue()

    def _stopped(self, number: int) -> None:
        by_terminal = number in _BY_TERMINAL
        owns = self._jobs.fd >= 0 and foreground(self._jobs.fd) == self._pid
        if not by_terminal and not owns:
            return  # SIGSTOP: somebody has a reason, and no shell waits for its terminal
        if number in (signal.SIGTTIN, signal.SIGTTOU) and self._jobs.lend(self._pid):
            self._continue()
        elif self._jobs.stop_with(self._pid, number if by_terminal else signal.SIGTSTP):
            pass  # we are back; the SIGCONT that is pending does the rest
        elif by_terminal and (number == signal.SIGTSTP or self._jobs.fd < 0):
            self._jobs.lend(self._pid)
            self._continue()

    def _continue(self) -> None:
        # Not reaped, so neither its pid nor its group can be another's.
        if self._reaper.known(self._pid):
            try:
                os.killpg(self._pid, signal.SIGCONT)
            except OSError:
                pass
