"""Stop services that were started on demand when nobody has connected for long; proxies nothing, polls nothing.

A connection goes past us, so two things tell that a service is used: its listening sockets become readable when
somebody connects (one wake-up an interval at most: they are watched until the first), and at the interval's end the
connections that are open are counted, by a child that reads /proc/net. It is idle when neither tells of anybody.

Carried over a re-exec: when each interval ends; whether somebody has connected in it is taken for yes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from asyncinit.control.types import EventEntry
from asyncinit.core.engine import Engine
from asyncinit.core.phrases import duration
from asyncinit.core.service import IS_UP, Phase
from asyncinit.core.status import Code, Reason, State
from asyncinit.errors import AsyncinitError, SpawnError
from asyncinit.runtime.process.offload import Offloader, StepCallback
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.sockets import census
from asyncinit.runtime.sockets.held import Held
from asyncinit.runtime.sockets.holding import Sockets
from asyncinit.runtime.sockets.watch import Watch
from asyncinit.runtime.timers import Timer, Timers

# /proc/net is long where there are many connections: 100,000 lines are read in less than a second.
_COUNT_TIMEOUT = 30.0
# States in which a service may have connections.
_RUNS = frozenset({State.READY, State.RELOADING, State.UNHEALTHY})


class _Interval:
    """One service's present interval: whether somebody has connected in it, and what is watched or under way."""

    __slots__ = ("count", "ends", "timer", "used", "watched")

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.used = False
        self.watched: list[int] = []
        self.timer: Timer | None = None
        self.count: _Cancel | None = None


_Cancel = Callable[[], None]


class IdleStop:
    """Follow the services' states (`take`) and call `stop` with one that is idle, and why."""

    def __init__(
        self,
        watch: Watch,
        timers: Timers,
        offloader: Offloader,
        sockets: Sockets,
        engine: Engine,
        *,
        stop: Callable[[str, Reason], None],
        complain: Callable[[str, str], None],
    ) -> None:
        self._watch = watch
        self._timers = timers
        self._offloader = offloader
        self._sockets = sockets
        self._engine = engine
        self._stop = stop
        self._complain = complain
        self._intervals: dict[str, _Interval] = {}
        sockets.closing.append(self._changed)

    def take(self, entry: EventEntry) -> None:
        """Begin with a service that is ready, and end with one that is not any more."""
        name = entry.service
        if name is None or entry.new is None:
            return
        service = self._engine.services.get(name)
        if service is None or entry.new not in _RUNS or not service.spec.on_demand:
            self._end(name)
        elif name not in self._intervals:
            self._begin(name, self._timers.now() + service.spec.idle_stop)

    def adopt(self, name: str) -> None:
        """Begin anew with a service whose declaration has changed while it runs."""
        service = self._engine.services[name]
        self._end(name)
        if service.spec.on_demand and service.phase in IS_UP:
            self._begin(name, self._timers.now() + service.spec.idle_stop)

    def freeze(self, _keep: Keep) -> dict[str, float]:
        """Return what is carried over a re-exec: when each service's interval ends."""
        return {name: interval.ends for name, interval in self._intervals.items()}

    def thaw(self, ends: dict[str, float]) -> None:
        """Go on with the intervals of `freeze`."""
        for name, moment in ends.items():
            self._begin(name, moment)
            self._intervals[name].used = True

    def _begin(self, name: str, ends: float) -> None:
        interval = _Interval(ends)
        self._intervals[name] = interval
        interval.timer = self._timers.at(ends, partial(self._due, name))
        if interval.timer.deadline == float("inf"):
            return
        interval.watched = [held.fd for held in self._sockets.held(name)]
        try:
            self._watch.begin(interval.watched, partial(self._came, name))
        except OSError:  # no descriptor is left: what cannot be seen is taken for used
            interval.used = True

    def _end(self, name: str) -> None:
        interval = self._intervals.pop(name, None)
        if interval is not None:
            self._unwatch(interval)
            assert interval.timer is not None
            interval.timer.cancel()
            if interval.count is not None:
                interval.count()

    def _changed(self, name: str) -> None:
        """Its sockets are others from now on: somebody may have connected to those unseen."""
        interval = self._intervals.get(name)
        if interval is not None:
            interval.used = True
            self._unwatch(interval)

    def _unwatch(self, interval: _Interval) -> None:
        self._watch.end(interval.watched)
        interval.watched = []

    def _came(self, name: str) -> None:
        interval = self._intervals[name]
        interval.used = True
        self._unwatch(interval)

    def _due(self, name: str) -> None:
        interval = self._intervals[name]
        self._unwatch(interval)
        if interval.used or self._is_needed(name):
            self._again(name)
            return
        held = list(self._sockets.held(name))
        job = self._offloader.run(partial(_count, held), int, _COUNT_TIMEOUT, partial(self._counted, name))
        interval.count = job.cancel

    def _counted(self, name: str, answer: int | SpawnError) -> None:
        service = self._engine.services[name]
        if isinstance(answer, SpawnError):
            self._complain(name, f"{answer}; it is taken for used, and not stopped")
        if isinstance(answer, SpawnError) or answer > 0 or service.phase is not Phase.UP or self._is_needed(name):
            self._again(name)
            return
        quiet = duration(service.spec.idle_stop)
        self._stop(name, Reason(Code.SUCCESS, f"no connection for {quiet}"))

    def _again(self, name: str) -> None:
        self._end(name)
        self._begin(name, self._timers.now() + self._engine.services[name].spec.idle_stop)

    def _is_needed(self, name: str) -> bool:
        """Tell whether it is being restarted, or somebody that requires it runs, and would have to go down with it."""
        return name in self._engine.lives.successors or any(
            not self._engine.services[other].at_rest for other in self._engine.graph.needed_by[name]
        )


def _count(held: list[Held], step: StepCallback) -> int:
    """In a child: count the connections of all sockets."""
    found = 0
    for one in held:
        step(f"count the connections to {one.address}")
        try:
            found += census.connections(one.wanted, one.address)
        except AsyncinitError as error:
            raise SpawnError(f"count the connections to {one.address}", 0, str(error)) from error
    return found
