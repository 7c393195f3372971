"""What is left where asyncinit cannot go on: whose output is read on (the whole is tested as real PID 1)."""

from __future__ import annotations

import os
import socket

from asyncinit import fallback
from asyncinit.core.outcome import INTERNAL_ERROR
from asyncinit.linux.terminal import open_pty


def test_outputs_are_told_from_everything_else() -> None:
    """Pipes that we read and masters of terminals; no file, socket, writing end, nor a pipe between two services."""
    output, theirs = os.pipe()
    os.close(theirs)
    between = os.pipe()
    master, slave = open_pty()
    here, there = socket.socketpair()
    null = os.open("/dev/null", os.O_RDONLY)
    ours = [output, *between, master, slave, here.fileno(), null]
    try:
        assert fallback.find_outputs(ours) == [output, master]
    finally:
        here.close()
        there.close()
        for fd in (output, *between, master, slave, null):
            os.close(fd)


def test_the_status_is_that_of_an_internal_error() -> None:
    assert fallback.STATUS == INTERNAL_ERROR
