"""Mounting by descriptors: a mount is made or copied first, and put at its place afterwards; must not know what for.

What open_tree(2), fsopen(2) and move_mount(2) (Linux 5.2) give over mount(2): a mount can be changed before anybody
sees it, and the place that it is taken from and the place where it goes can lie in roots that do not see each other.
Raises OSError as the kernel gives it; what a file system says beyond that is its text.
"""

from __future__ import annotations

import errno
import os

from asyncinit.linux.libc import call

_OPEN_TREE = 428  # the same on all machines
_MOVE_MOUNT = 429
_FSOPEN = 430
_FSCONFIG = 431
_FSMOUNT = 432
_MOUNT_SETATTR = 442

_AT_FDCWD = -100  # <fcntl.h>
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1  # <linux/mount.h>
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_MOVE_MOUNT_T_SYMLINKS = 0x10
_FSOPEN_CLOEXEC = 1
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6
_FSMOUNT_CLOEXEC = 1

READ_ONLY = 1
"""MOUNT_ATTR_RDONLY."""

NOSUID = 2
NODEV = 4
NOEXEC = 8

_MS_MOVE = 0x2000  # <sys/mount.h>
_MS_REC = 0x4000
_MS_SLAVE = 1 << 19
_MNT_DETACH = 2


class FileSystemError(OSError):
    """A file system was refused, and it said why."""


def keep_to_ourselves() -> None:
    """Let nothing that is mounted in our mount namespace appear elsewhere; what is unmounted outside goes here too."""
    call("mount", b"none", b"/", None, _MS_REC | _MS_SLAVE, None)


def copy(path: str, recursive: bool) -> int:
    """Return a mount, at no place yet, that shows the file or folder `path`; `recursive`: with all mounts below it."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | (_AT_RECURSIVE if recursive else 0)
    return _call(_OPEN_TREE, _AT_FDCWD, path, flags)


def make(kind: str, options: dict[str, str], attributes: int = 0, read_only: bool = False) -> int:
    """Return a mount, at no place yet, of a new file system of type `kind`; `read_only`: as a whole."""
    context = _call(_FSOPEN, kind, _FSOPEN_CLOEXEC)
    try:
        for key, value in {"source": kind, **options}.items():
            _call(_FSCONFIG, context, _FSCONFIG_SET_STRING, key, value, 0)
        if read_only:
            _call(_FSCONFIG, context, _FSCONFIG_SET_FLAG, "ro", None, 0)
        _call(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _call(_FSMOUNT, context, _FSMOUNT_CLOEXEC, attributes)
    except OSError as error:
        text = _complaint(context)
        if not text:
            raise
        raise FileSystemError(error.errno or 0, text) from error
    finally:
        os.close(context)


def _complaint(context: int) -> str:
    """Return the last error that a file system has told of its own making, or ""."""
    text = ""
    for _ in range(16):
        try:
            message = os.read(context, 1024).decode(errors="replace").strip()
        except OSError:
            break
        if message.startswith("e "):
            text = message[2:]
    return text


def put(mount: int, path: str) -> None:
    """Put a mount that has no place yet to `path`, over what is there."""
    _call(_MOVE_MOUNT, mount, "", _AT_FDCWD, path, _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_SYMLINKS)


def restrict(mount: int, attributes: int, recursive: bool = False) -> None:
    """Add READ_ONLY, NOSUID, NODEV, NOEXEC to what a mount has, `recursive`: to those below it too (Linux 5.12)."""
    _set_attributes(mount, "", _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0), attributes)


def restrict_place(path: str, attributes: int) -> None:
    """The same for the mount whose place is `path`, and for all below it."""
    _set_attributes(_AT_FDCWD, path, _AT_RECURSIVE, attributes)


def _set_attributes(folder: int, path: str, flags: int, attributes: int) -> None:
    import ctypes

    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)  # struct mount_attr: set, clear, propagation, user namespace
    _call(_MOUNT_SETATTR, folder, path, flags, ctypes.addressof(wanted), ctypes.sizeof(wanted))


def exchange_root(new: int, old: int) -> None:
    """Make the folder `new`, a mount's topmost, our root and working directory; what is below `old` is out of reach.

    `old` is the root of the mount namespace, which must be our own.
    """
    os.fchdir(old)
    os.chroot(".")
    os.fchdir(new)
    try:
        call("pivot_root", b".", b".")
    except OSError as error:
        # The first file system of a machine (an initramfs) cannot be moved, and Docker's seccomp profile forbids this
        # call to who has CAP_SYS_ADMIN, too; covered, it is out of reach as well.
        if error.errno not in {errno.EINVAL, errno.EPERM}:
            raise
        call("mount", b".", b"/", None, _MS_MOVE, None)
        os.chroot(".")
    else:
        os.fchdir(old)
        call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def _call(number: int, *arguments: int | str | None) -> int:
    """Make a system call with texts among its arguments."""
    import ctypes

    texts = [ctypes.create_string_buffer(os.fsencode(one)) if isinstance(one, str) else None for one in arguments]
    numbers = (
        ctypes.addressof(text) if text is not None else one or 0 for text, one in zip(texts, arguments, strict=True)
    )
    return call("syscall", number, *numbers)
