"""One connection to a running asyncinit: calls and their replies, synchronously.

Knows no method. Replies are what JSON gives: dictionaries, lists, strings. Imports little: its time is `status`'s time.
"""

from __future__ import annotations

import _socket  # without the Python around it, which none of this needs and whose import takes long
import os

from asyncinit.client.errors import (
    BrokenProtocolError,
    CallError,
    NotAllowedError,
    NotRunningError,
    UntrustedServerError,
)
from asyncinit.client.quick_json import dumps, loads
from asyncinit.control.address import is_anybody, reach
from asyncinit.control.framing import Splitter

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

INTERFACE = "io.asyncinit"
LONGEST_REPLY = 1 << 30
"""We trust our own server; the limit only ends what is no asyncinit at all."""

SILENCE = 2.0
"""Seconds without an answer after which whoever asked is told; asyncinit answers at once unless it is stopped."""


class Connection:
    """A connection to the server at `address`; a context manager.

    Raises NotRunningError, NotAllowedError, UntrustedServerError. `server_pid` is the server's pid as our own PID
    namespace sees it, 0 if it does not. `on_silence` is called once if nothing answers for SILENCE seconds; the waiting
    goes on.
    """

    def __init__(self, address: str, on_silence: Callable[[Connection], None] | None = None) -> None:
        self.address = address
        self._on_silence = on_silence
        self._input = Splitter(LONGEST_REPLY)
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            reach(address, self._socket.connect)
            self.server_pid, uid = _peer(self._socket)
            if is_anybody(uid):
                raise UntrustedServerError(
                    f"the server at {address} runs as a user that this user namespace does not know (uid {uid}): "
                    f"not talking to it"
                )
            if uid not in {0, os.geteuid()}:
                raise UntrustedServerError(
                    f"the server at {address} runs as uid {uid}: neither root nor you; not talking to it"
                )
        except PermissionError as error:
            self._socket.close()
            raise NotAllowedError(f"cannot connect to {address}: permission denied") from error
        except OSError as error:
            self._socket.close()
            why = error.strerror or str(error)
            raise NotRunningError(f"not running: cannot connect to {address}: {why}") from error
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the socket's descriptor, for select."""
        return self._socket.fileno()

    def has_message(self) -> bool:
        """Tell whether a whole reply was read already, so that the next one needs no waiting."""
        return self._input.has_message()

    def close(self) -> None:
        """Hang up; the server stops what it does for us alone (waiting, following)."""
        self._socket.close()

    def call(self, method: str, parameters: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Call a method of io.asyncinit and return its reply; raises CallError, NotRunningError."""
        self._send(method, parameters)
        reply, _ = self._receive()
        return reply

    def stream(self, method: str, parameters: Mapping[str, object] | None = None) -> Iterator[dict[str, Any]]:
        """Call a method that answers more than once; yields each reply; raises CallError, NotRunningError."""
        self._send(method, parameters, more=True)
        continues = True
        while continues:
            reply, continues = self._receive()
            yield reply

    def ask(self, method: str, parameters: Mapping[str, object] | None = None, more: bool = False) -> None:
        """Send a call and do not wait for its replies, which `arrived` gives; raises NotRunningError."""
        self._send(method, parameters, more)

    def arrived(self) -> Iterator[tuple[dict[str, Any] | CallError, bool]]:
        """Yield what has arrived since, without waiting: a reply or an error, and whether more follow for this call.

        For whoever waits for many things: to be called when there is something to read. Raises NotRunningError when
        asyncinit has hung up.
        """
        try:
            data = self._socket.recv(1 << 18, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as error:
            raise NotRunningError(f"asyncinit hung up ({error.strerror})") from error
        if not data:
            raise NotRunningError("asyncinit hung up: it has ended, or has no room for more clients")
        self._input.feed(data)
        while (message := self._input.next()) is not None:
            try:
                reply, continues = self._decode(message)
            except CallError as error:
                yield error, False
            else:
                yield reply, continues

    def upgrade(self, method: str, parameters: Mapping[str, object]) -> bytes:
        """Call a method after whose reply the connection is no Varlink any more; return what has come after that."""
        self._send(method, parameters, upgrade=True)
        self._receive()
        return self._input.unread

    def _send(
        self, method: str, parameters: Mapping[str, object] | None, more: bool = False, upgrade: bool = False
    ) -> None:
        given = {name: value for name, value in (parameters or {}).items() if value is not None}
        message: dict[str, object] = {"method": f"{INTERFACE}.{method}", "parameters": given}
        if more:
            message["more"] = True
        if upgrade:
            message["upgrade"] = True
        try:
            self._socket.sendall(dumps(message).encode() + b"\0")
        except OSError as error:
            raise NotRunningError(f"asyncinit hung up: {error.strerror}") from error
        # Only the first reply is due at once; those after it come when something happens.
        if self._on_silence is not None:
            self._socket.settimeout(SILENCE)

    def _receive(self) -> tuple[dict[str, Any], bool]:
        while (message := self._input.next()) is None:
            try:
                data = self._socket.recv(1 << 18)
            except TimeoutError:
                self._socket.settimeout(None)
                if self._on_silence is not None:
                    self._on_silence(self)
                continue
            except OSError as error:
                raise NotRunningError(f"asyncinit hung up ({error.strerror})") from error
            if not data:
                raise NotRunningError("asyncinit hung up: it has ended, or has no room for more clients")
            self._socket.settimeout(None)
            self._input.feed(data)
        return self._decode(message)

    def _decode(self, message: bytes) -> tuple[dict[str, Any], bool]:
        try:
            reply = loads(message)
            parameters = reply.get("parameters") or {}
            error_name = reply.get("error")
            continues = bool(reply.get("continues"))
        except (ValueError, AttributeError) as error:
            raise BrokenProtocolError(f"what answers at {self.address} is no asyncinit") from error
        if error_name:
            raise CallError(error_name, parameters)
        return parameters, continues


def _peer(connection: _socket.socket) -> tuple[int, int]:
    """Return pid and uid of the server (SO_PEERCRED, unix(7)), as our namespaces see them."""
    data = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    numbers = memoryview(data).cast("I")
    return numbers[0], numbers[1]
