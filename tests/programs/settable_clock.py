"""asyncinit with a wall clock of its own, which a test can set without setting the machine's.

Lines of seconds that are written to the FIFO named by SETTABLE_CLOCK move it by so much against the machine's, and it
is as when somebody sets the clock: every timer on it becomes readable and reads as ECANCELED. The timers themselves are
the kernel's, armed for the moment at which the machine's clock will show what is meant.
"""

from __future__ import annotations

import os
import runpy
import select
import sys
import time

from asyncinit.linux import timerfd

_fifo = os.open(os.environ.pop("SETTABLE_CLOCK"), os.O_RDWR | os.O_NONBLOCK)
_offset = 0.0
_time, _make, _arm, _take = time.time, timerfd.timerfd_realtime, timerfd.arm, timerfd.take
_inner: dict[int, int] = {}


def _set() -> bool:
    """Take what was written; tell whether the clock was set."""
    global _offset
    try:
        lines = os.read(_fifo, 65536).split()
    except BlockingIOError:
        return False
    _offset = float(lines[-1])
    return True


def _timerfd() -> int:
    outer, inner = select.epoll(), _make()
    outer.register(inner, select.EPOLLIN)
    outer.register(_fifo, select.EPOLLIN)
    fd = os.dup(outer.fileno())
    _inner[fd] = inner
    return fd


_set()
time.time = lambda: _time() + _offset
timerfd.timerfd_realtime = _timerfd
timerfd.arm = lambda fd, moment: _arm(_inner[fd], moment - _offset)
timerfd.take = lambda fd: _set() or _take(_inner[fd])
sys.argv[0] = "asyncinit"
runpy.run_module("asyncinit", run_name="__main__", alter_sys=True)
