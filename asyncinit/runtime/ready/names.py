"""Turn a host into addresses without a resolver: IP addresses, localhost and /etc/hosts, read by us.

`getaddrinfo` would start threads, load libraries and block; PID 1 does none of these. Knows nothing of probes.
"""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

HOSTS = "/etc/hosts"

# Lists of blocked hosts are this long; what comes after is not worth PID 1's time.
_MAX_HOSTS = 1 << 20


class Endpoint(NamedTuple):
    """An IP address: `family` is AF_INET or AF_INET6; `scope` the interface's index of a link-local one."""

    family: int
    host: str
    scope: int = 0

    def sockaddr(self, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return what `socket.connect` takes."""
        return (self.host, port) if self.family == socket.AF_INET else (self.host, port, 0, self.scope)


def resolve(host: str, hosts_file: str = HOSTS) -> list[Endpoint]:
    """Return the addresses of `host` in the order to try them; empty where it is not known.

    localhost is always 127.0.0.1, then ::1, whatever the file says. Never raises.
    """
    literal = parse_ip(host)
    if literal is not None:
        return [literal]
    if host.lower() == "localhost":
        return [Endpoint(socket.AF_INET, "127.0.0.1"), Endpoint(socket.AF_INET6, "::1")]
    return find_in_hosts(_read_hosts(hosts_file), host)


def parse_ip(text: str) -> Endpoint | None:
    """Return the endpoint that an IPv4 or IPv6 address names ("fe80::1%eth0" too), None for anything else."""
    try:
        socket.inet_pton(socket.AF_INET, text)
        return Endpoint(socket.AF_INET, text)
    except (OSError, ValueError):
        pass
    host, percent, zone = text.partition("%")
    try:
        socket.inet_pton(socket.AF_INET6, host)
        if not percent:
            return Endpoint(socket.AF_INET6, host)
        scope = int(zone) if zone.isascii() and zone.isdecimal() and len(zone) < 10 else socket.if_nametoindex(zone)
        return Endpoint(socket.AF_INET6, host, scope)
    except (OSError, ValueError):
        return None


def find_in_hosts(data: bytes, name: str) -> list[Endpoint]:
    """Return the addresses that the text of a hosts(5) file has for `name`, in its order, each once."""
    wanted = name.lower().encode("utf-8", "surrogateescape")
    found: list[Endpoint] = []
    if not wanted:
        return found
    # Only the lines that have the name in them are looked at: lists of blocked hosts have 100,000.
    text = data.lower()
    position = text.find(wanted)
    while position >= 0:
        end = text.find(b"\n", position)
        line = text[text.rfind(b"\n", 0, position) + 1 : end if end >= 0 else len(text)]
        words = line.partition(b"#")[0].split()
        if wanted in words[1:]:
            endpoint = parse_ip(words[0].decode("ascii", "replace"))
            if endpoint is not None and endpoint not in found:
                found.append(endpoint)
        position = text.find(wanted, end) if end >= 0 else -1
    return found


def _read_hosts(path: str) -> bytes:
    try:
        # Not blocking: should the name be a FIFO's, nobody may hold us here.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _MAX_HOSTS)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
