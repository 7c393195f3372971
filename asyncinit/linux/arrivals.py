"""What comes to a process that stands in front of another one, at a shell's terminal; must not know what that one does.

The other process has a group of its own in our session. So the terminal's keys reach us alone, and are passed on once;
a group-wide kill by somebody else does not reach it twice.
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from asyncinit.linux import process, signals, terminal

if TYPE_CHECKING:
    import signal
    import signal as _signal
else:
    import _signal

STOPS = (_signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU)


class Arrivals:
    """Signals, and the end of `terminal`, our controlling one (-1: none). All signals but the faults must be blocked.

    Of that the kernel tells the leader of the session alone, and make, which may be that, only waits for us (`ssh -t
    HOST make run`). Where we are in the background, or shall be deaf to it (nohup), it is none of our business.
    """

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._told = False
        # Only looked at, so that a signal that is taken is seen with its sender: sigwaitinfo(2) is the one that takes.
        self._signals = signals.signalfd(signals.CATCHABLE)
        self.look_at_terminal()

    def look_at_terminal(self) -> None:
        """See anew whether the end of the terminal concerns us: once we have been stopped it may be another job's."""
        self._poll = select.poll()
        self._poll.register(self._signals, select.POLLIN)
        concerned = terminal.foreground(self._terminal) == os.getpgrp() if self._terminal >= 0 else False
        if concerned and not self._told and _signal.getsignal(_signal.SIGHUP) is not _signal.SIG_IGN:
            self._poll.register(self._terminal, 0)  # POLLHUP is told unasked

    def next(self) -> signal.struct_siginfo | None:
        """Wait for a signal and return it; None, once: the terminal is gone. The signal for that comes no more then."""
        while True:
            if any(fd == self._terminal for fd, _ in self._poll.poll()):
                self._told = True
                self.look_at_terminal()
                return None
            info = _signal.sigtimedwait(signals.CATCHABLE, 0)
            hang_up = info is not None and (info.si_signo, info.si_code) == (_signal.SIGHUP, signals.SI_KERNEL)
            if info is not None and not (hang_up and self._told):
                self._told |= hang_up
                return info


def pass_on(pidfd: int, number: int, from_kernel: bool) -> None:
    """Send a signal on; after a hang-up of the terminal SIGTERM too, because our SIGHUP is one from a process."""
    try:
        process.pidfd_signal(pidfd, number)
        if number == _signal.SIGHUP and from_kernel:
            process.pidfd_signal(pidfd, _signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has ended; the SIGCHLD is there
