"""Addresses that are probed or listened on: their form only; resolves nothing and opens nothing.

A text that has `${` in it is final only when the service starts, and is taken as it is.
"""

from __future__ import annotations

from asyncinit.config.problems import quoted
from asyncinit.config.values import BadValueError


def tcp(value: str) -> str:
    """Return HOST:PORT, where HOST is an IP address (version 6 in brackets), "localhost" or a name in /etc/hosts."""
    if "${" not in value:
        _check_host_and_port(value)
    return value


def http(value: str) -> str:
    """Return an http:// address; its port is 80 if it has none."""
    if "${" in value:
        return value
    scheme, separator, rest = value.partition("://")
    if scheme.lower() == "https" and separator:
        raise BadValueError("needs TLS, which probes do not speak: ask a plain port, or use tcp or command")
    if scheme.lower() != "http" or not separator:
        host = "127.0.0.1:" if _is_port(value.partition("/")[0]) else ""
        meant = not separator and _is_host_and_port(value)
        raise BadValueError(suggestion=quoted(f"http://{host}{value}") if meant else "")
    rest = rest.partition("#")[0]
    authority = rest.partition("/")[0].partition("?")[0]
    if "@" in authority:
        raise BadValueError("has a user in it, which probes do not send")
    if not all("!" <= character <= "~" for character in rest):
        raise BadValueError("has characters that must be percent-encoded")
    _check_host_and_port(authority, port_needed=False)
    return value


def unix(value: str) -> str:
    """Return the path of a socket, or "@" and an abstract name."""
    if "${" not in value:
        if value in ("", "@"):
            raise BadValueError("is empty")
        if value.startswith("@") and len(value.encode()) > _LONGEST_NAME + 1:
            raise BadValueError(f"is longer than the {_LONGEST_NAME} bytes of an abstract name (unix(7))")
    return value


def listening(value: str) -> str:
    """Return where a socket of our own can be made: a path, or "@" and an abstract name."""
    if value in ("", "@", "/"):
        raise BadValueError
    if len(value.encode()) > _LONGEST_NAME:
        raise BadValueError(f"is longer than the {_LONGEST_NAME} bytes of a socket's address (unix(7))")
    return value


def listen(value: str) -> str:
    """Return IP:PORT on which a socket can listen; the host may be "localhost", or "*" for all addresses."""
    if "${" in value:
        return value
    _check_host_and_port(value)
    host = value.rpartition(":")[0].strip("[]")
    if host not in ("*", "localhost") and not _is_address(host):
        raise BadValueError("has a host that is no IP address: a name may mean several, or none yet")
    return value


def _is_address(host: str) -> bool:
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host.partition("%")[0] if family == socket.AF_INET6 else host)
    except OSError:
        return False
    return True


def listen_unix(value: str) -> str:
    """Return the absolute path, or "@" and an abstract name, at which a service's socket is made."""
    if "${" in value:
        return value
    if not value.startswith(("/", "@")):
        raise BadValueError("is not absolute", suggestion=quoted(f"/run/{value}") if value else "")
    if value.endswith("/"):
        raise BadValueError("is a folder")
    return listening(value)


def socket_name(value: str) -> str:
    """Return a name as LISTEN_FDNAMES can have it (sd_listen_fds(3))."""
    if not 1 <= len(value) <= 255 or ":" in value or not all(" " <= character <= "~" for character in value):
        raise BadValueError
    return value


_LONGEST_NAME = 107  # of sun_path's 108 bytes one is NUL


def _check_host_and_port(value: str, port_needed: bool = True) -> None:
    port: str | None
    if value.startswith("["):
        host, closed, rest = value[1:].partition("]")
        if not closed or ":" not in host or (rest and not rest.startswith(":")):
            raise BadValueError
        port = rest[1:] if rest else None
    else:
        host, colon, rest = value.partition(":")
        if ":" in rest:
            raise BadValueError("is an IPv6 address without brackets", suggestion=_bracketed(value))
        port = rest if colon else None
    if not host or any(character.isspace() for character in host):
        raise BadValueError("has no host", suggestion=f'"127.0.0.1:{port}"' if _is_port(port) else "")
    if port is None:
        if port_needed:
            raise BadValueError("has no port", suggestion=f'"127.0.0.1:{host}"' if _is_port(host) else "")
    elif not _is_port(port):
        raise BadValueError("has no port from 1 to 65535")


def _is_host_and_port(value: str) -> bool:
    try:
        _check_host_and_port(value.partition("/")[0], port_needed=False)
    except BadValueError:
        return False
    return len(value) < 80 and all("!" <= character <= "~" for character in value)


def _is_port(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535


def _bracketed(value: str) -> str:
    host, _, port = value.rpartition(":")
    return f'"[{host}]:{port}"' if _is_port(port) and set(host) <= set("0123456789abcdefABCDEF:.") else ""
