"""A socket that is open, as plain data."""

from __future__ import annotations

from msgspec import Struct

from asyncinit.config.spec import Socket


class Held(Struct):
    """A socket that is open: what was asked for, its expanded address, its descriptor, and the identity of its file.

    `owner` are the user and group that its file was made for, by the names that were declared.
    """

    wanted: Socket
    address: str
    fd: int
    file: tuple[int, int] | None = None
    owner: tuple[str | None, str | None] = (None, None)

    @property
    def binding(self) -> tuple[object, ...]:
        """What cannot be changed without binding anew."""
        return binding_of(self.wanted, self.address)


class SocketsState(Struct):
    """What is carried over a re-exec: the open sockets of each service."""

    services: dict[str, list[Held]] = {}


def binding_of(wanted: Socket, address: str) -> tuple[object, ...]:
    """Return what of a socket cannot be changed without binding anew."""
    return (wanted.kind, address, wanted.reuse_port, wanted.ipv6_only, wanted.freebind)
