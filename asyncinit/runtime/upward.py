"""asyncinit's own readiness outward: to the NOTIFY_SOCKET that it was given, and on --ready-fd; knows no service.

Nothing here blocks or fails: what can't be sent now waits for room, and a receiver that is missing, dead or of an
unknown kind is told about in one line and then ignored. Over a live re-exec the socket is made anew.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping

from msgspec import Struct

from asyncinit.runtime.ready.plain_text import obstacle_of, one_line
from asyncinit.runtime.reexec.keep import Keep

# A receiver that takes nothing for so many messages gets the newest ones only.
_MOST_WAITING = 16


class UpwardState(Struct):
    """What is carried over a re-exec; `address` is empty where nobody listens, `descriptor` -1 where all was told.

    `telling`: readiness is to be told on the descriptor as soon as there is room. `ready` and `reloading` were told.
    """

    address: str = ""
    waiting: list[bytes] = []
    descriptor: int = -1
    telling: bool = False
    ready: bool = False
    reloading: bool = False


class Upward:
    """What asyncinit tells whoever started it.

    `environment` is what asyncinit was given (NOTIFY_SOCKET in it), `ready_fd` the number of --ready-fd or None;
    `complain` is told at most one line about each.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        environment: Mapping[str, str],
        ready_fd: int | None,
        complain: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._complain = complain
        self._notifier = _Notifier(loop, environment.get("NOTIFY_SOCKET", ""), complain)
        self._descriptor = None if ready_fd is None else _ReadyDescriptor(loop, ready_fd, complain)
        self._is_ready = False
        self._is_reloading = False

    def freeze(self, keep: Keep) -> UpwardState:
        """Return what is carried over a re-exec."""
        descriptor, telling = -1, False
        if self._descriptor is not None:
            descriptor, telling = self._descriptor.number, self._descriptor.telling
        return UpwardState(
            self._notifier.address,
            list(self._notifier.waiting),
            keep(descriptor),
            telling,
            self._is_ready,
            self._is_reloading,
        )

    def thaw(self, state: UpwardState) -> None:
        """Go on with the receivers of the program before; this was made without a descriptor."""
        self._is_ready, self._is_reloading = state.ready, state.reloading
        self._notifier.address = state.address
        self._notifier.waiting.extend(state.waiting)
        self._notifier.flush()
        if state.descriptor >= 0:
            self._descriptor = _ReadyDescriptor(self._loop, state.descriptor, self._complain)
            if state.telling:
                self._descriptor.tell()

    def ready(self, status: str = "") -> None:
        """Tell that all is up (again): READY=1, and a newline on the descriptor the first time."""
        self._is_ready, self._is_reloading = True, False
        self._notifier.send("READY=1" + _status_line(status))
        if self._descriptor is not None:
            self._descriptor.tell()

    def status(self, text: str) -> None:
        """Tell in words how it goes: STATUS=."""
        self._notifier.send(_status_line(text).lstrip("\n"))

    def reloading(self) -> None:
        """Tell that the configuration is read again; `reloaded` shall follow. Before all is ready it says nothing."""
        if self._is_ready and not self._is_reloading:
            self._is_reloading = True
            self._notifier.send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """Tell that this is over: READY=1, if it was told that it began."""
        if self._is_reloading:
            self.ready()

    def stopping(self, status: str = "") -> None:
        """Tell that the shutdown has begun."""
        self._is_reloading = False
        self._notifier.send("STOPPING=1" + _status_line(status))

    def exit_status(self, code: int) -> None:
        """Tell the status with which asyncinit will exit, which a parent outside of a machine can't see otherwise."""
        self._notifier.send(f"EXIT_STATUS={code}")

    def close(self) -> None:
        """Try once more to send what waits, and forget the receivers. A ready_fd without readiness is closed."""
        self._notifier.close()
        if self._descriptor is not None:
            self._descriptor.close()


