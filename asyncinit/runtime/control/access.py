"""Who is at the other end of a control connection, and what they may do; knows no methods."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from asyncinit.control.address import is_anybody
from asyncinit.runtime.process.accounts import find_group

_UCRED = struct.Struct("iII")
_SO_PEERGROUPS = 59  # asm-generic/socket.h, Linux 4.13; the stdlib has no name for it


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that connected: its ids at that moment, as our own namespaces see them."""

    pid: int
    uid: int
    groups: frozenset[int]


def peer_of(connection: socket.socket) -> Peer:
    """Return who connected (SO_PEERCRED, unix(7)); raises OSError."""
    pid, uid, gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(pid, uid, frozenset({gid, *_supplementary(connection)}))


def _supplementary(connection: socket.socket) -> tuple[int, ...]:
    try:
        data = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 1024)
    except OSError:  # more than 256 groups, or an old kernel: the first group alone counts
        return ()
    return struct.unpack(f"{len(data) // 4}I", data[: len(data) // 4 * 4])


class Access:
    """The rule of [init] control_read: "owner", "group:NAME" or "all".

    Root and our own uid own us. The overflow uid does not where it is whoever our user namespace does not know.
    """

    def __init__(self, control_read: str, say: Callable[[str], None]) -> None:
        self._own = frozenset(uid for uid in (0, os.geteuid()) if not is_anybody(uid))
        self._all = control_read == "all"
        self._group: int | None = None
        kind, _, name = control_read.partition(":")
        if kind == "group":
            group = find_group(name)
            if group is not None:
                self._group = group.gid
            elif name.isdecimal():
                self._group = int(name)
            else:
                say(f"cannot let group {name} read the control socket: no such group")

    @property
    def open_to_all(self) -> bool:
        """Whether others than the owner must be able to connect."""
        return self._all or self._group is not None

    def owns(self, peer: Peer) -> bool:
        """Tell whether `peer` may do everything."""
        return peer.uid in self._own

    def may_read(self, peer: Peer) -> bool:
        """Tell whether `peer` may look."""
        return self._all or self.owns(peer) or self._group in peer.groups
