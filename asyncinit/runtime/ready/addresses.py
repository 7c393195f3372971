"""What the address of a probe means: pure parsing of texts whose `${NAME}` are expanded; opens and asks nothing."""

from __future__ import annotations

from typing import NamedTuple

from asyncinit.errors import AddressError


class TcpAddress(NamedTuple):
    """Where to connect: `host` is an IP address (IPv6 without brackets) or a name."""

    host: str
    port: int


class HttpAddress(NamedTuple):
    """What to ask whom: `target` begins with "/", `authority` is the Host header."""

    tcp: TcpAddress
    authority: str
    target: str


def parse_tcp(text: str) -> TcpAddress:
    """Return the meaning of "HOST:PORT" or "[IPV6]:PORT".

    Raises AddressError.
    """
    host, port = _split_port(text, text)
    if port is None:
        raise AddressError(text, "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    return TcpAddress(host, port)


def parse_http(text: str) -> HttpAddress:
    """Return the meaning of "http://HOST[:PORT][/PATH][?QUERY]"; the port is 80 by default.

    Raises AddressError; https too, as nothing here speaks TLS.
    """
    scheme, found, rest = text.partition("://")
    if not found or scheme.lower() not in ("http", "https"):
        raise AddressError(text, "http://HOST:PORT/PATH")
    if scheme.lower() == "https":
        raise AddressError(text, "http:// (probes speak no TLS; ask a plain port, or use tcp or command)")
    rest = rest.partition("#")[0]
    end = min((index for index in (rest.find("/"), rest.find("?")) if index >= 0), default=len(rest))
    authority, target = rest[:end], rest[end:]
    if "@" in authority:
        # Not repeated in the message: it goes to logs.
        raise AddressError("http://...@" + authority.rpartition("@")[2], "no user name or password in the address")
    if not target.startswith("/"):
        target = "/" + target
    if not all("!" <= character <= "~" for character in authority + target):
        raise AddressError(text, "ASCII without blanks (others percent-encoded)")
    host, port = _split_port(authority, text)
    return HttpAddress(TcpAddress(host, 80 if port is None else port), authority, target)


def parse_unix(text: str) -> bytes:
    """Return the address to connect to: a path, or for "@NAME" an abstract name (a NUL byte, then the name).

    Raises AddressError.
    """
    raw = text.encode("utf-8", "surrogateescape")
    if not raw or raw == b"@" or b"\0" in raw:
        raise AddressError(text, "a path or @NAME")
    if raw[:1] != b"@":
        return raw
    if len(raw) > 108:
        raise AddressError(text, "an abstract name of at most 107 bytes")
    return b"\0" + raw[1:]


def parse_path(text: str) -> bytes:
    """Return the path as bytes.

    Raises AddressError.
    """
    if not text or "\0" in text:
        raise AddressError(text, "a path")
    return text.encode("utf-8", "surrogateescape")


def _split_port(authority: str, whole: str) -> tuple[str, int | None]:
    """Return host and port of `authority`; the port is None where none is given."""
    if authority.startswith("["):
        host, closed, rest = authority[1:].partition("]")
        if not closed or ":" not in host or (rest and not rest.startswith(":")):
            raise AddressError(whole, "an IPv6 address in brackets: [::1]:8080")
        port = rest[1:] if rest else None
    else:
        if authority.count(":") > 1:
            raise AddressError(whole, "brackets around an IPv6 address: [::1]:8080")
        host, colon, rest = authority.partition(":")
        port = rest if colon else None
    if not host or any(character.isspace() or character == "\0" for character in host):
        raise AddressError(whole, "a host before the port, such as 127.0.0.1:8080")
    return host, None if port is None else _port(port, whole)


def _port(text: str, whole: str) -> int:
    # isdecimal alone takes digits of other scripts, and int() of a very long text raises.
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise AddressError(whole, "a port from 1 to 65535")
    return int(text)
