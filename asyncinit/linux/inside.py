"""Files below a folder that is to be somebody's root, looked at from outside; must not know whose.

A symbolic link in there leads where it will lead for who has it as root, never out of it (openat2(2), Linux 5.6).
"""

from __future__ import annotations

import os
import struct

from asyncinit.linux.libc import call

_OPENAT2 = 437  # the same on all machines
_RESOLVE_IN_ROOT = 0x10  # <linux/openat2.h>
_RESOLVE_NO_MAGICLINKS = 0x02
_HOW = struct.Struct("=QQQ")  # struct open_how: flags, mode, resolve


def open_inside(root: str, path: str) -> int:
    """Open the file `path` of `root` for reading, and return a close-on-exec descriptor. Raises OSError."""
    import ctypes

    folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = _HOW.pack(os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        flags = ctypes.create_string_buffer(how, len(how))
        name = ctypes.create_string_buffer(os.fsencode(path))
        return call("syscall", _OPENAT2, folder, ctypes.addressof(name), ctypes.addressof(flags), len(how))
    finally:
        os.close(folder)
