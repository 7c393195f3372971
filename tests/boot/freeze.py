"""Runs in the machine of `test_survival`: do to PID 1 what a bug would do. `freeze.py stop | fault`.

`stop` holds it, as a loop that hangs (SIGSTOP does not reach it); `fault` sends it where no memory is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

_SEIZE, _INTERRUPT, _POKEUSER, _DETACH = 0x4206, 0x4207, 6, 17  # <sys/ptrace.h>
_RIP = 16 * 8  # <sys/user.h>, x86-64

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def trace(request: int, address: int = 0, data: int = 0) -> None:
    """Do something to PID 1."""
    if libc.ptrace(request, 1, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    trace(_SEIZE)
    trace(_INTERRUPT)
    os.waitpid(1, 0x40000000)
    if sys.argv[1] == "fault":
        trace(_POKEUSER, _RIP, 0)
        trace(_DETACH)
    time.sleep(1000)
