"""Connect to a TCP address without blocking: one endpoint after another; knows nothing of what is said then."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable

from asyncinit.errors import why
from asyncinit.runtime.ready.names import Endpoint

Connected = Callable[[socket.socket | None, str], None]
"""Is given the connected, non-blocking socket, which then is its own to close; or None and the obstacle."""

_LINGER_NOT = struct.pack("ii", 1, 0)


class Connecting:
    """One attempt to reach `port` at any of `endpoints`, tried in order.

    Of several obstacles the first one is told: localhost is 127.0.0.1 to people, whatever ::1 says. `done` may be
    called before `begin` returns, and never after `cancel`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, endpoints: list[Endpoint], port: int, done: Connected) -> None:
        self._loop = loop
        self._left = list(endpoints)
        self._port = port
        self._done = done
        self._socket: socket.socket | None = None
        self._obstacle = ""

    def begin(self) -> None:
        """Try the first endpoint."""
        while self._left:
            endpoint = self._left.pop(0)
            try:
                self._socket = _bound_socket(endpoint.family, self._port)
                number = self._socket.connect_ex(endpoint.sockaddr(self._port))
            except OSError as error:
                number = error.errno or errno.EIO
            if number in (errno.EINPROGRESS, errno.EINTR) and self._socket is not None:
                self._loop.add_writer(self._socket.fileno(), self._writable)
                return
            if number == 0 and self._established():
                return
            self._drop(number)
        self._done(None, self._obstacle)

    def cancel(self) -> None:
        """Give up without telling; harmless when it is over."""
        if self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self._left.clear()
        self._done = _nobody

    def _writable(self) -> None:
        assert self._socket is not None
        self._loop.remove_writer(self._socket.fileno())
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number == 0 and self._established():
            return
        self._drop(number)
        self.begin()

    def _established(self) -> bool:
        """Hand the socket over, unless it is connected to itself."""
        connected = self._socket
        assert connected is not None
        try:
            with_itself = connected.getsockname() == connected.getpeername()
        except OSError:  # the other end is gone again: it was there
            with_itself = False
        if with_itself:
            # Reset, as the port that is waited for must not stay taken by the connection's end.
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            return False
        self._socket = None
        self._done(connected, "")
        return True

    def _drop(self, number: int) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if not self._obstacle:
            self._obstacle = why(number or errno.ECONNREFUSED)


def _bound_socket(family: int, port: int) -> socket.socket:
    """Return a non-blocking socket whose own port is chosen already, and is not `port`.

    A connect to a port of the ephemeral range where nobody listens may pick that very port as its own; TCP then
    connects the socket to itself: a probe would find a server that is not there, and keep the port from the real one.
    """
    # As numbers: for an empty host Python would call getaddrinfo.
    any_address = ("0.0.0.0" if family == socket.AF_INET else "::", 0)
    opened = _non_blocking(family)
    try:
        opened.bind(any_address)
        if opened.getsockname()[1] == port:
            another = _non_blocking(family)
            try:
                another.bind(any_address)
            finally:
                opened.close()
                opened = another
    except OSError:
        pass  # no port is free to be reserved: connect may still share one, and what comes of it is checked
    return opened


def _non_blocking(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


def _nobody(connected: socket.socket | None, _obstacle: str) -> None:
    if connected is not None:
        connected.close()
