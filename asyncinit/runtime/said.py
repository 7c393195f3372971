"""What one run of a service says of itself over its notification socket: remembered for people, or posted as events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncinit.config.spec import ServiceSpec
from asyncinit.core import events as ev
from asyncinit.errors import why
from asyncinit.runtime.health.guard import Guard
from asyncinit.runtime.ready.notify import Belongs, NotifySocket, NotifyState
from asyncinit.runtime.ready.notify_place import notify_place
from asyncinit.runtime.reexec.keep import Keep


class Said:
    """The socket and its NotifyHandler; `post` takes events, `complain` a line for people.

    `ready` is told of READY=1, `main_pid` of another main process; `guard` gives who sees to the watchdog, once there
    is a main process. `text` is what it said last (STATUS=), `error` its number of an error (ERRNO=).
    """

    def __init__(
        self,
        post: Callable[[ev.Event], None],
        complain: Callable[[str], None],
        ready: Callable[[], None],
        main_pid: Callable[[int], None],
        guard: Callable[[], Guard | None],
    ) -> None:
        self._post = post
        self.complaint = complain
        self.ready = ready
        self.main_pid = main_pid
        self._guard = guard
        self._socket: NotifySocket | None = None
        self.text = ""
        self.error: int | None = None

    @property
    def last_words(self) -> str:
        """What it said of itself last."""
        error = f"errno {self.error}: {why(self.error)}" if self.error else ""
        return ", ".join(filter(None, (self.text, error)))

    # -----------------------------------------------------------------------------------------------------------------
    # The socket

    def listen(
        self,
        loop: asyncio.AbstractEventLoop,
        belongs: Belongs,
        spec: ServiceSpec,
        carried: NotifyState | None = None,
    ) -> str:
        """Open the socket, unless it is, or go on with the one that was `carried` over a re-exec; return its address.

        `belongs` tells whether a pid is a process of the service, None if it can't tell; `spec` whether abstract names
        reach it. Raises OSError and SpawnError.
        """
        if self._socket is None:
            path = notify_place(spec) if carried is None else None
            self._socket = NotifySocket(loop, self, belongs, path, carried)
        return self._socket.address

    def trust(self, uid: int) -> None:
        """Tell the service's user: from now on dead senders must be of it, of root or of ours."""
        if self._socket is not None:
            self._socket.trust(uid)

    def hear(self) -> None:
        """Handle what was sent until now: before an end, or where we were held up, that is what came first."""
        if self._socket is not None:
            self._socket.drain()

    def close(self) -> None:
        """Forget the socket and what waits in it."""
        if self._socket is not None:
            self._socket.close()

    def freeze(self, keep: Keep) -> NotifyState | None:
        """Return what is carried of the socket over a re-exec."""
        return self._socket.freeze(keep) if self._socket is not None else None

    # -----------------------------------------------------------------------------------------------------------------
    # What it says (NotifyHandler)

    def reloading(self) -> None:
        """RELOADING=1."""
        self._post(ev.Reloading())

    def stopping(self) -> None:
        """STOPPING=1."""
        self._post(ev.Stopping())

    def status_text(self, text: str) -> None:
        """STATUS=."""
        self.text = text

    def errno(self, number: int) -> None:
        """ERRNO=."""
        self.error = number

    def alive(self) -> None:
        """WATCHDOG=1."""
        guard = self._guard()
        if guard is not None:
            guard.watchdog.alive()

    def broken(self) -> None:
        """WATCHDOG=trigger."""
        self._post(ev.WatchdogMissed("says itself that it hangs (WATCHDOG=trigger)"))

    def watchdog_interval(self, seconds: float) -> None:
        """WATCHDOG_USEC=."""
        guard = self._guard()
        if guard is not None:
            guard.watchdog.change(seconds)

    def extend_timeout(self, seconds: float) -> None:
        """EXTEND_TIMEOUT_USEC=: for the watchdog as well as for what is under way."""
        guard = self._guard()
        if guard is not None:
            guard.watchdog.extend(seconds)
        self._post(ev.ExtendTimeout(seconds))
