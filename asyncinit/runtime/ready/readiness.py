"""Find out when one instance of a service is ready, in the way its [ready] section declares; decides nothing else.

A `Readiness` is made before the instance is spawned (the descriptor, and what a pid file was before, have to exist by
then), begun once its main process runs, and cancelled when nobody waits any more. The handler hears of it from the
loop, never from within `begin`. The time limit of the whole is the core's. Over a re-exec probes simply begin again;
what could not be known again is carried.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from asyncinit.config.spec import PROBE_KINDS, Ready, ReadyKind, Sign
from asyncinit.runtime.ready import addresses, path_checks
from asyncinit.runtime.ready.combined import combine
from asyncinit.runtime.ready.liveness import lives
from asyncinit.runtime.ready.log_pattern import LogPattern
from asyncinit.runtime.ready.plain_text import obstacle_of, one_line
from asyncinit.runtime.ready.probes import Attempt, Cancellable, Done, PathLook, Probe, ProbeContext, make_probe
from asyncinit.runtime.ready.waiting import Readiness, ReadinessHandler, ReadinessState
from asyncinit.runtime.reexec.keep import Keep

# The second asking comes this long after the first, the pauses then double. A pause is never shorter than the least,
# so that an interval of 0 asks often, not without end.
_QUICK = 0.05
_LEAST = 0.01


def make_readiness(
    context: ProbeContext,
    ready: Ready,
    handler: ReadinessHandler,
    belongs: Callable[[int], bool | None],
    carried: ReadinessState | None = None,
) -> Readiness:
    """Return what finds out that an instance is ready.

    The texts of `ready` have each `${NAME}` expanded; `belongs` tells whether a pid is a process of the service, None
    if it can't tell. `carried`: go on after a re-exec, for an instance that was spawned before it. Raises AddressError
    if an address has no meaning, OSError if no pipe can be made.
    """

    def make(  # noqa: PLR0911 - one line a kind
        sign: Sign, handler: ReadinessHandler, carried: ReadinessState | None
    ) -> Readiness:
        match sign.kind:
            case ReadyKind.NOTIFY:
                return _ByNotification(handler)
            case ReadyKind.NOTIFY_FD:
                return _ByDescriptor(context, sign.descriptor, handler, carried)
            case ReadyKind.LOG:
                return _ByLog(context, sign.address, handler, carried)
            case ReadyKind.PID_FILE:
                return _ByPidFile(context, ready, addresses.parse_path(sign.address), handler, belongs, carried)
            case ReadyKind.ALL | ReadyKind.ANY:
                return combine(sign, handler, make, carried)
            case kind if kind in PROBE_KINDS:
                probe = make_probe(context, sign, ready.probe_timeout)
                return _Repeated(context, ready.interval, probe, handler)
        return Readiness()

    return make(ready, handler, carried)


class Pauses:
    """The pauses between askings: each probe is timed from the end of the last.

    As long as the answers take no time, it is asked at 0, 50, 100, 200, 400 ms, and so on until a pause has grown to
    `interval` seconds.
    """

    def __init__(self, interval: float) -> None:
        self._most = max(interval, _LEAST)
        self._given = 0

    def following(self) -> float:
        """Return the next pause in seconds."""
        given = self._given
        self._given = min(given + 1, 64)  # enough doublings for any interval
        return 0.0 if given == 0 else min(_QUICK * 2 ** max(0, given - 2), self._most)


class _ByNotification(Readiness):
    """Wait for READY=1, which whoever has the notification socket hands on."""

    def __init__(self, handler: ReadinessHandler) -> None:
        super().__init__("READY=1 on its notification socket")
        self._handler = handler

    def notified(self) -> None:
        self._handler.ready()


class _Repeated(Readiness):
    """Ask a probe until it is answered well."""

    def __init__(self, context: ProbeContext, interval: float, probe: Probe, handler: ReadinessHandler) -> None:
        super().__init__(probe.label)
        self._context = context
        self._probe = probe
        self._handler = handler
        self._pauses = Pauses(interval)
        self._pending: Cancellable | None = None
        self._obstacle = ""

    def begin(self) -> None:
        if self._pending is None:
            self._wait()

    def waiting_text(self) -> str:
        return f"{self._waits_for}: {self._obstacle}" if self._obstacle else self._waits_for

    def cancel(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def _wait(self) -> None:
        timers = self._context.timers
        self._pending = timers.at(timers.now() + self._pauses.following(), self._ask)

    def _ask(self) -> None:
        self._pending = self._probe.start(self._answered)

    def _answered(self, obstacle: str) -> None:
        self._obstacle = obstacle
        if obstacle:
            self._wait()
        else:
            self._pending = None
            self._handler.ready()


class _ByPidFile(_Repeated):
    """Wait until a file names a live process of the service, which is the main one from then on.

    A file that an earlier run has left is not looked into until it is written anew: in a container the same numbers
    come back, and it would name whatever process of this run has got that number.
    """

    def __init__(
        self,
        context: ProbeContext,
        ready: Ready,
        path: bytes,
        handler: ReadinessHandler,
        belongs: Callable[[int], bool | None],
        carried: ReadinessState | None,
    ) -> None:
        label = one_line(b"pid file " + path, 200)
        super().__init__(context, ready.interval, Probe(context, label, ready.probe_timeout, self._look), handler)
        self._timeout = ready.probe_timeout
        self._path = path
        self._belongs = belongs
        self._pid = 0
        if carried is not None:
            self._stale = carried.stale
        else:
            self._stale = None if context.slow_paths() else path_checks.identity(path)

    def freeze(self, _keep: Keep) -> ReadinessState:
        return ReadinessState(self._waits_for, stale=self._stale)

    def _look(self, done: Done) -> Attempt:
        path, stale = self._path, self._stale
        return PathLook(
            self._context,
            self._timeout,
            lambda: path_checks.read_pid(path, stale),
            lambda found: done(self._judge(found)),
        )

    def _judge(self, found: object) -> str:
        if not isinstance(found, int):
            return obstacle_of(found) if isinstance(found, Exception) else str(found)
        # The order matters: alive after it was found to belong, so its number can't have been reused in between.
        if found == os.getpid() or self._belongs(found) is False:
            return f"pid {found} is not a process of this service"
        if not lives(found):
            return f"pid {found} does not live"
        self._pid = found
        return ""

    def _answered(self, obstacle: str) -> None:
        if not obstacle:
            self._handler.main_pid(self._pid)
        super()._answered(obstacle)


class _ByDescriptor(Readiness):
    """Wait for a newline on a pipe, whose other end is a descriptor of the instance (s6).

    A pipe that is closed without one is told, and is no failure: as under s6, only the time limit ends the waiting.
    """

    def __init__(
        self, context: ProbeContext, number: int, handler: ReadinessHandler, carried: ReadinessState | None
    ) -> None:
        super().__init__(f"a newline on descriptor {number}" if carried is None else carried.text)
        self._loop = context.loop
        self._number = number
        self._handler = handler
        self._begun = False
        if carried is not None:
            self._reader, self._writer = carried.pipe, -1
            return
        # Only our end: a flag on the other one would be the service's, who may well rely on a write that waits.
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)
        self.descriptors = ((self._writer, number),)

    def freeze(self, keep: Keep) -> ReadinessState:
        return ReadinessState(self._waits_for, keep(self._reader))

    def spawned(self) -> None:
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
            self.descriptors = ()

    def begin(self) -> None:
        if self._reader >= 0 and not self._begun:
            self._begun = True
            self._loop.add_reader(self._reader, self._readable)

    def cancel(self) -> None:
        self.spawned()
        if self._reader >= 0:
            self._loop.remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1

    def _readable(self) -> None:
        try:
            data = os.read(self._reader, 4096)
        except OSError:
            return
        if b"\n" in data:
            self.cancel()
            self._handler.ready()
        elif not data:
            self.cancel()
            self._waits_for += ", which it has closed without one: it can't become ready"
            self._handler.complaint(f"closed descriptor {self._number} without a newline: it can't become ready")


class _ByLog(Readiness):
    """Wait for a line of output that matches."""

    def __init__(
        self, context: ProbeContext, pattern: str, handler: ReadinessHandler, carried: ReadinessState | None
    ) -> None:
        super().__init__(f'a line with "{one_line(pattern, 120)}"')
        self._loop = context.loop
        self._pattern = LogPattern(pattern)
        self._handler = handler
        self._seen = carried is not None and carried.seen
        self._begun = False
        self._cancelled = False

    def freeze(self, _keep: Keep) -> ReadinessState:
        return ReadinessState(self._waits_for, seen=self._seen)

    def begin(self) -> None:
        self._begun = True
        if self._seen:
            self._loop.call_soon(self._tell)

    def lines(self, lines: bytes) -> None:
        if not self._seen and self._pattern.found_in(lines):
            self._seen = True
            if self._begun:
                self._tell()

    def cancel(self) -> None:
        self._cancelled = True

    def _tell(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._handler.ready()
