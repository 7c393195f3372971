"""Capabilities of this process, by number: what it holds, what it gives up; must not know their names or a service.

A set is an integer with a bit for each capability, as /proc/PID/status shows it. All functions concern the thread that
calls them, of which there is one, and raise OSError as the kernel gives it. See capabilities(7).
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from asyncinit.linux.libc import call

_PR_SET_KEEPCAPS = 8  # <linux/prctl.h>
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3, <linux/capability.h>
_MOST = 64

SETGID = 6
SETUID = 7
SETPCAP = 8


class Sets(NamedTuple):
    """What a process may do now, what it may take, and what an executed program may keep of that."""

    effective: int
    permitted: int
    inheritable: int


def held() -> Sets:
    """Return the sets of this process (capget(2))."""
    import ctypes

    header, data = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    call("capget", ctypes.addressof(header), ctypes.addressof(data))
    return Sets(*(data[part] | data[part + 3] << 32 for part in range(3)))


def set_held(sets: Sets) -> None:
    """Set the three sets: permitted can only become less (capset(2))."""
    import ctypes

    header, data = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    for part, bits in enumerate(sets):
        data[part], data[part + 3] = bits & 0xFFFFFFFF, bits >> 32
    call("capset", ctypes.addressof(header), ctypes.addressof(data))


def bounding() -> int:
    """Return the bounding set: what no executed program can go beyond."""
    bits = 0
    for number in range(_MOST):
        try:
            bits |= call("prctl", _PR_CAPBSET_READ, number) << number
        except OSError as error:
            if error.errno == errno.EINVAL:  # the first number that this kernel does not know
                break
            raise
    return bits


def limit_bounding(most: int) -> None:
    """Give up for good what is not in `most`: no program that we execute has it. Needs CAP_SETPCAP."""
    surplus = bounding() & ~most
    for number in range(_MOST):
        if surplus >> number & 1:
            call("prctl", _PR_CAPBSET_DROP, number)


def keep_over_change_of_user(enabled: bool) -> None:
    """Say whether the permitted set survives that root becomes somebody else, until the next exec (PR_SET_KEEPCAPS)."""
    call("prctl", _PR_SET_KEEPCAPS, int(enabled))


def set_ambient(bits: int) -> None:
    """Set what an executed program without any privilege of its own keeps (4.3).

    All of it must be permitted and inheritable.
    """
    call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    for number in range(_MOST):
        if bits >> number & 1:
            call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)
