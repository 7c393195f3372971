"""Who a service runs as: from names to ids; knows nothing of processes.

A number needs no entry anywhere, and is never asked for elsewhere than in /etc/passwd. A name that the files don't have
may be in a directory server; asking one may block for ever, so it is done with `ask` only, in a child with a deadline.
"""

from __future__ import annotations

import errno
import os

from msgspec import Struct

from asyncinit.errors import SpawnError
from asyncinit.runtime.process import accounts
from asyncinit.runtime.process.accounts import Account
from asyncinit.runtime.process.plan import Credentials


class NotInFilesError(Exception):
    """A name is not in /etc/passwd or /etc/group, and nobody else may be asked here."""


class Identity(Struct, frozen=True):
    """Who a process runs as; `account` None: no user was named; `credentials` None: as ourselves."""

    credentials: Credentials | None = None
    account: Account | None = None


def identify(
    user: str | None, group: str | None, supplementary: tuple[str, ...] | None, ask: bool, root: str | None = None
) -> Identity:
    """Return who a service with these keys runs as.

    A user's groups are those that list it, and `supplementary`. Our own user and group keep the groups that we have,
    because to stay who we are must need no right. A number that nobody has gets itself as its group; if it is our own,
    our group. In a `root` of its own, the files there alone tell who there is. Raises SpawnError for who does not
    exist, and without `ask` NotInFilesError for who is not in the files.
    """
    if user is None and group is None and not supplementary:
        return Identity()
    more = tuple(_gid(name, ask, root) for name in supplementary or ())
    account, listed = _account(user, ask, root) if user is not None else (None, ())
    uid = account.uid if account else os.getuid()
    own_gid = account.gid if account else os.getgid()
    gid = own_gid if group is None else _gid(group, ask, root)
    groups = (*os.getgroups(), *more) if more else None
    if account is not None and (uid, gid) != (os.getuid(), os.getgid()):
        # As initgroups(3): the group that the process gets stands for the one that the account names.
        groups = (gid, *(one for one in listed if one != account.gid), *more)
    if groups is not None:
        groups = tuple(dict.fromkeys(groups))
    return Identity(Credentials(uid, gid, groups, user or "", group or ""), account)


def _account(user: str, ask: bool, root: str | None) -> tuple[Account, tuple[int, ...]]:
    account = accounts.find_user(user, root=root)
    if account is not None:
        return account, accounts.groups_of(account.name, account.gid, root=root)
    uid = accounts.number(user)
    if uid is not None:
        account = accounts.nameless(uid, os.getgid() if uid == os.getuid() else uid)
        return account, (account.gid,)
    if root is not None:
        raise SpawnError(f"set user {user}", errno.ENOENT, f"no such user in /etc/passwd of {root}")
    if not ask:
        raise NotInFilesError
    found = accounts.look_up_user(user)
    if found is None:
        raise SpawnError(f"set user {user}", errno.ENOENT, accounts.no_such_user(user))
    return found


def _gid(group: str, ask: bool, root: str | None) -> int:
    entry = accounts.find_group(group, root=root)
    if entry is not None:
        return entry.gid
    gid = accounts.number(group)
    if gid is not None:
        return gid
    if root is not None:
        raise SpawnError(f"set group {group}", errno.ENOENT, f"no such group in /etc/group of {root}")
    if not ask:
        raise NotInFilesError
    entry = accounts.look_up_group(group)
    if entry is None:
        raise SpawnError(f"set group {group}", errno.ENOENT, accounts.no_such_group(group))
    return entry.gid
