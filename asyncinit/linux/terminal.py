"""Terminals: the controlling one, its foreground process group, pseudo-terminals; must not know who uses them.

Light on purpose (no import but os and the signal numbers): the wrapper needs it in its first milliseconds.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal


def controlling_terminal() -> int:
    """Return a descriptor of our controlling terminal: the first of 0 to 2 that is it, else a new one, else -1.

    The new one is /dev/tty, close-on-exec, never 0 to 2 while those are open.
    """
    for fd in (0, 1, 2):
        if foreground(fd) is not None:
            return fd
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return -1


def foreground(fd: int) -> int | None:
    """Return the foreground process group of the terminal `fd`, or None where it is not our controlling terminal.

    0 is a group that our PID namespace can't see.
    """
    try:
        return os.tcgetpgrp(fd)
    except OSError:
        return None


def set_foreground(fd: int, group: int) -> bool:
    """Make `group` the foreground process group of our controlling terminal `fd`; False where that can't be.

    From the background too: SIGTTOU is blocked meanwhile. See tcsetpgrp(3); False after a hang-up, for a terminal
    that is not ours, and for a group that is not in our session or is gone.
    """
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTTOU,))
    try:
        os.tcsetpgrp(fd, group)
    except OSError:
        return False
    finally:
        if _signal.SIGTTOU not in before:
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (_signal.SIGTTOU,))
    return True


def group_exists(group: int) -> bool:
    """Tell whether any process (a zombie too) is in process group `group` as far as we can see."""
    if group <= 0:
        return True
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def make_controlling(fd: int, steal: bool = False) -> None:
    """Make the terminal `fd` the controlling one of our session, which we must lead (TIOCSCTTY).

    With `steal` (root only) even if it is another session's. Raises OSError.
    """
    import fcntl
    import termios

    fcntl.ioctl(fd, termios.TIOCSCTTY, int(steal))


def release_controlling(fd: int) -> None:
    """Give up our controlling terminal; a session leader's foreground group gets SIGHUP and SIGCONT (TIOCNOTTY)."""
    import fcntl
    import termios

    fcntl.ioctl(fd, termios.TIOCNOTTY)


def hang_up() -> None:
    """Take our controlling terminal from everybody who has it open, ourselves too (vhangup(2), root only).

    They get a hang-up and then nothing but errors; who has it as /dev/console goes on. Raises OSError.
    """
    from asyncinit.linux.libc import call

    call("vhangup")


def open_pty() -> tuple[int, int]:
    """Return the two ends, close-on-exec, of a new pseudo-terminal: ours (master) and the program's (slave).

    The slave does not become anybody's controlling terminal by this. Raises OSError where no pty is left.
    """
    return os.openpty()


def window_size(fd: int) -> tuple[int, int]:
    """Return the terminal's rows and columns; (0, 0) is unknown. Raises OSError where `fd` is no terminal."""
    columns, rows = os.get_terminal_size(fd)
    return rows, columns


def set_window_size(fd: int, rows: int, columns: int) -> None:
    """Set the terminal's rows and columns; its foreground group gets SIGWINCH if they changed."""
    import termios

    termios.tcsetwinsize(fd, (rows, columns))


class JobControl:
    """Lend our controlling terminal to a process group of a child, take it back, and stop together with it.

    The child's group is in our session and never our own group. So whatever the terminal sends (^C, ^\\, ^Z, a change
    of size) reaches either that group or ours, and what reaches us has to be passed on: nothing ever doubles.
    """

    def __init__(self) -> None:
        self.fd = controlling_terminal()

    def wanted_at_start(self) -> bool:
        """Tell whether a child shall be the foreground from its first moment, rather than when it asks for it.

        Not where we are in the background; and where a shell has put us into a pipeline or a script, the terminal
        stays with that job, whose other processes use it as well, until the child needs it.
        """
        if self.fd < 0:
            return False
        current = foreground(self.fd)
        if current is None or not self._may_give(current):
            return False
        if os.getsid(0) == os.getpid():
            return True
        leads_job = os.getpgrp() in (os.getpid(), 0)
        return leads_job and foreground(0) is not None and foreground(1) is not None

    def lend(self, group: int) -> bool:
        """Give the terminal to `group` if it is ours, or nobody's, to give; tell whether `group` has it now."""
        current = foreground(self.fd) if self.fd >= 0 else None
        if current is None:
            return False
        if current != group and self._may_give(current):
            return set_foreground(self.fd, group)
        return current == group

    def _may_give(self, current: int) -> bool:
        """Tell whether the foreground is ours, or nobody's, or (0, seen by PID 1) of whoever made our namespace."""
        return current in (0, os.getpgrp()) or not group_exists(current)

    def take_back(self, group: int) -> None:
        """Make our own group the foreground again where `group`, or a group that is gone, is it."""
        current = foreground(self.fd) if self.fd >= 0 else None
        if current is None or os.getpgrp() == 0:
            return  # a group outside our PID namespace can't be named
        if current == group or not group_exists(current):
            set_foreground(self.fd, os.getpgrp())

    def stop_with(self, group: int, signal: int) -> bool:
        """Stop ourselves by `signal` (TSTP, TTIN or TTOU), as our job's shell expects after `group` has stopped.

        Returns once we have been continued; the SIGCONT is still pending then (it must be blocked, as `signal`).
        Returns False at once where nobody could continue us: as PID 1, in an orphaned process group (the kernel's own
        rule, setpgid(2)), or where whoever started us ignores the signal.
        """
        if os.getpid() == 1 or _signal.getsignal(signal) is _signal.SIG_IGN:
            return False
        if _signal.SIGCONT in _signal.sigpending():
            return True  # continued before we got here; to stop now would swallow that
        current = foreground(self.fd) if self.fd >= 0 else None
        self.take_back(group)
        if current in (group, os.getpgrp()):
            os.killpg(0, signal)  # as the key would have done with our group as the foreground
        else:
            os.kill(os.getpid(), signal)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (signal,))  # here we stop
        _signal.pthread_sigmask(_signal.SIG_BLOCK, (signal,))
        return _signal.SIGCONT in _signal.sigpending()
