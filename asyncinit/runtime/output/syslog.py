"""The system log: /dev/log, a socket of datagrams or, of some daemons, a stream; reconnects; knows no service.

A message is one line: `<30>Nov 23 17:13:50 web: text`, as syslog(3) writes it to the local daemon (RFC 3164 without the
host). Nothing blocks: a daemon that does not read fills its socket, and then the buffer.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from asyncinit.config.spec import FACILITIES, LogLevel
from asyncinit.runtime.output.entries import OWN_NAME, STDERR, Entry, EventRecord
from asyncinit.runtime.output.format import BY_THE_CHUNK, CUT_MARK, prefixed

if TYPE_CHECKING:
    import asyncio

PLACE = "/dev/log"

_ERROR, _WARNING, _INFO, _DEBUG = 3, 4, 6, 7
_SEVERITIES = {
    LogLevel.ERROR: _ERROR,
    LogLevel.WARNING: _WARNING,
    LogLevel.INFO: _INFO,
    LogLevel.DEBUG: _DEBUG,
}
_SHORT = 1024
"""What every daemon takes of a message, where a longer one was refused."""
_NULS = bytes.maketrans(b"\0", b" ")
_FRAMES = bytes.maketrans(b"\n", b"\0")


class SyslogFormat:
    """Messages for syslog, each ended by a newline that is not sent; `tags` has the name and facility of services."""

    mixes_events = True
    repeats_output = True
    chunk_size = BY_THE_CHUNK

    def __init__(self, tag: str, facility: str) -> None:
        self._tag = tag
        self._facility = FACILITIES.index(facility) << 3

    def set_names(self, names: Iterable[str]) -> None:
        """Do nothing: nobody reads columns."""

    def lines(self, now: float, service: str, stream: str, data: bytes, cut: bool) -> bytes:
        """Format lines of a service."""
        severity = _ERROR if stream == STDERR else _INFO
        return prefixed(self._prefix(now, severity, self._tag), data.translate(_NULS), cut)

    def event(self, record: EventRecord, output: Sequence[Entry]) -> bytes:
        """Format an event; the output that explains it is in the log of its service."""
        about = f"{record.service}: " if record.service is not None else ""
        text = f"{about}{record.text}".replace("\n", " ").encode(errors="replace")
        return self._prefix(record.time, _SEVERITIES[record.level], OWN_NAME) + text + b"\n"

    def _prefix(self, now: float, severity: int, tag: str) -> bytes:
        local = time.localtime(now)
        moment = f"{_MONTHS[local.tm_mon - 1]} {local.tm_mday:2d} {time.strftime('%H:%M:%S', local)}"
        return f"<{self._facility | severity}>{moment} {tag}: ".encode()


# RFC 3164: in English, whatever the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _send_message(connected: socket.socket, message: bytes, flags: int) -> None:
    try:
        connected.send(message, flags)
    except OSError as error:
        if error.errno != errno.EMSGSIZE or len(message) <= _SHORT:
            raise
        connected.send(message[:_SHORT] + CUT_MARK, flags)


class SyslogWriter:
    """The socket of the system log at `place` (`output.writer.Writer`); connected when there is something to write."""

    closed = False
    direct = False

    def __init__(self, loop: asyncio.AbstractEventLoop, writable: Callable[[], None], place: str = PLACE) -> None:
        self._loop = loop
        self._writable = writable
        self._place = place
        self._socket: socket.socket | None = None
        self._stream = False
        self._waiting = False

    def write(self, data: memoryview) -> int:
        """Send some of the messages in `data`. Raises BlockingIOError when nothing fits, else OSError."""
        fresh = self._socket is None
        connected = self._socket or self._connect()
        try:
            return self._send(connected, bytes(data))
        except BlockingIOError:
            raise
        except OSError:
            self._let_go()
            if fresh:
                raise
        # The daemon may have been replaced: once more, at its new socket.
        return self.write(data)

    def _send(self, connected: socket.socket, data: bytes) -> int:
        flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
        if self._stream:
            return connected.send(data.translate(_FRAMES), flags)
        sent = 0
        while sent < len(data):
            end = data.find(b"\n", sent)
            end = len(data) if end < 0 else end
            try:
                _send_message(connected, data[sent:end], flags)
            except OSError:
                if sent:
                    break  # those are on their way; the failure comes again with the next one
                raise
            sent = end + 1
        return min(sent, len(data))

    def _connect(self) -> socket.socket:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            made = socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            try:
                made.connect(self._place)
            except OSError as error:
                made.close()
                if error.errno == errno.EPROTOTYPE and kind == socket.SOCK_DGRAM:
                    continue
                raise
            self._socket, self._stream = made, kind == socket.SOCK_STREAM
            return made
        raise AssertionError("unreachable")

    def passes(self, error: OSError) -> bool:
        """Daemons come back."""
        return True

    def wait(self) -> None:
        """Have `writable` called when the daemon has read something, or is gone."""
        if self._socket is not None and not self._waiting:
            self._waiting = True
            self._loop.add_writer(self._socket.fileno(), self._woken)

    def _woken(self) -> None:
        self._stop_waiting()
        self._writable()

    def _stop_waiting(self) -> None:
        if self._waiting and self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())
        self._waiting = False

    def poll(self, seconds: float) -> bool:
        """Tell whether a write would do something (or fail) now, or within `seconds`: blocks for so long."""
        if self._socket is None:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        return bool(poll.poll(int(seconds * 1000 + 0.999)))

    def reopen(self) -> None:
        """Connect anew at the next write."""
        self._let_go()

    def _let_go(self) -> None:
        self._stop_waiting()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Give back the socket. Safe to call twice."""
        self._let_go()
