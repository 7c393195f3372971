"""The addresses that probes are given: their form only; resolves nothing and opens nothing.

A text that has `${` in it is final only when the service starts, and is taken as it is.
"""

from __future__ import annotations

from asyncinit.config.values import BadValueError


def tcp(value: str) -> str:
    """Return HOST:PORT, where HOST is an IP address (version 6 in brackets), "localhost" or a name in /etc/hosts."""
    if "${" not in value:
        _host_and_port(value)
    return value


def http(value: str) -> str:
    """Return an http:// address."""
    if "${" in value:
        return value
    scheme, separator, rest = value.partition("://")
    if scheme == "https" and separator:
        raise BadValueError("needs TLS, which probes do not speak; a command can (curl)")
    if scheme != "http" or not separator:
        guess = f'"http://{value}"' if not separator and value.isprintable() and len(value) < 80 else ""
        raise BadValueError(suggestion=guess)
    host = rest.partition("/")[0].partition("?")[0]
    if "@" in host or any(c.isspace() or not c.isprintable() for c in value):
        raise BadValueError
    _host_and_port(host, port_needed=False)
    return value


def unix(value: str) -> str:
    """Return the path of a socket, or "@" and an abstract name."""
    if "${" not in value and (not value.startswith(("/", "@")) or len(value) < 2):
        raise BadValueError
    if len(value.encode()) > 107 and "${" not in value:
        raise BadValueError("is longer than the 107 bytes that the address of a socket can have (unix(7))")
    return value


def _host_and_port(value: str, port_needed: bool = True) -> None:
    if value.startswith("["):
        host, bracket, rest = value[1:].partition("]")
        if not bracket or ":" not in host or (rest and not rest.startswith(":")):
            raise BadValueError
        port, colon = rest.removeprefix(":"), rest[:1]
    else:
        host, colon, port = value.rpartition(":") if ":" in value else (value, "", "")
        if ":" in host:
            raise BadValueError(
                "has more than one colon; an IPv6 address stands in brackets", suggestion=_bracketed(value)
            )
    if not host or any(c.isspace() or not c.isprintable() for c in host):
        raise BadValueError("has no host", suggestion=f'"127.0.0.1:{port}"' if _is_port(port) else "")
    if not colon and port_needed:
        raise BadValueError("has no port", suggestion=f'"127.0.0.1:{host}"' if _is_port(host) else "")
    if colon and not _is_port(port):
        raise BadValueError("has no port from 1 to 65535")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535


def _bracketed(value: str) -> str:
    host, _, port = value.rpartition(":")
    return f'"[{host}]:{port}"' if _is_port(port) and all(c in "0123456789abcdefABCDEF:." for c in host) else ""
