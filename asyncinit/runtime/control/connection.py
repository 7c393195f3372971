"""One client of the control socket: bytes in, whole messages out of them, replies back; knows no methods.

A client can only harm itself. While a call of it is under way, or a reply has not been taken by it, its next message is
not looked at, and soon not read; so there is never more than one reply and a little input in memory for it.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from asyncinit.control.framing import MAX_MESSAGE, Splitter
from asyncinit.runtime.control.access import Peer
from asyncinit.runtime.reexec.coding import encode
from asyncinit.runtime.reexec.keep import Keep

READ_SIZE = 64 * 1024
"""Bytes taken from a client in one turn of the loop."""

READ_AHEAD = 64 * 1024
"""Bytes of later messages that are read while an earlier one is being answered."""

STALL_LIMIT = 30.0
"""Seconds in which a client must take a reply; a follower (`logs -f`) has all the time it wants."""


class CallState(msgspec.Struct):
    """A call that was not answered for the last time, as it is carried over a re-exec.

    `parameters` are the request's, in JSON. `state` is what the method needs to go on, in the coding of all that is
    carried; None: nothing was answered yet, it is carried out from the beginning. `lost`: its method cannot go on.
    """

    method: str = ""
    parameters: bytes = b""
    more: bool = False
    oneway: bool = False
    lost: bool = False
    state: bytes | None = None


class ConnectionState(msgspec.Struct):
    """A client as it is carried over a re-exec: it does not notice."""

    fd: int = -1
    input: bytes = b""
    output: bytes = b""
    ended: bool = False
    call: CallState | None = None


class Owner(Protocol):
    """What a connection needs of the server."""

    def has_input(self, connection: Connection) -> None:
        """There may be a message to handle."""

    def closed(self, connection: Connection) -> None:
        """The connection is gone."""


class Connection:
    """A client's socket with its buffers, and the one call that is being answered."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, peer: Peer, owner: Owner) -> None:
        self.peer = peer
        self.input = Splitter(MAX_MESSAGE)
        self.call: Call | None = None
        self.last_active = loop.time()
        self.queued = False  # the server's: it stands in the queue of those with input
        self._loop = loop
        self._socket = sock
        self._descriptor = sock.fileno()
        self._owner = owner
        self._output = bytearray()
        self._reading = False
        self._writing = False
        self._ended = False  # the client sends nothing more
        self._raw: Callable[[bytes], None] | None = None
        self._finishing = False
        self._stall: asyncio.TimerHandle | None = None
        self._resume_reading()

    def freeze(self, keep: Keep) -> ConnectionState:
        """Return what is carried over a re-exec."""
        call = self.call.freeze() if self.call is not None else None
        return ConnectionState(keep(self._descriptor), self.input.unread, bytes(self._output), self._ended, call)

    def thaw(self, state: ConnectionState) -> None:
        """Go on with what was read and what was not sent; its call is the server's to bring back."""
        self.input.feed(state.input)
        if state.ended:
            self._ended = True
            self._pause_reading()
        self.send(state.output)

    @property
    def is_closed(self) -> bool:
        """Whether it is gone."""
        return self._descriptor < 0

    @property
    def is_idle(self) -> bool:
        """Whether it waits for nothing from us."""
        return self.call is None and not self._output

    @property
    def worth(self) -> int:
        """How much would be lost with it: 0 nothing, 1 a reply that it does not take, 2 a following, 3 a wait."""
        if self.call is not None:
            return 2 if self.call.patient else 3
        return 1 if self._output else 0

    @property
    def output_size(self) -> int:
        """Bytes that the client has not taken yet."""
        return len(self._output)

    def is_hung_up(self) -> bool:
        """Tell whether the client is gone altogether, which a connection that is not read does not notice by itself."""
        poll = select.poll()
        poll.register(self._descriptor, 0)
        return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))

    def take_message(self) -> bytes | None:
        """Return the next message to handle now; None: later, or never. Raises MessageTooLongError."""
        if self.is_closed or not self.is_idle:
            return None
        message = self.input.next()
        if message is None and self._ended:
            self.close()
        elif message is not None:
            self.last_active = self._loop.time()
        self._resume_reading()
        return message

    def send(self, data: bytes) -> None:
        """Queue a reply, and write what can be written now."""
        if self.is_closed:
            return
        self._output += data
        if not self._writing:
            self._on_writable()

    def take_over(self, take: Callable[[bytes], None]) -> None:
        """Give `take` all bytes that come from now on: they are no messages any more."""
        self._raw = take
        unread = self.input.unread
        self.input = Splitter(MAX_MESSAGE)
        if unread:
            take(unread)

    def hold(self) -> None:
        """Read nothing of the client until `read_on`."""
        self._pause_reading()

    def read_on(self) -> None:
        """Undo `hold`."""
        if self._raw is not None:
            self._resume_reading()

    def finish(self) -> None:
        """Hang up as soon as the client has taken what was sent."""
        self._finishing = True
        self._pause_reading()
        if self.call is not None:
            self.call.patient = False
        if self._output:
            self._watch_stall(progress=True)
        else:
            self._loop.call_soon(self.close)

    def close(self) -> None:
        """Forget the client: cancel its call, close its socket."""
        if self.is_closed:
            return
        self._pause_reading()
        if self._writing:
            self._loop.remove_writer(self._descriptor)
        if self._stall is not None:
            self._stall.cancel()
        self._descriptor = -1
        self._socket.close()
        self._output.clear()
        self._drop_call()
        self._owner.closed(self)

    def call_done(self) -> None:
        """The call has been answered for the last time (a oneway one: without a word)."""
        self.call = None
        if not self.is_closed and not self._output:
            self._owner.has_input(self)

    def _drop_call(self) -> None:
        call, self.call = self.call, None
        if call is not None:
            call.cancel()

    # Input

    def _resume_reading(self) -> None:
        if not self._reading and not self._ended and not self.is_closed:
            self._reading = True
            self._loop.add_reader(self._descriptor, self._on_readable)

    def _pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._descriptor)

    def _on_readable(self) -> None:
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if self._raw is not None:
            if data:
                self._raw(data)
            else:
                self.close()
            return
        if data:
            self.input.feed(data)
            if not self.is_idle and len(self.input) >= READ_AHEAD:
                self._pause_reading()
        else:
            # A client that shut down its sending half still gets its answers; one that is gone does not.
            self._ended = True
            self._pause_reading()
            if self.is_hung_up():
                self._drop_call()
        self._owner.has_input(self)

    # Output

    def _on_writable(self) -> None:
        try:
            sent = self._socket.send(self._output) if self._output else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        del self._output[:sent]
        if self._output:
            self._watch_stall(progress=sent > 0)
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._descriptor, self._on_writable)
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._descriptor)
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._finishing:
            self._loop.call_soon(self.close)
        elif self.call is not None:
            self.call.drained()
        elif not self.is_closed:
            self._owner.has_input(self)  # the next message has waited for this

    def _watch_stall(self, progress: bool) -> None:
        if self.call is not None and self.call.patient:
            return
        if self._stall is not None:
            if not progress:
                return
            self._stall.cancel()
        self._stall = self._loop.call_later(STALL_LIMIT, self.close)


