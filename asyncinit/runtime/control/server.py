"""The control server: accepts clients, limits them, turns their messages into calls of methods.

Knows neither what the methods do nor what a service is. Every client pays for itself alone: messages are handled one at
a time, each client in turn, for a few milliseconds a turn of the loop.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from asyncinit import __version__
from asyncinit.control import interface, types
from asyncinit.control.framing import MessageTooLongError
from asyncinit.runtime.control.access import Access, Peer, peer_of
from asyncinit.runtime.control.connection import Call, CallState, Connection, ConnectionState
from asyncinit.runtime.control.methods import Methods, fail
from asyncinit.runtime.control.operations import Operations
from asyncinit.runtime.control.place import Place, PlaceState, take_place
from asyncinit.runtime.reexec.keep import Keep

MOST_CLIENTS = 128
MOST_CLIENTS_OF_OTHERS = 16
"""Connections at once: in all, and of each uid that may only read (or nothing)."""

WORK_SECONDS = 0.005
"""How long messages are handled in one turn of the loop; what is left comes in the next."""

ACCEPT_PAUSE = 1.0
"""Seconds until accepting is tried again when there were no descriptors (a client that leaves ends it sooner)."""

ACCEPTS_PER_TURN = 16


class Request(msgspec.Struct, frozen=True):
    """A Varlink call as it comes over the socket; keys that we do not know are left alone."""

    method: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    more: bool | None = None
    oneway: bool | None = None
    upgrade: bool | None = None


class InterfaceDescriptionParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of org.varlink.service.GetInterfaceDescription."""

    interface: str


class ControlState(msgspec.Struct):
    """What is carried over a re-exec."""

    place: PlaceState | None = None
    clients: list[ConnectionState] = []


