"""The method that joins a client to the terminal of a service: Attach, whose connection is no Varlink afterwards.

A client that does not read what the service writes loses what is more than HELD, and is told how much that was; one
that types faster than the service reads is not read meanwhile.
"""

from __future__ import annotations

from msgspec import Struct, field

from asyncinit.control import attached as wire
from asyncinit.control import types
from asyncinit.control.types import AttachParameters, AttachReply
from asyncinit.runtime.control.connection import Call
from asyncinit.runtime.control.methods.answers import Carried, Table, carry_out, fail
from asyncinit.runtime.control.operations import Attached, AttachedState, Operations

HELD = 1 << 20
"""Bytes that a client may leave untaken."""

_SIZE = (24, 80)


class ScreenState(Struct):
    """A joined client as it is carried over a re-exec; `unread` is a part of what it has sent."""

    attached: AttachedState = field(default_factory=AttachedState)
    unread: bytes = b""
    left_out: int = 0


class AttachingMethods:
    """What joins."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.table: Table = {"Attach": self._attach}
        self.carried: Carried = {"Attach": (ScreenState, self._go_on)}

    def _attach(self, call: Call, given: AttachParameters) -> None:
        templates = self._operations.templates()
        missing = templates.missing([given.name]) if given.start else []
        if not missing:
            self._join(call, given)
            return

        def made(problem: str) -> None:
            if problem:
                fail(call, types.Refused(text=problem))
            else:
                carry_out(call, lambda: self._join(call, given))

        call.on_cancel = templates.make(missing, made)

    def _join(self, call: Call, given: AttachParameters) -> None:
        self._operations.services([given.name])  # which has to exist
        screen = Screen(call)
        size = (given.rows, given.columns) if given.rows and given.columns else _SIZE
        start = None
        if given.start:
            start = {"TERM": given.term} if given.term else {}
        attached = self._operations.attaching().join(given.name, screen, size, start)
        call.upgrade(AttachReply(name=given.name))
        screen.begin(attached)
        attached.begin()

    def _go_on(self, call: Call, state: ScreenState) -> None:
        self._operations.services([state.attached.name])
        screen = Screen(call, state.unread, state.left_out)
        screen.begin(self._operations.attaching().go_on(state.attached, screen))


class Screen:
    """One client (`runtime.control.operations.Viewer`)."""

    def __init__(self, call: Call, unread: bytes = b"", left_out: int = 0) -> None:
        self._call = call
        self._connection = call.connection
        self._frames = wire.Frames(unread)
        self._left_out = left_out
        self._attached: Attached | None = None
        self._held: list[tuple[bytes, bytes]] = []
        self._over: tuple[int, str] | None = None
        self._ended = False

    def begin(self, attached: Attached) -> None:
        """Be joined: what the client sends is no message any more."""
        self._attached = attached
        call = self._call
        call.patient = True
        call.on_cancel = attached.leave
        call.on_drained = self._drained
        call.carried = self._carried
        if self._over is not None:  # it was over before it began
            self.end(*self._over)
            return
        for kind, body in self._held:
            self._send(kind, body)
        self._held.clear()
        self._connection.take_over(self._came)

    # What is told

    def show(self, data: bytes) -> None:
        """Show what the service has written."""
        if self._left_out or self._connection.output_size + len(data) > HELD:
            self._left_out += len(data)
        else:
            self._send(wire.OUTPUT, data)

    def tell(self, text: str) -> None:
        """Tell a person what becomes of the service."""
        if self._connection.output_size < 2 * HELD:
            self._send(wire.NOTICE, text.encode(errors="replace"))

    def room(self) -> None:
        """Let the client type again."""
        self._connection.read_on()

    def end(self, code: int, text: str) -> None:
        """Tell that it is over, and hang up."""
        if self._attached is None:
            self._over = code, text
            return
        self._say_what_is_left_out()
        self._ended = True
        self._connection.send(wire.frame(wire.END, b"%d " % code + text.encode(errors="replace")))
        self._connection.finish()

    def _send(self, kind: bytes, body: bytes) -> None:
        if self._attached is None:
            self._held.append((kind, body))
        elif not self._ended:
            self._connection.send(wire.frame(kind, body))

    def _drained(self) -> None:
        self._say_what_is_left_out()

    def _say_what_is_left_out(self) -> None:
        count, self._left_out = self._left_out, 0
        if count:
            self.tell(f"{count} bytes were left out: they were not read in time")

    # What the client sends

    def _came(self, data: bytes) -> None:
        attached = self._attached
        if attached is None:
            return
        try:
            for kind, body in self._frames.feed(data):
                if kind == wire.INPUT and not attached.type(body):
                    self._connection.hold()
                elif kind == wire.LAST:
                    attached.end_input()
                elif kind == wire.SIZE:
                    attached.resize(*wire.size_of(body))
        except wire.BrokenFrameError:
            self._connection.close()

    def _carried(self) -> ScreenState | None:
        if self._attached is None:
            return None
        return ScreenState(self._attached.freeze(), self._frames.unread, self._left_out)