class Call:
    """One call of a client until its last reply: how a method answers.

    `more`: several replies are welcome; `patient`: its client may take them as slowly as it likes. `on_cancel` is
    called when the client is gone before the last reply; `on_drained` whenever it has taken all that was sent; `on_end`
    when the server ends, for last words. `carried` is for a method that does not answer at once: for a re-exec it
    returns what its group's `carried` (see `runtime.control.methods`) needs to go on, or None if it shall be carried
    out from the beginning. Without it the client is told, by the new program, to ask again.
    """

    def __init__(self, connection: Connection, method: str, parameters: bytes, more: bool, oneway: bool) -> None:
        self.connection = connection
        self.method = method
        self.more = more
        self.patient = False
        self.carried: Callable[[], msgspec.Struct | None] | None = None
        self._parameters = parameters
        self.on_cancel: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self.on_drained: Callable[[], None] | None = None
        self._oneway = oneway
        self._done = False

    @property
    def is_done(self) -> bool:
        """Whether the last reply was given, or nobody waits for it any more."""
        return self._done

    def freeze(self) -> CallState | None:
        """Return what is carried over a re-exec; None if there is nothing left of it."""
        lost = self.carried is None
        state = None if self.carried is None else self.carried()
        if self._done:
            return None
        coded = None if state is None else encode(state)
        return CallState(self.method, self._parameters, self.more, self._oneway, lost, coded)

    def reply(self, parameters: msgspec.Struct | dict[str, Any], continues: bool = False) -> None:
        """Answer; `continues`: not for the last time."""
        message: dict[str, Any] = {"parameters": parameters}
        if continues:
            message["continues"] = True
        self._answer(message, last=not continues)

    def upgrade(self, parameters: msgspec.Struct) -> None:
        """Answer for the only time; the connection stays the call's."""
        self._answer({"parameters": parameters}, last=False)

    def fail(self, error: str, parameters: msgspec.Struct | dict[str, str]) -> None:
        """Answer with an error, by its full name."""
        self._answer({"error": error, "parameters": parameters}, last=True)

    def cancel(self) -> None:
        """Nobody waits for an answer any more."""
        if not self._done:
            self._done = True
            if self.on_cancel is not None:
                self.on_cancel()

    def drained(self) -> None:
        """The client has taken all that was sent."""
        if self.on_drained is not None and not self._done:
            self.on_drained()

    def _answer(self, message: dict[str, Any], last: bool) -> None:
        if self._done:
            return
        self._done = last
        if not self._oneway:
            self.connection.send(msgspec.json.encode(message) + b"\0")
        if last:
            self.connection.call_done()
