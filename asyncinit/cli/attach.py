"""`asyncinit attach` and `start --attach`: the terminal joined to a service's own, until that ends or one leaves.

What comes from the terminal goes to the service as it is, ^C too. Nothing that ends us leaves the terminal raw.
"""

from __future__ import annotations

import os
import select
import signal

from asyncinit.cli import screen
from asyncinit.cli.outcome import UsageError, complain
from asyncinit.cli.raw_terminal import DETACH_KEYS, Keys, RawTerminal, Switches, keys_of
from asyncinit.cli.server import connect
from asyncinit.client.errors import BrokenProtocolError, NotRunningError
from asyncinit.control import attached as wire

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from asyncinit.cli.declaring import Invocation
    from asyncinit.client.connection import Connection

_AT_ONCE = 1 << 16
_UNSENT = 1 << 16  # with so much that the server does not take, no more is read of what is typed
_LEAVING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


def attach(invocation: Invocation) -> int:
    """Join the terminal of a service that runs."""
    return join(invocation, invocation.values["name"], start=False)


def join(invocation: Invocation, name: str, *, start: bool) -> int:
    """Join the terminal of `name`, started first if `start`; return its exit status, 0 if one left before its end."""
    keys = keys_of(invocation.values["detach_keys"] or DETACH_KEYS)
    with connect(invocation.socket) as server:
        size = _size()
        given = {"name": name, "start": start or None, "term": os.environ.get("TERM") if start else None}
        rest = server.upgrade("Attach", {**given, **({"rows": size[0], "columns": size[1]} if size else {})})
        return _Session(server, keys, name).run(rest)


def only_one(invocation: Invocation) -> str:
    """Return the name that `start --attach` is about; raises UsageError."""
    values = invocation.values
    if values["all"] or values["no_wait"] or len(values["names"]) != 1:
        raise UsageError("start --attach takes one NAME, and neither --all nor --no-wait")
    name: str = values["names"][0]
    return name


def _size() -> tuple[int, int] | None:
    """Return the rows and columns of the terminal, None where there is none."""
    for fd in (1, 0, 2):
        try:
            columns, rows = os.get_terminal_size(fd)
        except OSError:
            continue
        if rows and columns:
            return rows, columns
    return None


class _Session:
    """One joined terminal."""

    def __init__(self, server: Connection, keys: bytes, name: str) -> None:
        self._server = server
        self._name = name
        self._keys = Keys(keys)
        self._frames = wire.Frames()
        self._terminal = RawTerminal(0)
        self._shown_on_terminal = os.isatty(1)
        self._switches = Switches()
        self._unsent = bytearray()
        self._typing = True
        self._status: int | None = None
        self._told = ""
        self._ended_by = 0

    def run(self, rest: bytes) -> int:
        """Be joined; `rest` has come already."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = {
            number: signal.signal(number, self._caught) for number in (*_LEAVING, signal.SIGWINCH, signal.SIGTSTP)
        }
        woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        os.set_blocking(self._server.fileno(), False)
        try:
            self._terminal.enter()
            self._take(rest)
            while self._status is None and not self._ended_by:
                self._turn(reader)
        finally:
            self._restore()
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(reader)
            os.close(writer)
        return self._leave()

    def _leave(self) -> int:
        if self._told:
            complain(screen.plain(self._told))
        if self._ended_by:
            signal.signal(self._ended_by, signal.SIG_DFL)
            os.kill(os.getpid(), self._ended_by)  # who waits for us sees how it was
        return self._status or 0

    def _restore(self) -> None:
        if self._shown_on_terminal:
            try:
                os.write(1, self._switches.off())
            except OSError:
                pass  # it has hung up
        self._terminal.leave()

    def _turn(self, woken: int) -> None:
        poll = select.poll()
        poll.register(self._server.fileno(), select.POLLIN | (select.POLLOUT if self._unsent else 0))
        poll.register(woken, select.POLLIN)
        if self._typing and len(self._unsent) < _UNSENT:
            poll.register(0, select.POLLIN)
        for fd, events in poll.poll():
            if fd == woken:
                os.read(woken, 4096)  # its handler has been called
            elif fd == 0:
                self._typed()
            else:
                self._with_server(events)
            if self._status is not None:
                return

    def _caught(self, number: int, _frame: object) -> None:
        if number == signal.SIGWINCH:
            size = _size()
            if size is not None:
                self._send(wire.SIZE, wire.size(*size))
        elif number == signal.SIGTSTP:
            self._stop()
        else:
            self._ended_by = number

    def _stop(self) -> None:
        """Stand still as our shell wants, with its terminal as it was, and go on as it is now."""
        self._terminal.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._terminal.enter()
        size = _size()
        if size is not None:
            self._send(wire.SIZE, wire.size(*size))

    # What is typed

    def _typed(self) -> None:
        try:
            data = os.read(0, 4096)
        except OSError:
            data = b""
        if not data:
            self._typing = False
            if self._terminal.is_one:
                self._ended_by = signal.SIGHUP
            else:
                self._send(wire.LAST, b"")
            return
        left = False
        if self._terminal.is_one:
            data, left = self._keys.typed(data)
        if data:
            self._send(wire.INPUT, data)
        if left:
            self._status, self._told = 0, f"left {self._name}, which goes on"

    def _send(self, kind: bytes, body: bytes) -> None:
        self._unsent += wire.frame(kind, body)
        self._send_some()

    def _send_some(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._server.fileno(), self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # its end is read

    # What is shown

    def _with_server(self, events: int) -> None:
        if events & select.POLLOUT:
            self._send_some()
        if not events & ~select.POLLOUT:
            return
        try:
            data = os.read(self._server.fileno(), _AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise NotRunningError(f"asyncinit hung up; what becomes of {self._name} is not known")
        self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            frames = self._frames.feed(data)
        except wire.BrokenFrameError as error:
            raise BrokenProtocolError(f"what answers is no asyncinit: {error}") from error
        for kind, body in frames:
            if kind == wire.OUTPUT:
                self._show(body)
            elif kind == wire.NOTICE:
                self._tell(body)
            elif kind == wire.END:
                code, _, text = body.partition(b" ")
                self._status, self._told = int(code), text.decode(errors="replace")

    def _show(self, data: bytes) -> None:
        if self._shown_on_terminal:
            self._switches.shown(data)
        else:
            data = data.replace(b"\r\n", b"\n")
        _write(1, data)

    def _tell(self, text: bytes) -> None:
        start, end = (b"\r\n", b"\r\n") if self._terminal.is_one else (b"", b"\n")
        shown = screen.plain(text.decode(errors="replace"))
        _write(2, start + b"[" + shown.encode(errors="replace") + b"]" + end)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
