"""The kernel's random numbers: what can be had without waiting, and what is given to it; knows no file."""

from __future__ import annotations

import fcntl
import os
import struct

_RNDADDENTROPY = 0x40085203  # <linux/random.h>
_HEADER = struct.Struct("=ii")  # struct rand_pool_info: how many bits it is worth, how many bytes


def available(size: int) -> bytes | None:
    """Return random bytes where the kernel has collected enough for good ones; never waits for it."""
    try:
        return os.getrandom(size, os.GRND_NONBLOCK)
    except BlockingIOError:
        return None


def mix_in(data: bytes, path: str = "/dev/urandom") -> None:
    """Add data to the pool, worth nothing: it can make it no worse, whoever knows it. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def credit(data: bytes, path: str = "/dev/urandom") -> None:
    """Add data to the pool as good for all of its bits; raises OSError. Nobody else may know it, or have used it."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _RNDADDENTROPY, _HEADER.pack(8 * len(data), len(data)) + data)
    finally:
        os.close(fd)
