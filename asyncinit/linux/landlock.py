"""Landlock: a process gives up files and ports, for itself and all that comes of it; must not know for whom.

Works without any right, after no_new_privs. A kernel has a version of it (ABI), and each adds something that can be
refused: what an older one does not know stays allowed, and `handled` tells what is not. See landlock(7).
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterable
from enum import IntFlag

from asyncinit.linux.libc import call

_CREATE_RULESET = 444  # the same number on every architecture
_ADD_RULE = 445
_RESTRICT_SELF = 446
_VERSION_ONLY = 1  # LANDLOCK_CREATE_RULESET_VERSION, <linux/landlock.h>
_PATH_BENEATH = 1
_NET_PORT = 2


class Access(IntFlag):
    """What can be refused on a file and below a folder."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13  # ABI 2, Linux 5.19
    TRUNCATE = 1 << 14  # ABI 3, 6.2
    IOCTL_DEV = 1 << 15  # ABI 5, 6.10


READ = Access.READ_FILE | Access.READ_DIR
EXECUTE = READ | Access.EXECUTE
WRITE = Access((1 << 16) - 1) & ~Access.EXECUTE
_OF_A_FILE = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE | Access.IOCTL_DEV


class Port(IntFlag):
    """What can be refused on a TCP port."""

    BIND = 1 << 0  # ABI 4, 6.7
    CONNECT = 1 << 1


def version() -> int:
    """Return the kernel's ABI of landlock. Raises OSError: ENOSYS, not built in; EOPNOTSUPP, switched off at boot."""
    return call("syscall", _CREATE_RULESET, 0, 0, _VERSION_ONLY)


def handled(abi: int) -> Access:
    """Return what a kernel of this ABI can refuse on files."""
    most = {1: Access.MAKE_SYM, 2: Access.REFER, 3: Access.TRUNCATE, 4: Access.TRUNCATE}.get(abi, Access.IOCTL_DEV)
    return Access(most * 2 - 1)


def has_ports(abi: int) -> bool:
    """Tell whether a kernel of this ABI can refuse ports."""
    return abi >= 4


class Ruleset:
    """What will be allowed of what can be refused; a descriptor, close-on-exec."""

    def __init__(self, files: Access, ports: Port) -> None:
        import ctypes

        self.files = files
        # A kernel before ABI 4 takes the first field alone.
        attributes = struct.pack("=QQ", files, ports) if ports else struct.pack("=Q", files)
        buffer = ctypes.create_string_buffer(attributes, len(attributes))
        self.fd = call("syscall", _CREATE_RULESET, ctypes.addressof(buffer), len(attributes), 0)

    def allow_beneath(self, path: str, access: Access) -> None:
        """Allow `access` on the file at `path`, or on all below the folder."""
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                access &= _OF_A_FILE
            self._add(_PATH_BENEATH, struct.pack("=Qi", access & self.files, fd))
        finally:
            os.close(fd)

    def allow_ports(self, ports: Iterable[int], access: Port) -> None:
        """Allow `access` on TCP ports."""
        for port in ports:
            self._add(_NET_PORT, struct.pack("=QQ", access, port))

    def _add(self, kind: int, attributes: bytes) -> None:
        import ctypes

        buffer = ctypes.create_string_buffer(attributes, len(attributes))
        call("syscall", _ADD_RULE, self.fd, kind, ctypes.addressof(buffer), 0)

    def enforce(self) -> None:
        """Give up all else, for good. Raises OSError: EPERM without no_new_privs and CAP_SYS_ADMIN."""
        try:
            call("syscall", _RESTRICT_SELF, self.fd, 0)
        finally:
            os.close(self.fd)


def why_not() -> str:
    """Return why this kernel has no landlock, or "" if it has."""
    try:
        version()
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return "landlock is switched off in this kernel (it is not in lsm= of its command line)"
        if error.errno == errno.ENOSYS:
            return "this kernel has no landlock (Linux 5.13, CONFIG_SECURITY_LANDLOCK)"
        return f"landlock cannot be used: {error.strerror}"
    return ""
