"""Addresses and routes of the network, rtnetlink(7); must not know who wants them.

Speaks the protocol itself: no `ip` is needed, which small machines do not have, and errors are the kernel's own.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import NamedTuple

from asyncinit.linux import netlink

Interface = IPv4Interface | IPv6Interface
Address = IPv4Address | IPv6Address

# <linux/rtnetlink.h>, <linux/netlink.h>, <linux/if_addr.h>
_NEWADDR, _DELADDR, _GETADDR, _NEWROUTE = 20, 21, 22, 24
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP, _REPLACE, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x400
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY = 1, 4, 5, 6
_MAIN_TABLE, _BOOT, _UNIVERSE, _UNICAST = 254, 3, 0, 1
_ONLINK = 4  # RTNH_F_ONLINK
_TENTATIVE = 0x40  # IFA_F_TENTATIVE
_IPV4_ADDRESSES, _IPV6_ADDRESSES = 0x10, 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=8BI")
_ATTRIBUTE = struct.Struct("=HH")
_LARGEST = 1 << 17


class Found(NamedTuple):
    """An address that an interface (`link` is its number) has; a `tentative` one cannot be used yet."""

    link: int
    interface: Interface
    tentative: bool


def index_of(name: str) -> int:
    """Return the number of an interface. Raises OSError where there is none."""
    return socket.if_nametoindex(name)


def addresses() -> list[Found]:
    """Return all addresses of all interfaces. Raises OSError."""
    found = []
    for body in _ask(_GETADDR, _DUMP, _ADDRESS.pack(0, 0, 0, 0, 0)):
        _, prefix, flags, _, index = _ADDRESS.unpack_from(body)
        attributes = dict(_attributes(body[_ADDRESS.size :]))
        raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if raw is not None:
            found.append(Found(index, ip_interface((ip_address(raw), prefix)), bool(flags & _TENTATIVE)))
    return found


def add_address(index: int, interface: Interface) -> None:
    """Give an interface an address, with the route to its network; one that it has already is no error."""
    body, attributes = _address(index, interface)
    if isinstance(interface, IPv4Interface) and interface.network.prefixlen < 31:
        attributes += _attribute(_IFA_BROADCAST, interface.network.broadcast_address.packed)
    _ask(_NEWADDR, _ACK | _CREATE | _REPLACE, body + attributes)


def remove_address(index: int, interface: Interface) -> None:
    """Take an address away, and all routes that need it. Raises OSError."""
    _ask(_DELADDR, _ACK, b"".join(_address(index, interface)))


def add_default_route(index: int, gateway: Address, metric: int = 0) -> None:
    """Reach all that is not near by a gateway on an interface's network; replaces such a route of the same metric."""
    family = socket.AF_INET if isinstance(gateway, IPv4Address) else socket.AF_INET6
    # On link: a gateway outside of the address's own network is believed, as with a /32 of a cloud.
    body = _ROUTE.pack(family, 0, 0, 0, _MAIN_TABLE, _BOOT, _UNIVERSE, _UNICAST, _ONLINK)
    attributes = _attribute(_RTA_GATEWAY, gateway.packed) + _attribute(_RTA_OIF, struct.pack("=i", index))
    if metric:
        attributes += _attribute(_RTA_PRIORITY, struct.pack("=I", metric))
    _ask(_NEWROUTE, _ACK | _CREATE | _REPLACE, body + attributes)


def watch_addresses() -> socket.socket:
    """Return a socket that is readable whenever an address has come or gone (`netlink.drain`)."""
    return netlink.listen(socket.NETLINK_ROUTE, _IPV4_ADDRESSES | _IPV6_ADDRESSES)


def _address(index: int, interface: Interface) -> tuple[bytes, bytes]:
    family = socket.AF_INET if isinstance(interface, IPv4Interface) else socket.AF_INET6
    packed = interface.ip.packed
    body = _ADDRESS.pack(family, interface.network.prefixlen, 0, _UNIVERSE, index)
    return body, _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def _ask(kind: int, flags: int, body: bytes) -> list[bytes]:
    """Send a request and return the bodies of the answers. Raises the OSError that the kernel answers."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        kernel.send(_HEADER.pack(_HEADER.size + len(body), kind, flags | _REQUEST, 1, 0) + body)
        found: list[bytes] = []
        while True:
            data = kernel.recv(_LARGEST)
            at = 0
            while at + _HEADER.size <= len(data):
                length, answer, _, _, _ = _HEADER.unpack_from(data, at)
                content = data[at + _HEADER.size : at + length]
                at += (length + 3) & ~3
                if answer == _DONE:
                    return found
                if answer == _ERROR:
                    (number,) = struct.unpack_from("=i", content)
                    if number:
                        raise OSError(-number, os.strerror(-number))
                    return found
                found.append(content)
