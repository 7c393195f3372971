"""Watch the sockets of services that are started on demand, only while they are down; knows no state of the others.

The first connection or datagram makes a socket readable. It is not accepted here: it waits in the backlog for the
service. Nothing is watched while the service runs.

Carried over a re-exec: nothing; whoever listens then is told to await a connection again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from asyncinit.config.spec import ServiceSpec
from asyncinit.core.status import Code, Reason
from asyncinit.errors import SpawnError
from asyncinit.runtime.process.prepare import NotApplied
from asyncinit.runtime.sockets.holding import Sockets
from asyncinit.runtime.sockets.opening import Request
from asyncinit.runtime.sockets.watch import Watch


class Activation:
    """Wait for first connections: `start` is called with the service, `failed` where its sockets can't be opened."""

    def __init__(
        self,
        watch: Watch,
        sockets: Sockets,
        start: Callable[[str], None],
        failed: Callable[[str, Reason], None],
    ) -> None:
        self._watch = watch
        self._sockets = sockets
        self._start = start
        self._failed = failed
        self._requests: dict[str, Request] = {}
        self._watched: dict[str, list[int]] = {}
        sockets.closing.append(self._unwatch)

    def begin(self, spec: ServiceSpec) -> None:
        """Open the sockets of `spec`, and call `start` once, at the first connection or datagram to one of them."""
        self.end(spec.name)
        self._requests[spec.name] = self._sockets.open(spec, partial(self._opened, spec.name))

    def end(self, service: str) -> None:
        """Watch the sockets of `service` no more; they stay open."""
        request = self._requests.pop(service, None)
        if request is not None:
            request.cancel()
        self._unwatch(service)

    def _unwatch(self, service: str) -> None:
        self._watch.end(self._watched.pop(service, ()))

    def _opened(self, service: str, answer: list[NotApplied] | SpawnError) -> None:
        del self._requests[service]
        if isinstance(answer, SpawnError):
            self._failed(service, Reason(Code.RESOURCES, str(answer)))
            return
        self._watched[service] = [held.fd for held in self._sockets.held(service)]
        self._watch.begin(self._watched[service], partial(self._came, service))

    def _came(self, service: str) -> None:
        # The other sockets may be readable in the same turn.
        if service in self._watched:
            self.end(service)
            self._start(service)
