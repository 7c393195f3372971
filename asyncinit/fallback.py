"""What is left where asyncinit can't go on: services run on unsupervised, and SIGTERM ends everything.

For a program that fails after an exec although it said it would not, and for one that fails again and again. Imports
nothing that may be broken: it is loaded before anything else of a program that takes over. Nobody waits for what
services write any more, so a child of ours reads on and copies it, or they would stand still once their pipes are full.
"""

import os
import stat
import sys

from asyncinit import minimal
from asyncinit.linux import descriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

STATUS = 70  # core.outcome.INTERNAL_ERROR, which is out of reach here
_TIOCGPTN = 0x80045430  # asm-generic/ioctls.h; only the master of a pseudo-terminal knows its number
_CHUNK = 64 * 1024


def run(reason: str) -> "NoReturn":
    """Say why, and be the smallest loop until all is over; never raises."""
    try:
        print(f"asyncinit: {reason}", file=sys.stderr)
        print(
            "asyncinit: services go on unsupervised; they are only reaped, and SIGTERM ends them all",
            file=sys.stderr,
            flush=True,
        )
    except BaseException:
        pass  # nobody hears it
    try:
        _read_on()
    except BaseException:
        pass
    minimal.run(status=STATUS)


def _read_on() -> None:
    """Close all that is of no use to anybody now, and have a child copy what services write to our output."""
    outputs = []
    for fd in descriptors.inherited():
        if _is_output(fd):
            outputs.append(fd)
        else:
            os.close(fd)
    if outputs and os.fork() == 0:
        try:
            _copy(outputs)
        finally:
            os._exit(0)
    for fd in outputs:
        os.close(fd)


def _is_output(fd: int) -> bool:
    """Tell whether services write to the other end: a pipe that we read, or the master of a pseudo-terminal."""
    import fcntl

    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    if not os.isatty(fd):
        return False
    try:
        fcntl.ioctl(fd, _TIOCGPTN, b"\0" * 4)
    except OSError:
        return False
    return True


def _copy(outputs: "list[int]") -> None:
    """Copy until the last writer is gone; where nobody takes it, it is lost."""
    import select

    poll = select.poll()
    for fd in outputs:
        poll.register(fd, select.POLLIN)
    while outputs:
        for fd, _ in poll.poll():
            try:
                data = os.read(fd, _CHUNK)
            except OSError:  # EIO: the last one has closed the pseudo-terminal
                data = b""
            if not data:
                poll.unregister(fd)
                outputs.remove(fd)
            _write(data)


def _write(data: bytes) -> None:
    import select

    while data:
        try:
            data = data[os.write(1, data) :]
        except BlockingIOError:
            room = select.poll()
            room.register(1, select.POLLOUT)
            room.poll()
        except OSError:
            return