class ControlServer:
    """Serve the control socket until `close`.

    `address` is where clients find it (None: there was no place; everything else works). `say` is called with a line
    for people, rarely. `carried` is the socket of the program before, after a re-exec. A broken client or a full
    descriptor table ends nobody but that client.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        operations: Operations,
        *,
        say: Callable[[str], None],
        control_socket: str | None = None,
        control_read: str = "owner",
        environment: Mapping[str, str] = os.environ,
        project: str | None = None,
        carried: PlaceState | None = None,
    ) -> None:
        self._loop = loop
        self._say = say
        self._access = Access(control_read, say)
        self._methods = Methods(loop, operations)
        self._descriptions = {
            interface.SERVICE_INTERFACE: interface.SERVICE_DESCRIPTION,
            types.INTERFACE: interface.load_description(),
        }
        self._clients: dict[Connection, None] = {}  # in the order of their coming
        self._queue: deque[Connection] = deque()
        self._work: asyncio.Handle | None = None
        self._accept_again: asyncio.TimerHandle | None = None
        self._place: Place | None = (
            take_place(control_socket, self._access.open_to_all, environment, say, project)
            if carried is None
            else Place.of(carried)
        )
        self.address = self._place.address if self._place else None
        self._accepting = False
        self._begin_accepting()

    def let_read(self, control_read: str) -> None:
        """Have another rule for who may look hold from now on, as [init] control_read says it."""
        self._access = Access(control_read, self._say)
        if self._place is not None:
            self._place.open_to(self._access.open_to_all)

    def freeze(self, keep: Keep) -> ControlState:
        """Return what is carried over a re-exec: clients do not notice, and no request is half done."""
        clients = []
        for client in list(self._clients):
            frozen = client.freeze(keep)
            if not client.is_closed:
                clients.append(frozen)
        return ControlState(None if self._place is None else self._place.freeze(keep), clients)

    def thaw(self, state: ControlState) -> None:
        """Go on with the clients of the program before; the socket itself was given to the constructor."""
        for one in state.clients:
            client = socket.socket(fileno=one.fd)
            try:
                peer = peer_of(client)
            except OSError:
                client.close()
                continue
            connection = Connection(self._loop, client, peer, self)
            self._clients[connection] = None
            connection.thaw(one)
            if one.call is not None and not connection.is_closed:
                self._go_on(connection, one.call)
            self.has_input(connection)

    def _go_on(self, connection: Connection, state: CallState) -> None:
        call = Call(connection, state.method, state.parameters, state.more, state.oneway)
        connection.call = call
        if state.lost:
            fail(call, types.Refused(text="asyncinit was replaced meanwhile; ask again"))
        elif state.state is not None:
            self._methods.go_on(call, state.state)
        else:
            self._carry_out(call, Request(f"{types.INTERFACE}.{state.method}", msgspec.Raw(state.parameters)))

    def close(self) -> None:
        """Give followers their last lines, drop all clients, stop listening, remove the socket file."""
        self._stop_accepting()
        if self._accept_again is not None:
            self._accept_again.cancel()
            self._accept_again = None
        place, self._place = self._place, None
        if place is not None:
            place.close()
        for client in list(self._clients):
            if client.call is not None and client.call.on_end is not None:
                client.call.on_end()
            client.close()
        self._queue.clear()
        if self._work is not None:
            self._work.cancel()

    # -----------------------------------------------------------------------------------------------------------------
    # Clients come and go

    def _begin_accepting(self) -> None:
        if self._place is not None and not self._accepting:
            self._accepting = True
            self._loop.add_reader(self._place.listener.fileno(), self._on_connect)

    def _stop_accepting(self) -> None:
        if self._place is not None and self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._place.listener.fileno())

    def _on_connect(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if self._place is None:
                return
            try:
                client, _address = self._place.listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    # The listener stays readable: without a pause this would be a busy loop.
                    self._stop_accepting()
                    self._accept_again = self._loop.call_later(ACCEPT_PAUSE, self._on_accept_again)
                return
            self._welcome(client)

    def _on_accept_again(self) -> None:
        if self._accept_again is not None:
            self._accept_again.cancel()
            self._accept_again = None
            self._begin_accepting()

    def _welcome(self, client: socket.socket) -> None:
        client.setblocking(False)
        try:
            peer = peer_of(client)
        except OSError:
            client.close()
            return
        if self._make_room(peer):
            self._clients[Connection(self._loop, client, peer, self)] = None
        else:
            client.close()

    def _make_room(self, peer: Peer) -> bool:
        """Tell whether `peer` may stay, after dropping, if need be, whoever loses least by it.

        Those who may only read push out nobody who follows or waits, and no owner; an owner pushes out any of them, and
        of owners all but those who wait for an action.
        """
        owner = self._access.owns(peer)
        if not owner:
            same = [client for client in self._clients if client.peer.uid == peer.uid]
            if len(same) >= MOST_CLIENTS_OF_OTHERS:
                return _drop_least(same, worth=1)
        if len(self._clients) < MOST_CLIENTS:
            return True
        others = [client for client in self._clients if not self._access.owns(client.peer)]
        if owner:
            return _drop_least(others, worth=3) or _drop_least(list(self._clients), worth=2)
        return _drop_least(others, worth=1)

    def closed(self, connection: Connection) -> None:
        """Forget a connection (called by it)."""
        self._clients.pop(connection, None)
        self._on_accept_again()

    # -----------------------------------------------------------------------------------------------------------------
    # Messages

    def has_input(self, connection: Connection) -> None:
        """Queue a connection that may have a message (called by it)."""
        if not connection.queued:
            connection.queued = True
            self._queue.append(connection)
            if self._work is None:
                self._work = self._loop.call_soon(self._handle_some)

    def _handle_some(self) -> None:
        deadline = self._loop.time() + WORK_SECONDS
        while self._queue and self._loop.time() < deadline:
            connection = self._queue.popleft()
            connection.queued = False
            self._handle_next(connection)
        self._work = self._loop.call_soon(self._handle_some) if self._queue else None

    def _handle_next(self, connection: Connection) -> None:
        try:
            message = connection.take_message()
            if message is None:
                return
            request = msgspec.json.decode(message, type=Request)
        except (MessageTooLongError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # What cannot be parsed has no answer, and what follows it cannot be trusted to be a message.
            connection.close()
            return
        oneway = bool(request.oneway)
        more = bool(request.more) and not oneway
        name = request.method.rpartition(".")[2]
        connection.call = Call(connection, name, bytes(request.parameters), more, oneway)
        self._carry_out(connection.call, request)

    def _carry_out(self, call: Call, request: Request) -> None:
        try:
            self._dispatch(call, request)
        except Exception as error:
            self._say(f"control: {request.method[:100]!r} failed: {type(error).__name__}: {error}; a bug in asyncinit")
            fail(call, types.Failed(text=f"{type(error).__name__}: {error}"))

    def _dispatch(self, call: Call, request: Request) -> None:
        interface_name, _, method = request.method.rpartition(".")
        if bool(request.upgrade) != (method in types.UPGRADING and interface_name == types.INTERFACE):
            _fail(call, "MethodNotImplemented", method=request.method)
        elif interface_name == interface.SERVICE_INTERFACE:
            self._answer_about_service(call, method, request)
        elif interface_name != types.INTERFACE:
            _fail(call, "InterfaceNotFound", interface=interface_name)
        elif method not in types.METHODS:
            _fail(call, "MethodNotFound", method=request.method)
        elif not self._allowed(call.connection.peer, method):
            owner = "root and asyncinit's own user"
            fail(call, types.NotAllowed(text=f"{method} is for {owner}; your uid is {call.connection.peer.uid}"))
        else:
            parameters = _parameters(call, request, types.METHODS[method][0])
            if parameters is None:
                return
            if getattr(parameters, "follow", False) and not call.more:
                _fail(call, "ExpectedMore")
            else:
                self._methods.run(method, call, parameters)

    def _allowed(self, peer: Peer, method: str) -> bool:
        if method in types.READ_METHODS:
            return self._access.may_read(peer)
        return self._access.owns(peer)

    def _answer_about_service(self, call: Call, method: str, request: Request) -> None:
        if method == "GetInfo":
            if _parameters(call, request, types.Nothing) is not None:
                call.reply(
                    {
                        "vendor": "asyncinit",
                        "product": "asyncinit",
                        "version": __version__,
                        "url": "",
                        "interfaces": list(self._descriptions),
                    }
                )
        elif method == "GetInterfaceDescription":
            wanted = _parameters(call, request, InterfaceDescriptionParameters)
            if wanted is None:
                return
            description = self._descriptions.get(wanted.interface)
            if description is None:
                _fail(call, "InterfaceNotFound", interface=wanted.interface)
            else:
                call.reply({"description": description})
        else:
            _fail(call, "MethodNotFound", method=request.method)


def _drop_least(clients: list[Connection], worth: int) -> bool:
    """Close one that has hung up, else the one that is worth least and was silent for longest, up to `worth`."""
    gone = [client for client in clients if client.is_hung_up()]
    known = gone or [client for client in clients if client.worth <= worth]
    chosen = min(known, key=lambda client: (client.worth, client.last_active), default=None)
    if chosen is not None:
        chosen.close()
    return chosen is not None


def _fail(call: Call, error: str, **parameters: str) -> None:
    call.fail(f"{interface.SERVICE_INTERFACE}.{error}", parameters)


def _parameters(call: Call, request: Request, kind: type[Any]) -> Any:
    """Return the request's parameters as their type; None if the call was answered with InvalidParameter."""
    given = bytes(request.parameters)
    try:
        return msgspec.json.decode(b"{}" if given == b"null" else given, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        _fail(call, "InvalidParameter", parameter=_parameter_named_in(str(error)))
        return None


def _parameter_named_in(message: str) -> str:
    """Return which parameter msgspec complains about.

    Its messages end with " - at `$.names[0]`", or name a missing or unknown field in backquotes.
    """
    _, found, path = message.partition(" - at `$.")
    if found:
        return path.rstrip("`").split("[")[0].split(".")[0]
    return message.split("`")[1] if message.count("`") == 2 and "field" in message else "parameters"
