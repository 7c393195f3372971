"""Who has an address, and how many connections it has, as /proc tells; blocks, so it runs in a child.

/proc/net is of our own network namespace, and so are the sockets that we open, wherever the service lives.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import NamedTuple

from asyncinit.config.spec import Socket, SocketKind
from asyncinit.errors import AddressError
from asyncinit.runtime.ready.addresses import parse_tcp

_LISTENING = "0A"
_TIME_WAIT = "06"
_CLOSED = "07"  # for udp: unconnected, which is how a server's socket is
_ANY = frozenset({"00000000", "0" * 32})
_UNIX_LISTENING = 0x10000  # __SO_ACCEPTCON in the flags


class _Row(NamedTuple):
    """A line of /proc/net/tcp or udp: the local address in hex, the port, the state and the socket's inode."""

    host: str
    port: int
    state: str
    inode: str


def connections(wanted: Socket, address: str) -> int:
    """Return how many connections the stream socket at `address` has, those that wait to be accepted included.

    Raises OSError where /proc cannot tell, and AddressError.
    """
    if not wanted.kind.stream:
        return 0
    if wanted.kind.local:
        return sum(row[-1] == address and row[5] != "01" for row in _unix_rows())
    host, port = parse_tcp(address)
    wildcard = host in ("*", "::", "0.0.0.0")
    hosts = _hex_forms(host)
    return sum(
        row.port == port and row.state not in (_LISTENING, _TIME_WAIT, _CLOSED) and (wildcard or row.host in hosts)
        for row in _rows("tcp")
    )


def holder(wanted: Socket, address: str) -> tuple[int, str]:
    """Return the pid and the name of who has `address`; pid 0 where that cannot be found out."""
    try:
        inodes = set(_inodes(wanted, address))
        return _process_with(inodes) if inodes else (0, "")
    except (OSError, AddressError):
        return 0, ""


def _inodes(wanted: Socket, address: str) -> Iterator[str]:
    if wanted.kind.local:
        yield from (row[6] for row in _unix_rows() if row[-1] == address and int(row[3], 16) & _UNIX_LISTENING)
        yield from (row[6] for row in _unix_rows() if row[-1] == address and not wanted.kind.stream)
        return
    host, port = parse_tcp(address)
    hosts = _hex_forms(host)
    state = _LISTENING if wanted.kind is SocketKind.TCP else _CLOSED
    for row in _rows(str(wanted.kind)):
        clash = row.host in hosts or row.host in _ANY or bool(hosts & _ANY)
        if row.port == port and row.state == state and clash:
            yield row.inode


def _rows(kind: str) -> Iterator[_Row]:
    for name in (kind, f"{kind}6"):
        try:
            with open(f"/proc/net/{name}", encoding="ascii") as lines:
                next(lines)
                for line in lines:
                    fields = line.split()
                    host, _, port = fields[1].partition(":")
                    yield _Row(host, int(port, 16), fields[3], fields[9])
        except FileNotFoundError:
            if name == kind:
                raise


def _unix_rows() -> Iterator[list[str]]:
    """Yield the fields of each socket of /proc/net/unix that has a name: the state is the sixth, the inode follows."""
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as lines:
        next(lines)
        for line in lines:
            fields = line.rstrip("\n").split(None, 7)
            if len(fields) == 8:
                yield fields


def _hex_forms(host: str) -> frozenset[str]:
    """Return how /proc/net writes a host: the bytes of each 32-bit word turned round on a little-endian machine."""
    if host == "*":
        return _ANY
    if host == "localhost":
        host = "127.0.0.1"
    if ":" in host:
        return frozenset({_words(socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))})
    packed = socket.inet_pton(socket.AF_INET, host)
    return frozenset({_words(packed), _words(b"\0" * 10 + b"\xff\xff" + packed)})


def _words(packed: bytes) -> str:
    import sys

    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join((word[::-1] if sys.byteorder == "little" else word).hex().upper() for word in words)


def _process_with(inodes: set[str]) -> tuple[int, str]:
    links = {f"socket:[{inode}]" for inode in inodes}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for fd in descriptors:
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") in links:
                    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as name:
                        return int(pid), name.read().strip()
            except OSError:
                continue
    return 0, ""
