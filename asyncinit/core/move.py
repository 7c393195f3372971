"""One step of a service under way: a copy that changes, and the effects so far; knows no rule of the life cycle."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from asyncinit.core.events import Announce, ArmTimer, Effect, Event
from asyncinit.core.service import GOING_DOWN, WITHOUT_RUN, Phase, Service
from asyncinit.errors import TransitionError


class Move:
    """One step under way: the service's copy that is changed, and the effects so far."""

    __slots__ = ("_told", "draw", "effects", "now", "s")

    def __init__(self, service: Service, now: float, draw: float) -> None:
        self.s = copy(service)
        self.now = now
        self.draw = draw
        self.effects: list[Effect] = []
        self._told = service.state

    def do(self, *effects: Effect) -> None:
        """Ask for effects, in order."""
        self.effects.extend(effects)

    def enter(self, phase: Phase) -> None:
        """Go to another phase: timers of the present one become late; between two runs the newest declaration holds."""
        if phase in GOING_DOWN and self.s.phase not in GOING_DOWN:
            self.s.stop_begun = self.now
        if phase in WITHOUT_RUN and self.s.next_spec is not None:
            self.s.spec, self.s.next_spec = self.s.next_spec, None
        self.s.phase = phase
        self.s.epoch += 1

    def arm(self, deadline: float) -> None:
        """Have TimerFired come at `deadline` unless the phase has changed by then."""
        self.s.deadline = deadline
        self.do(ArmTimer(self.s.name, self.s.epoch, deadline))

    def postpone(self, deadline: float) -> None:
        """Have TimerFired come at `deadline` and not before, although the phase is the same: an earlier one is late."""
        self.s.epoch += 1
        self.arm(deadline)

    def announce(self) -> None:
        """Tell the public state, if that is another than the one told last."""
        if self.s.state is not self._told:
            self.do(Announce(self.s.name, self._told, self.s.state, self.s.reason, self.s.run_exit))
            self._told = self.s.state


Handler = Callable[[Move, Event], None]


def ignore(m: Move, event: Event) -> None:
    """IGNORE: the event can race with what made it moot."""


def reject(m: Move, event: Event) -> None:
    """REJECT: the event cannot happen here."""
    raise TransitionError(m.s.name, m.s.phase.value, type(event).__name__)
