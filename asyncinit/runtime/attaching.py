"""Whoever joins the terminal of a service: who may, what they are told, and when it is over; knows no socket.

One stays joined over restarts, whoever asked for them, unless there is nothing more to be typed. It is over when the
service has come to rest and does not come back by itself. Several may be joined: all see what is written, and all may
type.

A service that is started in the foreground (`start`) gets a terminal of its own for that, whatever is declared, as long
as somebody is joined who asked for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asyncinit.config.spec import ServiceSpec
from asyncinit.control.types import EventEntry
from asyncinit.core.engine import Engine
from asyncinit.core.service import COMING_UP, GOING_DOWN, IS_UP, Phase, Service
from asyncinit.core.status import State
from asyncinit.runtime.announcer import Announcer
from asyncinit.runtime.control.operations import AttachedState, RefusedError, Viewer
from asyncinit.runtime.output.terminals import INPUT_HELD, Terminals

# What is told of the service's states beside what it writes; that it is ready only after one of these.
_TOLD = frozenset({State.STOPPING, State.BACKOFF, State.FAILED, State.COMPLETED, State.INACTIVE})
_RUN_OVER = frozenset({State.BACKOFF, State.WAITING})
_OVER = frozenset({State.FAILED, State.COMPLETED, State.INACTIVE, State.LISTENING})

_END_OF_INPUT = b"\x04"


class Start(Protocol):
    """What starts a service as a user's request does; raises RefusedError and UnknownServiceError."""

    def __call__(self, name: str) -> object:
        """Begin it."""


class Attaching:
    """Let join (`runtime.control.operations.AttachingOperations`)."""

    def __init__(self, engine: Engine, terminals: Terminals, announcer: Announcer, start: Start) -> None:
        self._engine = engine
        self._terminals = terminals
        self._announcer = announcer
        self._start = start

    def join(self, name: str, viewer: Viewer, size: tuple[int, int], start: dict[str, str] | None) -> Attached:
        """Join a service that exists; `start` (variables for it): first start it. Raises RefusedError."""
        service = self._engine.services[name]
        if start is None:
            self._refuse_absent(service)
        else:
            self._refuse_running(service)
        state = AttachedState(name, *size, start, opened=start is None)
        attached = self._attached(state, viewer)
        if start is not None:
            try:
                self._start(name)
            except BaseException:
                attached.leave()
                raise
        return attached

    def go_on(self, state: AttachedState, viewer: Viewer) -> Attached:
        """Stay joined after a re-exec."""
        return self._attached(state, viewer)

    def _attached(self, state: AttachedState, viewer: Viewer) -> Attached:
        return Attached(self._engine, self._terminals, self._announcer.follow, state, viewer)

    def _refuse_absent(self, service: Service) -> None:
        name = service.name
        if not self._terminals.has(name):
            if service.spec.tty is not True:
                raise RefusedError(_without(service.declared))
            if _is_over(service) and name not in self._engine.watched:
                text = f"cannot attach to {name}: it does not run; asyncinit start --attach {name} starts it"
                raise RefusedError(text)

    def _refuse_running(self, service: Service) -> None:
        name, spec = service.name, service.declared
        if not spec.has_process or spec.sandbox is not None:
            raise RefusedError(f"cannot attach to {name}: it has no process of its own")
        if isinstance(spec.tty, str):
            raise RefusedError(f"cannot attach to {name}: its terminal is {spec.tty}")
        runs = service.phase in COMING_UP - {Phase.PREPARING} | IS_UP | GOING_DOWN and not service.stays_completed
        if runs and not self._terminals.has(name):
            text = f"cannot attach to {name}: it runs already, without a terminal of its own"
            raise RefusedError(f"{text}; asyncinit stop {name} comes first, or set tty = true")


def _without(spec: ServiceSpec) -> str:
    if isinstance(spec.tty, str):
        return f"cannot attach to {spec.name}: its terminal is {spec.tty}"
    if not spec.has_process:
        return f"cannot attach to {spec.name}: it has no process of its own"
    return (
        f"cannot attach to {spec.name}: it has no terminal of its own; set tty = true and restart it "
        f"(asyncinit logs -f {spec.name} shows what it writes)"
    )


