"""Taking storage out of use: umount(2), a remount as read-only, swapoff(2); must not know in which order.

All of it may block for as long as a device or a server does not answer, so it is called in a child with a deadline.
Raises OSError.
"""

from __future__ import annotations

import os
from enum import IntFlag

from asyncinit.linux.libc import call
from asyncinit.linux.mounts import unescaped

_MS_RDONLY = 1  # <sys/mount.h>
_MS_REMOUNT = 0x20


class How(IntFlag):
    """How a mount is taken away: flags of umount2(2)."""

    PLAINLY = 0
    FORCE = 1
    """What waits for the server of a network or user-space file system gets an error."""
    DETACH = 2
    """Only its place is given back: the file system stays until nobody uses it."""
    NO_FOLLOW = 8
    """Its place is not taken for a symbolic link."""


def unmount(place: str, how: How = How.PLAINLY) -> None:
    """Take away what is mounted, as the last one, at `place`."""
    _call("umount2", os.fsencode(place), how | How.NO_FOLLOW)


def remount_read_only(place: str) -> None:
    """Have the file system that is mounted at `place` written no more; what is buffered is written first."""
    _call("mount", None, os.fsencode(place), None, _MS_REMOUNT | _MS_RDONLY, None)


def swap_off(path: str) -> None:
    """Have no memory on a device or file any more: what is there comes back, if there is room for it."""
    _call("swapoff", os.fsencode(path))


def _call(name: str, *arguments: bytes | int | None) -> None:
    """Call a function; its error is the kernel's, without the function's name in the place of a file's."""
    try:
        call(name, *arguments)
    except OSError as error:
        raise OSError(error.errno, error.strerror) from None


def swaps(path: str = "/proc/swaps") -> list[str]:
    """Return the devices and files on which memory is swapped out; none where nobody can tell."""
    try:
        with open(path, "rb") as file:
            lines = file.read().splitlines()[1:]
    except OSError:
        return []
    return [unescaped(line.split()[0]) for line in lines if line.split()]
