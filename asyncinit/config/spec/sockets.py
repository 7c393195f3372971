"""The sockets that asyncinit opens for a service, resolved; opens nothing."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class SocketKind(StrEnum):
    """What a socket is; the words are the keys of [[sockets]]."""

    TCP = "tcp"
    UDP = "udp"
    UNIX = "unix"
    UNIX_DATAGRAM = "unix_datagram"

    @property
    def local(self) -> bool:
        """Whether its address is a path or an abstract name."""
        return self in {SocketKind.UNIX, SocketKind.UNIX_DATAGRAM}

    @property
    def stream(self) -> bool:
        """Whether it takes connections."""
        return self in {SocketKind.TCP, SocketKind.UNIX}


BACKLOG = 4096
"""Connections that may wait to be accepted; the kernel's net.core.somaxconn may allow fewer."""


class Socket(Struct, frozen=True):
    """One of [[sockets]]: `address` is unexpanded, `name` is what LISTEN_FDNAMES has.

    `user` and `group` own the file of a unix socket (None: whoever the service runs as), `mode` is its access mode.
    """

    kind: SocketKind
    address: str
    name: str
    backlog: int = BACKLOG
    reuse_port: bool = False
    ipv6_only: bool = False
    freebind: bool = False
    user: str | None = None
    group: str | None = None
    mode: int = 0o660

    @property
    def key(self) -> str:
        """The name by which messages and `prefer` call it: "sockets.http"."""
        return f"sockets.{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.address}"


class Handover(StrEnum):
    """What a restart does: one instance after the other, or the next one first, beside the old one."""

    NONE = "none"
    OVERLAP = "overlap"
