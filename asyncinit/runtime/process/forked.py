"""A forked child that goes on in our program, with nothing of ours but what it is given; knows not what it is for.

Descriptors closed, /dev/null on 0 to 2, a session of its own, killed when we end.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable
from typing import NoReturn

from asyncinit.errors import SpawnError
from asyncinit.linux.close_range import close_all_but
from asyncinit.linux.process import set_parent_death_signal
from asyncinit.runtime.process import child

Serve = Callable[[int, int], NoReturn]
"""What the child does, given the writing end of its pipe and its parent: first of all `settle`; it never returns."""


def fork(serve: Serve) -> tuple[int, int]:
    """Return the pid of a child that calls `serve`, and the pipe to read from, which does not block.

    Raises SpawnError.
    """
    try:
        reader, writer = os.pipe2(os.O_CLOEXEC)
    except OSError as error:
        raise SpawnError("make a pipe", error.errno or 0) from error
    try:
        parent = os.getpid()
        pid = child.fork()
        if pid == 0:
            serve(writer, parent)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    os.set_blocking(reader, False)
    return pid, reader


def settle(writer: int, parent: int, keep: tuple[int, ...] = ()) -> int:
    """In the child: leave behind what is the parent's but `writer` and `keep`; return the writer's new number.

    All signals are still blocked then (`linux.signals.reset_in_child`).
    """
    os.setsid()
    set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    return _only(writer, keep)


def _only(writer: int, keep: tuple[int, ...]) -> int:
    """Close all descriptors but `writer` and `keep`, put /dev/null on 0 to 2 if there is one; return the new number."""
    if writer < 3:
        writer = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
    except OSError:
        os.closerange(0, 3)
    close_all_but(writer, *keep)
    return writer


def write_all(writer: int, data: bytes) -> None:
    """In the child: write all of `data`."""
    while data:
        data = data[os.write(writer, data) :]
