"""Go down into folders step by step, as root through no symbolic link that somebody else may have put there.

Each step goes from the descriptor of the folder before, so what is renamed meanwhile cannot lead elsewhere. Who is not
root can only be led to where his own rights end.
"""

from __future__ import annotations

import errno
import os
import stat

_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PARENT_MODE = 0o755


class StrangeLinkError(OSError):
    """A symbolic link, or a second name of a file, in a folder that others may write to; `filename` is its name."""

    def __init__(self, name: str, what: str = "a symbolic link") -> None:
        super().__init__(errno.ELOOP, f"{name} is {what} in a directory that others may write to", name)


def enter(fd: int, name: str) -> int:
    """Open the directory `name` of `fd`; as root through a symbolic link only if root has made it. Raises OSError."""
    try:
        return os.open(name, _READ | os.O_NOFOLLOW, dir_fd=fd)
    except OSError as error:
        if not stat.S_ISLNK(os.lstat(name, dir_fd=fd).st_mode):
            raise error
    if open_to_others(fd):
        raise StrangeLinkError(name)
    return os.open(name, _READ, dir_fd=fd)


def open_to_others(fd: int) -> bool:
    """Tell whether we are root and others than root may put something into the directory `fd`."""
    above = os.fstat(fd)
    return os.geteuid() == 0 and (above.st_uid != 0 or bool(above.st_mode & 0o022))


def open_folder(path: str, make: bool = False) -> int:
    """Open the directory at the absolute `path`; with `make`, what is missing of it is made. Raises OSError."""
    fd = os.open("/", _READ)
    try:
        for part in filter(None, path.split("/")):
            try:
                inner = enter(fd, part)
            except FileNotFoundError:
                if not make:
                    raise
                try:
                    os.mkdir(part, _PARENT_MODE, dir_fd=fd)
                except FileExistsError:
                    pass
                inner = enter(fd, part)
            os.close(fd)
            fd = inner
    except BaseException:
        os.close(fd)
        raise
    return fd


def open_to_append(folder: int, name: str, mode: int) -> tuple[int, bool]:
    """Open the regular file `name` of `folder` for reading and appending; return it, and whether it is new.

    A new one gets `mode`. Neither a symbolic link nor, in a folder of others, a file that has a second name is opened:
    either could be somebody's way to have us write to what is not his. Raises OSError.
    """
    # Not blocking: it could be a named pipe, which is refused below.
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    new = True
    try:
        fd = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
    except FileExistsError:
        new = False
        try:
            fd = os.open(name, flags, dir_fd=folder)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OSError(errno.ELOOP, "it is a symbolic link", name) from error
            raise
    try:
        if new:
            os.fchmod(fd, mode)
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", name)
        if found.st_nlink > 1 and open_to_others(folder):
            raise StrangeLinkError(name, "a file with another name")
    except BaseException:
        os.close(fd)
        raise
    return fd, new
