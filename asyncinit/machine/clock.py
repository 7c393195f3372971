"""A clock that is wrong at boot: no battery, no driver yet, a year that nobody means; knows no network.

The system's clock never begins before the newest time that is known: that of the stamp, which every shutdown leaves,
and that of asyncinit itself. So certificates are valid, files do not lie in the future, and logs go forward. A time
that was set so is a guess, and remembered as one: a hardware clock that is seen only later knows better.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

from asyncinit.linux import clock
from asyncinit.machine.system import System
from asyncinit.machine.written import make_folder

STAMP = "/var/lib/asyncinit/clock"
"""Its time of change is that of the last shutdown."""

BUILT = 1_793_491_200.0
"""2026-11-01: no asyncinit of this version has run before that."""

GUESS = "/run/asyncinit/clock"
"""Whether the clock was set by a guess in this boot: it has then the moment of the boot, by that guess."""

_STAMPS = (STAMP, "/var/lib/systemd/timesync/clock")
_RTC = "/dev/rtc0"
_HOW_KEPT = "/etc/adjtime"  # of hwclock(8): UTC or LOCAL in its third line
_STEP = 1.5  # seconds; more than a leap second, less than anybody sets a clock by
_AGREE = 1.5  # seconds; a hardware clock knows whole ones
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
    """Set a clock that is wrong, or was guessed, from the hardware's; a wrong one else from the newest known time."""
    newest, source = newest_known(system)
    found = now()
    plausible = newest <= found < BUILT + _TOO_LATE
    if plausible and not is_guess(system, found):
        return ""
    kept = _of_hardware(system, read_rtc)
    better = newest <= kept < BUILT + _TOO_LATE
    if plausible and not (better and kept > found):
        return ""
    if better:
        newest, source = kept, _RTC
    set_clock(newest)
    _note_guess(system, None if better else newest)
    return f"it was {_text(found)}; now it is {_text(newest)}, of {source}"


def _of_hardware(system: System, read_rtc: Callable[[str], float]) -> float:
    """Return the hardware clock's time; 0.0 where there is none, or none that we can read."""
    try:
        return 0.0 if is_local(system) else read_rtc(system.path(_RTC))
    except OSError:
        return 0.0


def is_local(system: System) -> bool:
    """Tell whether the hardware clock has local time, as hwclock(8) remembers it: such a one we leave alone."""
    try:
        return system.text(_HOW_KEPT).splitlines()[2].strip() == "LOCAL"
    except (OSError, IndexError):
        return False


def is_guess(system: System, moment: float) -> bool:
    """Tell whether the system's clock, which says `moment`, is still what we have guessed: nobody has set it since."""
    try:
        booted = float(system.text(GUESS))
    except (OSError, ValueError):
        return False
    return abs(moment - time.clock_gettime(time.CLOCK_BOOTTIME) - booted) < _STEP


def _note_guess(system: System, moment: float | None) -> None:
    """Remember that the clock was guessed to be at `moment` now; None: it is none (any more)."""
    path = system.path(GUESS)
    if moment is None:
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    make_folder(path)
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{moment - time.clock_gettime(time.CLOCK_BOOTTIME)}\n")


def keep_in_hardware(
    system: System,
    now: Callable[[], float] = time.time,
    read_rtc: Callable[[str], float] = clock.read_rtc,
    write_rtc: Callable[[float, str], None] = clock.write_rtc,
    is_synchronised: Callable[[], bool] = clock.is_synchronised,
) -> str:
    """Give the hardware clock the system's time, unless they agree; raises OSError. The kernel does so with NTP alone.

    A guess is not given to it, which may have been right all the time.
    """
    if is_local(system):
        return ""
    path = system.path(_RTC)
    try:
        differs = abs(read_rtc(path) - now()) > _AGREE
    except FileNotFoundError:
        return ""  # there is none: the stamp is what is kept
    if differs and (is_synchronised() or not is_guess(system, now())):
        write_rtc(now(), path)
    return ""


def save(system: System) -> str:
    """Leave the time for the next boot; raises OSError. Called at shutdown, while /var is still there."""
    path = system.path(STAMP)
    make_folder(path)
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
