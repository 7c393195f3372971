"""A clock that is wrong at boot: no battery, no driver yet, a year that nobody means; knows no network.

The system's clock never begins before the newest time that is known: that of the stamp, which every shutdown leaves,
and that of asyncinit itself. So certificates are valid, files do not lie in the future, and logs go forward.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from asyncinit.linux import clock
from asyncinit.machine.system import System

STAMP = "/var/lib/asyncinit/clock"
"""Its time of change is that of the last shutdown."""

BUILT = 1_793_491_200.0
"""2026-11-01: no asyncinit of this version has run before that."""

_STAMPS = (STAMP, "/var/lib/systemd/timesync/clock")
_RTC = "/dev/rtc0"
_TOO_LATE = 30 * 365.25 * 86_400.0  # after a release nobody means a year so far away: a clock that has lost its battery


def newest_known(system: System) -> tuple[float, str]:
    """Return the newest time that cannot be in the future, and how it is known."""
    known = [(BUILT, "asyncinit's own")]
    for name in (*_STAMPS, __file__):
        try:
            path = name if name == __file__ else system.path(name)
            known.append((os.stat(path).st_mtime, "asyncinit's own" if name == __file__ else name))
        except OSError:
            continue
    return max(one for one in known if one[0] < BUILT + _TOO_LATE)


def correct(
    system: System,
    now: Callable[[], float] = time.time,
    read_rtc: Callable[[str], float] = clock.read_rtc,
    set_clock: Callable[[float], None] = clock.set_clock,
) -> str:
    """Set a clock that is wrong from the hardware's, or from the newest time that is known."""
    newest, source = newest_known(system)
    found = now()
    if newest <= found < BUILT + _TOO_LATE:
        return ""
    try:
        kept = read_rtc(system.path(_RTC))
    except OSError:
        kept = 0.0
    if newest <= kept < BUILT + _TOO_LATE:
        newest, source = kept, _RTC
    set_clock(newest)
    return f"it was {_text(found)}; now it is {_text(newest)}, of {source}"


def save(system: System) -> str:
    """Leave the time for the next boot; raises OSError. Called at shutdown, while /var is still there."""
    path = system.path(STAMP)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.utime(fd)
    finally:
        os.close(fd)
    return ""


def _text(moment: float) -> str:
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    except (OverflowError, ValueError, OSError):
        return f"{moment:.0f}"
