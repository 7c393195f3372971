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
from asyncinit.errors import SpawnError, why
from asyncinit.runtime.process.prepared import NotApplied
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
        problem = str(answer) if isinstance(answer, SpawnError) else self._begin_to_watch(service)
        if problem:
            self._failed(service, Reason(Code.RESOURCES, problem))

    def _begin_to_watch(self, service: str) -> str:
        """Watch all sockets of `service`; return why that cannot be, or nothing."""
        fds = [held.fd for held in self._sockets.held(service)]
        if not fds:
            return "nobody can connect: none of its sockets could be opened"
        try:
            self._watch.begin(fds, partial(self._came, service))
        except OSError as error:
            self._watch.end(fds)
            return f"cannot watch its sockets: {why(error.errno or 0)}"
        self._watched[service] = fds
        return ""

    def _came(self, service: str) -> None:
        # The other sockets may be readable in the same turn.
        if service in self._watched:
            self.end(service)
            self._start(service)
