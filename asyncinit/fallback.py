"""What is left where asyncinit can't go on: services run on unsupervised, and SIGTERM ends everything.

For a program that fails after an exec although it said it would not, and for one that fails again and again. Imports
nothing that may be broken: it is loaded before anything else of a program that takes over. Nobody waits for what
services write any more, so a child of ours reads on and copies it, or they would stand still once their pipes are full.
"""

import os
import stat

from asyncinit import minimal
from asyncinit.linux import descriptors, proc
from asyncinit.linux.oom_score import own_score
from asyncinit.machine import recognition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

STATUS = 70  # core.outcome.INTERNAL_ERROR, which is out of reach here
_TIOCGPTN = 0x80045430  # asm-generic/ioctls.h; only the master of a pseudo-terminal knows its number
_CHUNK = 64 * 1024

_stand_in: "Callable[[str], NoReturn] | None" = None
if recognition.is_first():  # now, before what may be broken; elsewhere nobody needs it
    try:
        from asyncinit.machine import stand_in

        _stand_in = stand_in.run
    except BaseException as error:
        minimal.say(f"asyncinit: cannot import what would stand in: {type(error).__name__}: {error}")


def run(reason: str) -> "NoReturn":
    """Say why, and be the smallest loop until all is over, on a machine with a shell; never raises."""
    first = recognition.is_first()
    if first and _stand_in is not None:
        _read_on()
        _stand_in(reason)
    minimal.say(f"asyncinit: {reason}")
    if first:
        minimal.say("asyncinit: nothing is supervised any more; what runs goes on. SIGTERM or ctrl-alt-del reboots")
    else:
        minimal.say("asyncinit: services go on unsupervised; they are only reaped, and SIGTERM ends them all")
    _read_on()
    minimal.run(status=STATUS, stay=first)


def _read_on() -> None:
    """Close all that is of no use to anybody now, and have a child copy what services write; never raises."""
    try:
        _hand_outputs_on()
    except BaseException:
        pass


def _hand_outputs_on() -> None:
    # These know numbers of theirs, and would close them once more, whatever they are by then.
    own_score.close()
    proc.drop_spare()
    ours = descriptors.inherited()
    outputs = find_outputs(ours)
    for fd in set(ours).difference(outputs):
        os.close(fd)
    if outputs and os.fork() == 0:
        try:
            _copy(outputs)
        finally:
            os._exit(0)
    for fd in outputs:
        os.close(fd)


def find_outputs(fds: "list[int]") -> "list[int]":
    """Return those to whose other end services write: pipes that we read, and masters of pseudo-terminals.

    Not a pipe of which we hold both ends: it leads from services to one that reads it.
    """
    import fcntl

    pipes = {fd: os.fstat(fd).st_ino for fd in fds if stat.S_ISFIFO(os.fstat(fd).st_mode)}
    read = {fd for fd in pipes if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY}
    written = {inode for fd, inode in pipes.items() if fd not in read}
    return [fd for fd in fds if (fd in read and pipes[fd] not in written) or _is_master(fd)]


def _is_master(fd: int) -> bool:
    import fcntl

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
