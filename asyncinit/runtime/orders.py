"""What asyncinit does on each signal in a container and in a development environment; knows no descriptor."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from asyncinit.config.spec import LogLevel
from asyncinit.linux.signals import SignalInfo
from asyncinit.machine.power_signals import SYSTEMD
from asyncinit.runtime import words
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.shutdown import Shutdown
from asyncinit.runtime.signals import sender

# In a container what is asked of a machine's PID 1 is the wish that it ends.
_ASKS_TO_END = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGPWR, *SYSTEMD})
# Job control and a full pipe: nothing that an init acts upon.
_IDLE = frozenset({signal.SIGPIPE, signal.SIGTTIN, signal.SIGTTOU, signal.SIGURG, signal.SIGIO})


class Orders:
    """Handle signals.

    `overview` tells every service's state; `reopen` opens the log files anew and counts them;
    `reload` has the configuration read again, for the reason that it is given;
    `forward` passes a signal to CMD, `resumed` continues it. `guardian` (a pid) passes on what it gets
    itself: of such a signal nobody knows here who sent it.
    """

    def __init__(
        self,
        shutdown: Shutdown,
        announcer: Announcer,
        *,
        overview: Callable[[], None],
        reopen: Callable[[], int],
        reload: Callable[[str], None],
        forward: Callable[[int], None],
        resumed: Callable[[], None],
        guardian: int = 0,
    ) -> None:
        self._guardian = guardian
        self._shutdown = shutdown
        self._announcer = announcer
        self._overview = overview
        self._reopen = reopen
        self._reload = reload
        self._forward = forward
        self._resumed = resumed
        self._had = _has_terminal()

    def handle(self, info: SignalInfo) -> None:
        """Do what the signal says; every one is told with its sender."""
        number = info.number
        passed_on = info.pid == self._guardian != 0 and not info.from_kernel
        text = words.received(number, "" if passed_on else sender(info))
        if number in _ASKS_TO_END:
            self._shutdown.request(text)
        elif number == signal.SIGHUP and (info.from_kernel or (self._had and not _has_terminal())):
            self._shutdown.request(f"{text}: the terminal is gone")
        elif number == signal.SIGHUP:
            self._reload(text)
        elif number == signal.SIGUSR1:
            self.reopen_logs(text)
        elif number == signal.SIGUSR2:
            self.tell_all(text)
        elif number == signal.SIGTSTP:
            self._suspend(info)
        elif number == signal.SIGCONT:
            self._resumed()
        elif number not in _IDLE:
            self._announcer.system(text, LogLevel.DEBUG)
            if not info.from_kernel:
                self._forward(number)

    def reopen_logs(self, text: str) -> None:
        """Have log files opened by their names again; `text` says why."""
        count = self._reopen()
        files = "1 log file is" if count == 1 else f"{count or 'no'} log files are"
        self._announcer.system(f"{text}: {files} opened anew")

    def tell_all(self, text: str) -> None:
        """Write the state of everything to the log; `text` says why."""
        self._announcer.system(text)
        self._overview()

    def _suspend(self, info: SignalInfo) -> None:
        """^Z: the shell that started us can resume us; the services are not in its foreground and go on."""
        if info.from_kernel and os.getpid() != 1:
            self._announcer.system("suspended by the terminal; services go on, unsupervised until asyncinit is resumed")
            os.kill(os.getpid(), signal.SIGSTOP)


def _has_terminal() -> bool:
    """Tell whether we have a controlling terminal that is there.

    A shell that is hung up sends SIGHUP to its jobs as the kernel does, and standard signals merge: the sender that we
    see is either of them.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
    except OSError:
        return False
    return True