def _status_line(text: str) -> str:
    return f"\nSTATUS={one_line(text)}" if text else ""


class _Notifier:
    """The datagram socket to our supervisor's notification address."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: str, complain: Callable[[str], None]) -> None:
        self._loop = loop
        self._complain = complain
        self.address = address
        self._socket: socket.socket | None = None
        self.waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._watching = False
        if address and not address.startswith(("@", "/")):
            self._give_up("expected a path or @NAME")

    def send(self, text: str) -> None:
        if self.address and text:
            self.waiting.append(text.encode("utf-8", "surrogateescape"))
            self.flush()

    def close(self) -> None:
        if self.waiting:
            self.flush()
        self._drop_socket()
        self.waiting.clear()
        self.address = ""

    def flush(self) -> None:
        fresh = self._socket is None
        while self.waiting:
            try:
                if self._socket is None:
                    self._socket = _connect(self.address)
                self._socket.send(self.waiting[0], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except (BlockingIOError, InterruptedError):
                break
            except (OSError, ValueError) as error:
                self._drop_socket()
                if fresh:
                    self._give_up(obstacle_of(error))
                    return
                fresh = True  # the receiver may have been replaced: one more try, at its new socket
            else:
                self.waiting.popleft()
        self._watch(bool(self.waiting))

    def _watch(self, wanted: bool) -> None:
        if self._socket is not None and wanted != self._watching:
            self._watching = wanted
            if wanted:
                # Connected, the socket is writable once the receiver's queue has room.
                self._loop.add_writer(self._socket.fileno(), self.flush)
            else:
                self._loop.remove_writer(self._socket.fileno())

    def _drop_socket(self) -> None:
        self._watch(False)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _give_up(self, why: str) -> None:
        self._complain(f"cannot notify NOTIFY_SOCKET={one_line(self.address)}: {why}; going on without")
        self.address = ""
        self.waiting.clear()


def _connect(address: str) -> socket.socket:
    raw = os.fsencode(address)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        opened.connect(b"\0" + raw[1:] if raw[:1] == b"@" else raw)
    except BaseException:
        opened.close()
        raise
    return opened


class _ReadyDescriptor:
    """The descriptor that gets a newline and is closed (0 to 2 stay open: others count on them)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int, complain: Callable[[str], None]) -> None:
        self._loop = loop
        self.number = descriptor
        self._complain = complain
        self._room: select.epoll | None = None
        try:
            if descriptor > 2:
                os.set_inheritable(descriptor, False)
            else:
                os.fstat(descriptor)
        except OSError as error:
            self.number = -1
            self._failed(descriptor, error)

    @property
    def telling(self) -> bool:
        return self._room is not None

    def tell(self) -> None:
        if self.number < 0:
            return
        # Its description may be shared with others, so it is not made non-blocking: one byte is written when poll(2)
        # says that there is room.
        poller = select.poll()
        poller.register(self.number, select.POLLOUT)
        if not poller.poll(0) and self._watch():
            return
        descriptor = self.number
        try:
            os.write(descriptor, b"\n")
        except OSError as error:
            self._failed(descriptor, error)
        self.close()

    def close(self) -> None:
        if self._room is not None:
            self._loop.remove_reader(self._room.fileno())
            self._room.close()
            self._room = None
        if self.number > 2:
            try:
                os.close(self.number)
            except OSError:
                pass
        self.number = -1

    def _watch(self) -> bool:
        """Come back when there is room; False where that can't be told."""
        if self._room is None:
            # An epoll of our own in between: given to uvloop, the description would be made non-blocking.
            room = select.epoll()
            try:
                room.register(self.number, select.EPOLLOUT)
            except OSError:  # of regular files, which never block
                room.close()
                return False
            self._room = room
            self._loop.add_reader(room.fileno(), self.tell)
        return True

    def _failed(self, descriptor: int, error: OSError) -> None:
        self._complain(f"cannot tell readiness on descriptor {descriptor}: {obstacle_of(error)}")
