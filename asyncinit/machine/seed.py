"""Randomness that is kept from one life of the machine to the next; knows no device.

A seed is used once: before it is given to the kernel it is replaced, on the disk, by one that is made from it and from
what the kernel has. One that cannot be replaced (a read-only disk, an image that many machines share) is mixed in as
well, which harms nobody, but never credited.
"""

from __future__ import annotations

import os

from asyncinit.errors import why
from asyncinit.linux import entropy
from asyncinit.machine.system import System
from asyncinit.machine.written import make_folder, replace_file

SEED = "/var/lib/asyncinit/random-seed"

_SIZE = 64  # as many bytes as SHA-512 has; the kernel's pool has 32


def load(system: System) -> str:
    """Give the kept seed to the kernel; return what is odd about that."""
    try:
        fd = os.open(system.path(SEED), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return "there is none yet"
    try:
        old = os.read(fd, 4096)
    finally:
        os.close(fd)
    told = system.words.credit_seed
    try:
        _write(system, _next(old, entropy.available(_SIZE) or b""))
    except OSError as error:
        entropy.mix_in(old)
        text = f"it cannot be renewed ({why(error.errno or 0)})"
        return f"{text}, and so is not credited" if told else text
    if told and len(old) >= _SIZE:
        entropy.credit(old)
        return "credited"
    entropy.mix_in(old)
    return ""


def save(system: System) -> str:
    """Leave a seed for the next boot; raises OSError. Called at shutdown, while /var is still there."""
    fresh = entropy.available(_SIZE)
    if fresh is None:
        return "the kernel has none to keep yet"
    make_folder(system.path(SEED))
    _write(system, fresh)
    return ""


def _write(system: System, data: bytes) -> None:
    replace_file(system.path(SEED), data, 0o600)


def _next(old: bytes, fresh: bytes) -> bytes:
    """Return a seed that is unknown to who knows one of the two."""
    from hashlib import sha512  # only in the child that does this

    return sha512(b"asyncinit seed\0" + len(old).to_bytes(4, "little") + old + fresh).digest()
