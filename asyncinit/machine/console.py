"""PID 1's standard descriptors: the console, whatever the kernel gave; opens nothing else.

Where there was no /dev/console when the kernel looked (an empty /dev of a root file system), PID 1 begins with none.
"""

from __future__ import annotations

import os

from asyncinit.linux import descriptors

_CONSOLE = "/dev/console"


def hold() -> tuple[int, ...]:
    """Open what is closed of 0 to 2, before anything else gets these numbers; return which that were."""
    return descriptors.open_standard(_CONSOLE)


def take(fds: tuple[int, ...]) -> str:
    """Put the console on those descriptors that the kernel gave nothing for; raises OSError where it has none.

    Never becomes our controlling terminal: a key there is for the foreground's programs, not for PID 1.
    """
    if all(map(os.isatty, fds)):
        return ""
    # Without O_NONBLOCK the open of a serial line waits for its carrier.
    fd = os.open(_CONSOLE, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(fd, True)
    for number in fds:
        os.dup2(fd, number, inheritable=True)
    os.close(fd)
    return f"the kernel gave none on {', '.join(map(str, fds))}"
