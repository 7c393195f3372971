"""The services' own pseudo-terminals, for who joins them: what is typed goes in, what comes out is shown too.

`capture` opens them and reads them in any case, for the log. Here is the other half: input that is written as fast as
the service takes it, the size, and the newest bytes, so that who joins sees the prompt. Knows no client; what a
follower does with the output is its own business, and must not wait.

Carried over a re-exec: the newest bytes, and input that was not taken yet; the descriptors are `capture`'s.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from asyncinit.linux.terminal import set_window_size, window_size
from asyncinit.runtime.output.escapes import safe_for_terminal

if TYPE_CHECKING:
    import asyncio

_RECENT = 4096
"""Bytes that who joins is shown of what was written before."""
INPUT_HELD = 64 * 1024
"""Bytes of input that wait for the service; with more than this nobody should type."""
_AT_ONCE = 4096  # what a terminal's line discipline holds


class Follower(Protocol):
    """Who has joined the terminal of a service."""

    def show(self, data: bytes) -> None:
        """The service has written this."""

    def opened(self) -> None:
        """The service has another terminal now: it has been started again."""

    def room(self) -> None:
        """What was typed has gone in, more may come."""


@dataclass(eq=False, slots=True)
class _Terminal:
    """Our end of one terminal."""

    service: str
    fd: int
    recent: bytearray = field(default_factory=bytearray)
    pending: bytearray = field(default_factory=bytearray)
    writing: bool = False


class TerminalState(Struct):
    """What is carried of one; `newest`: it is that of its service's present run."""

    service: str = ""
    fd: int = -1
    newest: bool = False
    recent: bytes = b""
    pending: bytes = b""


class Terminals:
    """The terminals, by their descriptors, and by service those of the newest runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._terminals: dict[int, _Terminal] = {}
        self._newest: dict[str, _Terminal] = {}
        self._followers: dict[str, list[Follower]] = {}
        self._wanted: dict[str, list[dict[str, str]]] = {}

    def freeze(self) -> list[TerminalState]:
        """Return what is carried over a re-exec."""
        return [
            TerminalState(
                one.service, one.fd, self._newest.get(one.service) is one, bytes(one.recent), bytes(one.pending)
            )
            for one in self._terminals.values()
        ]

    def thaw(self, states: list[TerminalState]) -> None:
        """Go on with the terminals of the program before; who had joined has to say so again."""
        for state in states:
            one = _Terminal(state.service, state.fd, bytearray(state.recent), bytearray(state.pending))
            self._terminals[state.fd] = one
            if state.newest:
                self._newest[state.service] = one
            self._write(one)

    # -----------------------------------------------------------------------------------------------------------------
    # Told by the capture

    def opened(self, service: str, fd: int) -> None:
        """A process of a service is about to get a terminal, of which `fd` is our end."""
        one = self._terminals[fd] = self._newest[service] = _Terminal(service, fd)
        for follower in tuple(self._followers.get(one.service, ())):
            follower.opened()

    def came(self, fd: int, data: bytes) -> None:
        """Something was written on it."""
        one = self._terminals.get(fd)
        if one is None:
            return
        one.recent += data
        del one.recent[:-_RECENT]
        if self._newest.get(one.service) is one:
            for follower in tuple(self._followers.get(one.service, ())):
                follower.show(data)

    def ended(self, fd: int) -> None:
        """Nobody has it open any more; its descriptor is closed after this."""
        one = self._terminals.pop(fd, None)
        if one is None:
            return
        if one.writing:
            self._loop.remove_writer(fd)
        if self._newest.get(one.service) is one:
            del self._newest[one.service]
        self._tell_room(one)

    # -----------------------------------------------------------------------------------------------------------------
    # Asked by who joins

    def has(self, service: str) -> bool:
        """Tell whether the newest run of a service has a terminal of ours."""
        return service in self._newest

    def want(self, service: str, variables: dict[str, str]) -> None:
        """Have the next runs of a service get a terminal, and `variables`, until `unwant`."""
        self._wanted.setdefault(service, []).append(variables)

    def unwant(self, service: str, variables: dict[str, str]) -> None:
        """Undo one `want`; harmless when it is undone."""
        wishes = self._wanted.get(service, [])
        if variables in wishes:
            wishes.remove(variables)
        if not wishes:
            self._wanted.pop(service, None)

    def is_wanted(self, service: str) -> bool:
        """Tell whether the next run shall get a terminal, whatever is declared."""
        return service in self._wanted

    def variables(self, service: str) -> Mapping[str, str]:
        """Return what the next run is told of the terminal that it gets."""
        return self._wanted[service][-1] if service in self._wanted else {}

    def join(self, service: str, follower: Follower) -> None:
        """Have `follower` told of all that is written from now on, by later runs too."""
        self._followers.setdefault(service, []).append(follower)

    def leave(self, service: str, follower: Follower) -> None:
        """Undo `join`; harmless when it is undone."""
        followers = self._followers.get(service, [])
        if follower in followers:
            followers.remove(follower)
        if not followers:
            self._followers.pop(service, None)

    def recent(self, service: str) -> bytes:
        """Return what was written last, from the beginning of a line: text and colours.

        Nothing that moves the cursor, which is elsewhere by now, or makes the terminal type an answer.
        """
        one = self._newest.get(service)
        if one is None:
            return b""
        data = bytes(one.recent)
        if len(data) == _RECENT:
            data = data[data.find(b"\n") + 1 :]
        return safe_for_terminal(data.replace(b"\r\n", b"\n"), True).replace(b"\n", b"\r\n")

    def type(self, service: str, data: bytes) -> bool:
        """Have the service read `data`; tell whether more may be typed before `room` is called.

        What is typed while it has no terminal is lost.
        """
        one = self._newest.get(service)
        if one is None:
            return True
        one.pending += data
        self._write(one)
        return len(one.pending) < INPUT_HELD

    def resize(self, service: str, rows: int, columns: int, redraw: bool = False) -> None:
        """Have the terminal be of this size; with `redraw` the service is told even if it was."""
        one = self._newest.get(service)
        if one is None:
            return
        try:
            if redraw and window_size(one.fd) == (rows, columns):
                set_window_size(one.fd, rows + 1, columns)
            set_window_size(one.fd, rows, columns)
        except OSError:
            pass  # it has just ended

    # -----------------------------------------------------------------------------------------------------------------

    def _write(self, one: _Terminal) -> None:
        held = len(one.pending) >= INPUT_HELD
        try:
            while one.pending:
                del one.pending[: os.write(one.fd, one.pending[:_AT_ONCE])]
        except BlockingIOError:
            pass
        except OSError:  # EIO: nobody has the other end
            one.pending.clear()
        if bool(one.pending) != one.writing:
            one.writing = bool(one.pending)
            if one.writing:
                self._loop.add_writer(one.fd, self._write, one)
            else:
                self._loop.remove_writer(one.fd)
        if held and len(one.pending) < INPUT_HELD:
            self._tell_room(one)

    def _tell_room(self, one: _Terminal) -> None:
        for follower in tuple(self._followers.get(one.service, ())):
            follower.room()
