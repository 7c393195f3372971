"""Look once at a path: is it there, does a socket listen, which pid is in it; plain functions, no loop, no services.

Each asks the file system, which may hang, so the caller decides whether it runs here or in a child. Results are plain
data that can be sent over a pipe. None raises.
"""

from __future__ import annotations

import errno
import os
import socket
import stat

from asyncinit.runtime.ready.liveness import MAX_PID
from asyncinit.runtime.ready.plain_text import obstacle_of, one_line

_MAX_UNIX_PATH = 107  # sun_path, less the NUL
_MAX_PID_FILE = 64 * 1024

Identity = tuple[int, int, int, int]


def file_obstacle(path: bytes) -> str:
    """Return "" if `path` exists (a symbolic link: what it points to), else why not."""
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and _is_link(path):
            return "symbolic link to a file that does not exist"
        return obstacle_of(error)
    return ""


def unix_obstacle(address: bytes) -> str:
    """Return "" if a socket of any type takes a connection at `address` (a path, or NUL and a name), else why not."""
    obstacle = ""
    # Where only the type is wrong the kernel says EPROTOTYPE for a path, ECONNREFUSED for a name.
    wrong_type = errno.ECONNREFUSED if address[:1] == b"\0" else errno.EPROTOTYPE
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        try:
            with socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as probe:
                _connect(probe, address)
            return ""
        except BlockingIOError:
            return "its queue of connections is full"
        except (OSError, ValueError) as error:
            obstacle = obstacle_of(error)
            if not isinstance(error, OSError) or error.errno != wrong_type:
                break
    return obstacle


def read_pid(path: bytes, stale: Identity | None = None) -> int | str:
    """Return the pid in the first line of the file, or why there is none.

    Only a regular file is opened: opening a device or a FIFO may do more than look. While it is `stale` it is not
    looked into.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            return "not a regular file"
        if stale == _identity(found):
            return "left by an earlier run"
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            data = os.read(descriptor, _MAX_PID_FILE)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        return obstacle_of(error)
    return parse_pid(data)


def parse_pid(data: bytes) -> int | str:
    """Return the pid that the first line of `data` is, or what is wrong with it."""
    line = data.partition(b"\n")[0].strip()
    if not line:
        return "empty"
    # Digits only and few of them before int(): it takes signs, underscores and blanks, and raises for thousands.
    if not line.isdigit() or len(line) > 10 or not 1 < int(line) <= MAX_PID:
        return f"no process id in it: {one_line(line, 40)}"
    return int(line)


def identity(path: bytes) -> Identity | None:
    """Return what tells one writing of a file from the next, None where there is no file."""
    try:
        return _identity(os.stat(path))
    except (OSError, ValueError):
        return None


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _connect(probe: socket.socket, address: bytes) -> None:
    if address[:1] == b"\0" or len(address) <= _MAX_UNIX_PATH:
        probe.connect(address)
        return
    # A longer path can't be said to the kernel at once, but from its folder it is short.
    folder, name = os.path.split(address)
    descriptor = os.open(folder or b".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        probe.connect(b"/proc/self/fd/%d/%s" % (descriptor, name))
    finally:
        os.close(descriptor)


def _is_link(path: bytes) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False
