"""Users and groups from /etc/passwd and /etc/group, read by us; knows nothing of services.

The C library's functions may ask a directory server, load libraries and wait for ever, so PID 1 does not call them.
Whoever is not in the files is looked up by `look_up_user` and `look_up_group`, in a forked child with a deadline.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct

from asyncinit.config.names import meant
from asyncinit.linux.inside import open_inside

_PASSWD = "/etc/passwd"
_GROUP = "/etc/group"

_SHELL = "/bin/sh"  # what an empty field means, passwd(5)
_INVALID_ID = 0xFFFFFFFF  # (uid_t) -1: "leave it as it is" for the kernel


class Account(Struct, frozen=True):
    """A user as passwd(5) has it; `known` False: only a number was given, and nothing has it."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    known: bool = True


class Group(Struct, frozen=True):
    """A group as group(5) has it."""

    name: str
    gid: int
    members: tuple[str, ...] = ()


T = TypeVar("T")


class _File(Generic[T]):
    """The entries of a file of colon-separated lines, read again when the file has changed."""

    def __init__(self, parse: Callable[[list[str]], T | None]) -> None:
        self._parse = parse
        self._path = ""
        self._stamp: tuple[int, ...] = ()
        self._entries: tuple[T, ...] = ()

    def entries(self, path: str, root: str | None) -> tuple[T, ...]:
        try:
            with open(path, "rb") if root is None else open(open_inside(root, path), "rb") as file:
                info = os.fstat(file.fileno())
                stamp = (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
                if (path, stamp) != (self._path, self._stamp):
                    text = file.read().decode(errors="surrogateescape")
                    parsed = (self._parse(line.split(":")) for line in text.split("\n"))
                    self._entries = tuple(entry for entry in parsed if entry is not None)
                    self._path, self._stamp = path, stamp
        except OSError:  # an image without users is an image all the same
            return ()
        return self._entries


def _parse_user(fields: list[str]) -> Account | None:
    if len(fields) != 7 or not fields[0] or fields[0][0] in "+-#":
        return None
    uid, gid = number(fields[2]), number(fields[3])
    if uid is None or gid is None:
        return None
    return Account(fields[0], uid, gid, fields[5] or "/", fields[6].strip() or _SHELL)


def _parse_group(fields: list[str]) -> Group | None:
    if len(fields) != 4 or not fields[0] or fields[0][0] in "+-#":
        return None
    gid = number(fields[2])
    members = tuple(name for name in (part.strip() for part in fields[3].split(",")) if name)
    return None if gid is None else Group(fields[0], gid, members)


_users = _File(_parse_user)
_groups = _File(_parse_group)


def number(text: str) -> int | None:
    """Return `text` as a user or group id, None where it is not one in decimal digits."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        return None
    value = int(text)
    return value if value < _INVALID_ID else None


def find_user(text: str, path: str = _PASSWD, root: str | None = None) -> Account | None:
    """Return the user whose name or, failing that, decimal id is `text`; None where the file has no such entry.

    Here and below, `root` is the folder in which the file is looked up as if it were the root.
    """
    uid = number(text)
    by_id = None
    for account in _users.entries(path, root):
        if account.name == text:
            return account
        if by_id is None and account.uid == uid:
            by_id = account
    return by_id


def find_group(text: str, path: str = _GROUP, root: str | None = None) -> Group | None:
    """Return the group whose name or, failing that, decimal id is `text`; None where the file has no such entry."""
    gid = number(text)
    by_id = None
    for group in _groups.entries(path, root):
        if group.name == text:
            return group
        if by_id is None and group.gid == gid:
            by_id = group
    return by_id


def groups_of(name: str, gid: int, path: str = _GROUP, root: str | None = None) -> tuple[int, ...]:
    """Return the groups of user `name` as initgroups(3) sets them: `gid`, and all that list the user."""
    found = [group.gid for group in _groups.entries(path, root) if name in group.members]
    return tuple(dict.fromkeys((gid, *found)))


def nameless(uid: int, gid: int) -> Account:
    """Return what stands for a numeric user that no file or server knows: HOME is /, the name is the number."""
    return Account(str(uid), uid, gid, "/", _SHELL, known=False)


def no_such_user(text: str) -> str:
    """Return what to say of a user whom nobody knows: with the one of the file that was probably meant."""
    return _none_such("user", text, [one.name for one in _users.entries(_PASSWD, None)])


def no_such_group(text: str) -> str:
    """Return what to say of a group that nobody knows, likewise."""
    return _none_such("group", text, [one.name for one in _groups.entries(_GROUP, None)])


def _none_such(kind: str, text: str, known: list[str]) -> str:
    guess = meant(text, known)
    return f"no such {kind}" + (f"; did you mean {guess}?" if guess else "")


def look_up_user(text: str) -> tuple[Account, tuple[int, ...]] | None:
    """Ask the C library for a user by name or decimal id, and for the user's groups; may block for ever."""
    import pwd

    uid = number(text)
    try:
        entry = pwd.getpwnam(text)
    except KeyError:
        if uid is None:
            return None
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            return None
    account = Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir or "/", entry.pw_shell or _SHELL)
    return account, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))


def look_up_group(text: str) -> Group | None:
    """Ask the C library for a group by name; may block for ever."""
    import grp

    try:
        entry = grp.getgrnam(text)
    except KeyError:
        return None
    return Group(entry.gr_name, entry.gr_gid, tuple(entry.gr_mem))
