"""Terminals: the controlling one, its foreground process group, pseudo-terminals; must not know who uses them.

Light on purpose (no import but os and the signal numbers): the wrapper needs it in its first milliseconds.
"""

from __future__ import annotations

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
