"""Ask once whether something answers: tcp, unix, http, file, command, each within a time limit.

Knows nothing of schedules or services. A probe is made by `make_probe` (which reads the address, so that a bad one is
an error before anything runs) and can be started any number of times, once at a time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from asyncinit.config.spec import Command, ReadyKind, Sign
from asyncinit.core.status import Reason
from asyncinit.errors import AsyncinitError
from asyncinit.runtime.ready import addresses, path_checks
from asyncinit.runtime.ready.connecting import Connecting
from asyncinit.runtime.ready.names import resolve
from asyncinit.runtime.ready.plain_text import obstacle_of, one_line
from asyncinit.runtime.timers import Timers

Done = Callable[[str], None]
"""Is told the obstacle in words; "": there is none, the probe was answered well."""


class Cancellable(Protocol):
    """Something under way."""

    def cancel(self) -> None:
        """Give up without telling; harmless when it is over."""


RunCommand = Callable[[Command, float, Callable[[Reason | None], None]], Cancellable]
"""Run a command as a process of the service, at most so many seconds; the callback is given its failure, or None."""

Offload = Callable[[Callable[[], object], float, Callable[[object], None]], Cancellable]
"""Run a function in a child, at most so many seconds; the callback is given its result, or an exception."""


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """What probes need of the rest.

    `slow_paths` tells whether a file system is mounted that may hang; paths are then looked at by `offload`.
    """

    loop: asyncio.AbstractEventLoop
    timers: Timers
    run_command: RunCommand
    offload: Offload
    slow_paths: Callable[[], bool]


class Attempt(Protocol):
    """One asking under way; may be done before `begin` returns."""

    def begin(self) -> None:
        """Ask."""

    def cancel(self) -> None:
        """Give up without telling; harmless when it is over."""


class Probe:
    """Something to ask again and again.

    `label` names it to people: "tcp 127.0.0.1:8080".
    """

    def __init__(self, context: ProbeContext, label: str, timeout: float, attempt: Callable[[Done], Attempt]) -> None:
        self.label = label
        self._context = context
        self._timeout = timeout
        self._attempt = attempt

    def start(self, done: Done) -> Cancellable:
        """Ask once; `done` is called exactly once, after this has returned, unless it is cancelled before."""
        return _Run(self._context, self._timeout, self._attempt, done)

    def told(self, obstacle: str) -> str:
        """Return an obstacle with what was asked, for people; "" stays so."""
        return f"{self.label}: {obstacle}" if obstacle else ""


class _Run:
    """One asking with its time limit."""

    def __init__(self, context: ProbeContext, timeout: float, attempt: Callable[[Done], Attempt], done: Done) -> None:
        self._done: Done | None = done
        self._timeout = timeout
        self._attempt = attempt(self._finish)
        timers = context.timers
        self._limit = timers.at(timers.now() + timeout, self._late)
        self._first = context.loop.call_soon(self._begin)

    def cancel(self) -> None:
        self._done = None
        self._first.cancel()
        self._limit.cancel()
        self._attempt.cancel()

    def _begin(self) -> None:
        try:
            self._attempt.begin()
        except (OSError, AsyncinitError) as error:  # no descriptor, no child: the next asking may be luckier
            self._finish(obstacle_of(error))

    def _late(self) -> None:
        self._finish(f"no answer within {self._timeout:g} s")

    def _finish(self, obstacle: str) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(obstacle)


def make_probe(context: ProbeContext, sign: Sign, timeout: float) -> Probe:
    """Return the probe that looks for `sign`, whose texts have every `${NAME}` expanded, for `timeout` seconds.

    Raises AddressError for an address without meaning, ValueError for a kind that is no probe.
    """
    return Probe(context, _label(sign), timeout, _attempt(context, sign, timeout))


def _label(sign: Sign) -> str:
    if sign.kind is ReadyKind.COMMAND and sign.command is not None:
        return one_line("command " + " ".join(sign.command.argv), 120)
    # Without the query of a URL, which may hold a token that came from the environment.
    http = sign.kind is ReadyKind.HTTP
    return one_line(sign.address.partition("?")[0] if http else f"{sign.kind} {sign.address}", 200)


def _attempt(context: ProbeContext, sign: Sign, timeout: float) -> Callable[[Done], Attempt]:
    """Return what makes one attempt of the probe."""
    match sign.kind:
        case ReadyKind.TCP:
            return partial(_TcpAttempt, context.loop, addresses.parse_tcp(sign.address))
        case ReadyKind.HTTP:
            # Imports h11, which is worth its time only where it is used.
            from asyncinit.runtime.ready.http_probe import HttpAttempt

            return partial(HttpAttempt, context.loop, addresses.parse_http(sign.address))
        case ReadyKind.UNIX:
            unix = addresses.parse_unix(sign.address)
            look: Callable[[], object] = partial(path_checks.unix_obstacle, unix)
            return lambda done: PathLook(context, timeout, look, _told(done), may_hang=unix[:1] != b"\0")
        case ReadyKind.FILE:
            look = partial(path_checks.file_obstacle, addresses.parse_path(sign.address))
            return lambda done: PathLook(context, timeout, look, _told(done))
        case ReadyKind.COMMAND if sign.command is not None:
            return partial(_CommandAttempt, context, sign.command, timeout)
    raise ValueError(f"{sign.kind} is no probe")


class _TcpAttempt:
    """Connect, and close at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, address: addresses.TcpAddress, done: Done) -> None:
        self._loop = loop
        self._address = address
        self._done = done
        self._connecting: Connecting | None = None

    def begin(self) -> None:
        endpoints = resolve(self._address.host)
        if not endpoints:
            self._done(f"{self._address.host} is neither an IP address nor in /etc/hosts")
            return
        self._connecting = Connecting(self._loop, endpoints, self._address.port, self._connected)
        self._connecting.begin()

    def cancel(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None

    def _connected(self, connected: socket.socket | None, obstacle: str) -> None:
        if connected is not None:
            connected.close()
        self._done(obstacle)


class PathLook:
    """Look at a path: here, or in a child where a file system is mounted that may hang."""

    def __init__(
        self,
        context: ProbeContext,
        timeout: float,
        look: Callable[[], object],
        done: Callable[[object], None],
        may_hang: bool = True,
    ) -> None:
        self._context = context
        self._timeout = timeout
        self._look = look
        self._done = done
        self._may_hang = may_hang
        self._child: Cancellable | None = None

    def begin(self) -> None:
        """Look."""
        if self._may_hang and self._context.slow_paths():
            self._child = self._context.offload(self._look, self._timeout, self._done)
        else:
            self._done(self._look())

    def cancel(self) -> None:
        """Give up without telling; harmless when it is over."""
        if self._child is not None:
            self._child.cancel()
            self._child = None


def _told(done: Done) -> Callable[[object], None]:
    def told(result: object) -> None:
        if isinstance(result, Exception):
            done(obstacle_of(result))
        else:
            done(result if isinstance(result, str) else "cannot be looked at")

    return told


class _CommandAttempt:
    """Run a command that exits with 0 when all is well."""

    def __init__(self, context: ProbeContext, command: Command, timeout: float, done: Done) -> None:
        self._context = context
        self._command = command
        self._timeout = timeout
        self._done = done
        self._run: Cancellable | None = None

    def begin(self) -> None:
        self._run = self._context.run_command(self._command, self._timeout, self._ended)

    def cancel(self) -> None:
        if self._run is not None:
            self._run.cancel()
            self._run = None

    def _ended(self, failure: Reason | None) -> None:
        self._run = None
        self._done("" if failure is None else failure.text)