def _is_over(service: Service) -> bool:
    return service.at_rest or service.stays_completed


class Attached:
    """One who has joined (`runtime.control.operations.Attached`)."""

    def __init__(
        self,
        engine: Engine,
        terminals: Terminals,
        follow: Callable[[Callable[[EventEntry], None]], Callable[[], None]],
        state: AttachedState,
        viewer: Viewer,
    ) -> None:
        self._engine = engine
        self._terminals = terminals
        self._state = state
        self._viewer = viewer
        self._over = False
        self._ahead: bytearray | None = None
        self._unfollow = follow(self._happened)
        terminals.join(state.name, self)
        if state.variables is not None:
            terminals.want(state.name, state.variables)
            if not state.opened and not terminals.has(state.name):
                self._ahead = bytearray(state.ahead)

    def begin(self) -> None:
        """Show what was written last; have what is there redraw itself in the size of the one who has joined."""
        recent = self._terminals.recent(self._state.name)
        if recent:
            self._viewer.show(recent)
        self._terminals.resize(self._state.name, self._state.rows, self._state.columns, redraw=True)

    def freeze(self) -> AttachedState:
        """Return what is carried over a re-exec."""
        self._state.opened = self._ahead is None
        self._state.ahead = bytes(self._ahead or b"")
        return self._state

    def type(self, data: bytes) -> bool:
        """Have the service read `data`; tell whether more may come before the viewer's `room`.

        What is typed before it has been started waits for that.
        """
        if self._ahead is not None:
            self._ahead += data
            return len(self._ahead) < INPUT_HELD
        return self._terminals.type(self._state.name, data)

    def end_input(self) -> None:
        """Type ctrl-D; a process that has read that has read all, and the next one would wait for ever."""
        self._state.last = True
        self.type(_END_OF_INPUT)

    def resize(self, rows: int, columns: int) -> None:
        """Have the terminal, and that of later runs, be of this size."""
        self._state.rows, self._state.columns = rows, columns
        self._terminals.resize(self._state.name, rows, columns)

    def leave(self) -> None:
        """Leave; the service goes on. Harmless when it is over."""
        if self._over:
            return
        self._over = True
        self._unfollow()
        self._terminals.leave(self._state.name, self)
        if self._state.variables is not None:
            self._terminals.unwant(self._state.name, self._state.variables)

    # What the terminal tells

    def show(self, data: bytes) -> None:
        """The service has written this."""
        self._viewer.show(data)

    def opened(self) -> None:
        """It has been started again, on another terminal."""
        self._terminals.resize(self._state.name, self._state.rows, self._state.columns)
        ahead, self._ahead = self._ahead, None
        if ahead is not None and self._terminals.type(self._state.name, bytes(ahead)):
            self._viewer.room()

    def room(self) -> None:
        """What was typed has gone in."""
        self._viewer.room()

    # What becomes of the service

    def _happened(self, entry: EventEntry) -> None:
        if entry.service != self._state.name or entry.old is entry.new or entry.new is None:
            return
        over = entry.new in _OVER and entry.service not in self._engine.watched
        if over or (self._state.last and self._ahead is None and entry.new in _RUN_OVER):
            self._end(entry.service, entry.text)
        elif entry.new in _TOLD or (entry.new is State.READY and self._state.told):
            self._state.told = entry.new is not State.READY
            self._viewer.tell(f"{entry.service}: {entry.text}")

    def _end(self, name: str, text: str) -> None:
        service = self._engine.services.get(name)
        status = service.run_exit if service is not None else None
        code = status.as_process_exit() if status is not None else 1
        if service is not None and service.rest is State.FAILED and code == 0:
            code = 1  # what it did was well, what was done around it was not
        self.leave()
        self._viewer.end(code, f"{name}: {text}")
