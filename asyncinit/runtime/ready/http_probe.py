"""Ask an HTTP server one question and judge the status; knows nothing of schedules.

Only the head of the response is awaited. What answers slowly is bounded by the caller's time limit, what answers much
by `MAX_HEAD`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import h11

from asyncinit import __version__
from asyncinit.runtime.ready.addresses import HttpAddress
from asyncinit.runtime.ready.connecting import Connecting
from asyncinit.runtime.ready.names import resolve
from asyncinit.runtime.ready.plain_text import obstacle_of, one_line

MAX_HEAD = 64 * 1024
"""Bytes of interim responses and response head, together."""

_CHUNK = 16 * 1024


class HttpAttempt:
    """One GET; `done` is told the obstacle, "" for a status from 200 to 399 (redirects are not followed)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: HttpAddress, done: Callable[[str], None]) -> None:
        self._loop = loop
        self._address = address
        self._done = done
        self._connecting: Connecting | None = None
        self._socket: socket.socket | None = None
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._unsent = b""
        self._received = 0

    def begin(self) -> None:
        """Connect and ask."""
        host, port = self._address.tcp
        endpoints = resolve(host)
        if not endpoints:
            self._done(f"{host} is neither an IP address nor in /etc/hosts")
            return
        self._connecting = Connecting(self._loop, endpoints, port, self._connected)
        self._connecting.begin()

    def cancel(self) -> None:
        """Give up without telling; harmless when it is over."""
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        self._close()

    def _connected(self, connected: socket.socket | None, obstacle: str) -> None:
        if connected is None:
            self._done(obstacle)
            return
        self._socket = connected
        request = h11.Request(
            method="GET",
            target=self._address.target,
            headers=[
                ("Host", self._address.authority),
                ("User-Agent", f"asyncinit/{__version__}"),
                ("Accept", "*/*"),
                ("Connection", "close"),
            ],
        )
        self._unsent = (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        self._loop.add_reader(connected.fileno(), self._readable)
        self._loop.add_writer(connected.fileno(), self._writable)

    def _writable(self) -> None:
        if self._socket is None:
            return
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._unsent = b""  # what it said before it closed is still to be read, and so is the error
        if not self._unsent:
            self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._finish(obstacle_of(error))
            return
        self._received += len(data)
        obstacle = self._judge(data)
        if obstacle is None and self._received > MAX_HEAD:
            obstacle = f"no response head within {MAX_HEAD} bytes"
        if obstacle is not None:
            self._finish(obstacle)

    def _judge(self, data: bytes) -> str | None:
        """Return what the response comes to with `data` (empty: the end), None while more is needed."""
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            if not data:
                return "closed the connection without an answer"
            return "no valid HTTP: " + one_line(str(error), 80)
        if isinstance(event, h11.Response):
            return "" if 200 <= event.status_code <= 399 else f"status {event.status_code}"
        return None if event is h11.NEED_DATA and data else "closed the connection without an answer"

    def _finish(self, obstacle: str) -> None:
        self._close()
        self._done(obstacle)

    def _close(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None
