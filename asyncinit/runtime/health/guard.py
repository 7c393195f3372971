"""What is seen to while one run of a service is up: the probes of its health, and its watchdog; decides nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

from msgspec import Struct, field

from asyncinit.config.spec import Health
from asyncinit.core import events as ev
from asyncinit.runtime.health.monitor import Monitor, MonitorState
from asyncinit.runtime.health.watchdog import Watchdog, WatchdogState
from asyncinit.runtime.ready.probes import ProbeContext
from asyncinit.runtime.ready.signs import expanded


class GuardState(Struct):
    """What is carried over a re-exec; `health` None: nothing is probed."""

    watchdog: WatchdogState = field(default_factory=WatchdogState)
    health: MonitorState | None = None


class Guard:
    """The guard of a run, which has to speak every `watchdog` seconds; `post` takes its events.

    `hear` reads what the service has sent and we have not.
    """

    def __init__(
        self, context: ProbeContext, watchdog: float, post: Callable[[ev.Event], None], hear: Callable[[], None]
    ) -> None:
        self._context = context
        self._post = post
        self.watchdog = Watchdog(context.timers, watchdog, hear, self._late)
        self._health: Health | None = None
        self.monitor: Monitor | None = None

    def probe(self, health: Health | None, variables: Mapping[str, str]) -> None:
        """Have `health` be probed the next time that this is begun, its texts expanded from `variables`.

        Raises AddressError or UnsetVariableError where it has no meaning: then nothing is probed.
        """
        if health == self._health:
            return
        self._health, self.monitor = health, None
        if health is not None:
            found = expanded(health, variables, "health")
            self.monitor = Monitor(self._context, found, self._probed, draw=random.random, wall=time.time)

    def begin(self) -> None:
        """See to it from now on; posts Probed and WatchdogMissed."""
        self.watchdog.begin()
        if self.monitor is not None:
            self.monitor.begin()

    def end(self) -> None:
        """See to it no more; harmless at any time."""
        self.watchdog.end()
        if self.monitor is not None:
            self.monitor.end()

    def freeze(self) -> GuardState:
        """Return what is carried over a re-exec."""
        return GuardState(self.watchdog.freeze(), self.monitor.freeze() if self.monitor is not None else None)

    def thaw(self, state: GuardState) -> None:
        """Go on as the one before."""
        self.watchdog.thaw(state.watchdog)
        if self.monitor is not None and state.health is not None:
            self.monitor.thaw(state.health)

    def _probed(self, obstacle: str) -> None:
        self._post(ev.Probed(obstacle))

    def _late(self, text: str) -> None:
        self._post(ev.WatchdogMissed(text))
