"""When the kernel handed over to user space, by the kernel's log; writes one line there to compare the clocks."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from asyncinit.machine.boot_log import BootLog

_RECORD = re.compile(rb"\d+,\d+,(\d+),[^;]*;([^\n]*)")
_HANDED_OVER = re.compile(rb"Run \S+ as init process")
_MOST = 100_000  # records; a kernel that logs faster than we read must not hold us
_ONE = 8192  # the kernel's records are no longer (CONSOLE_EXT_LOG_MAX)


def handed_over(log: BootLog, marker: str, path: str = "/dev/kmsg") -> float | None:
    """Return the moment by CLOCK_MONOTONIC at which the kernel started its init; None where it has not told.

    `marker` is written to `log`: the time that the kernel notes beside it is the same moment by its log's clock.
    """
    log.tell(marker)
    now = time.monotonic()
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return find(lambda: os.read(fd, _ONE), marker, now)
    finally:
        os.close(fd)


def find(read: Callable[[], bytes], marker: str, now: float) -> float | None:
    """Look through the records that `read` gives, one a call, up to the `marker`, which was written at `now`."""
    started: float | None = None
    for _ in range(_MOST):
        try:
            found = _RECORD.match(read())
        except BrokenPipeError:
            continue  # overwritten before it was read; the next one is there
        except OSError:
            return None  # there is no more, and no marker: nothing to compare with
        if found is None:
            continue
        moment, text = int(found[1]) / 1e6, found[2]
        if _HANDED_OVER.search(text):
            started = moment
        elif text.endswith(marker.encode()):
            return None if started is None else started + now - moment
    return None
