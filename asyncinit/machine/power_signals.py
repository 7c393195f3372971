"""The signals by which PID 1 of a machine is asked for its end, of two families of programs; knows who handles none.

busybox's are signals of their own for each end; systemd's are real-time signals, which are sent to it in a container
too. ctrl-alt-del (SIGINT) and SIGPWR are the kernel's, and take a thought. Needs no more than what stands in for an
asyncinit that has failed may need.
"""

from __future__ import annotations

import signal

from asyncinit.linux.reboot import How

BUSYBOX: dict[int, How] = {
    signal.SIGUSR1: How.HALT,
    signal.SIGUSR2: How.POWER_OFF,
    signal.SIGTERM: How.RESTART,
}
"""All in good order."""

_SYSTEMD = (How.HALT, How.POWER_OFF, How.RESTART, How.KEXEC)
SYSTEMD: dict[int, How] = {signal.SIGRTMIN + 3 + place: how for place, how in enumerate(_SYSTEMD)}
"""In good order."""
SYSTEMD_AT_ONCE: dict[int, How] = {signal.SIGRTMIN + 13 + place: how for place, how in enumerate(_SYSTEMD)}
"""Without stopping anything first."""


def asking_for(how: How, at_once: bool) -> int:
    """Return the signal by which an end is asked for."""
    return next(number for number, one in (SYSTEMD_AT_ONCE if at_once else SYSTEMD).items() if one is how)
