"""One service as the core sees it: where it is in its life, and what follows from that for others.

Holds data and what can be read off it; how it changes is `lifecycle`'s.
"""

from __future__ import annotations

import math
from enum import Enum

from msgspec import Struct

from asyncinit.config.spec import Handover, ReadyKind, ServiceSpec, ServiceType
from asyncinit.core.budget import UNHURRIED, Pace
from asyncinit.core.difference import Impact, between
from asyncinit.core.status import Code, ExitStatus, Reason, State, Trigger


class Phase(Enum):
    """Where a service is in its life; finer than the public `State`."""

    DOWN = "down"
    WAITING = "waiting"
    PREPARING = "preparing"
    STARTING = "starting"
    POST_START = "post-start"
    UP = "up"
    RELOADING = "reloading"
    PRE_STOP = "pre-stop"
    STOPPING = "stopping"
    KILLING = "killing"
    POST_STOP = "post-stop"
    BACKOFF = "backoff"


class Checks(Struct, frozen=True):
    """What the health probes since the service became ready came to: how many in a row of the newest ones failed or
    succeeded (not counted further than matters), and whether one has succeeded at all.
    """

    failures: int = 0
    successes: int = 0
    proven: bool = False


COMING_UP = frozenset({Phase.PREPARING, Phase.STARTING, Phase.POST_START})
"""Phases of a start: something of the service may run, but it is not ready."""

IS_UP = frozenset({Phase.UP, Phase.RELOADING})
"""Phases in which the service is ready for others."""

GOING_DOWN = frozenset({Phase.PRE_STOP, Phase.STOPPING, Phase.KILLING, Phase.POST_STOP})
"""Phases of a stop that has begun."""

STOPPABLE = COMING_UP | IS_UP
"""Phases out of which MayStop leads."""

WITHOUT_RUN = frozenset({Phase.DOWN, Phase.WAITING, Phase.BACKOFF})
"""Phases in which nothing of the service runs: between two runs."""


class Service(Struct):
    """The state of one service. All times are monotonic seconds.

    A value: `lifecycle.step` changes a copy of its own and returns that; nobody else changes one.

    `wanted`: somebody wants it up. `leaving`: it shall go down now, for good (`wanted` false) or to come back (true).
    `epoch` changes with every phase, so that a timer of an earlier one is known as late; `deadline` is that of the
    timer armed last. `main` is the pid of the live main process. `failure` is why this run ends badly, None so far or
    when it ends well. `run_exit` is how its main process ended, `last_exit` how the last one did, whichever run that
    was. `rest` is the public state while DOWN. `attempt` counts automatic restarts since the service was last stable,
    `restarts` all of them, `recent` those inside the restart window. `settled`: since it was asked to start, a first
    attempt has come to an end, well or badly. `stop_begun` is when its last stop began, asked for or not (a wait for
    others before it is none of it), `pace` is what its stop gets of its time limits. `stuck`: something of it survived
    SIGKILL. `hurried`: no more waiting, no more hooks. `armed`: on demand, so that it listens when it has ended well or
    was idle; `triggers` are the moments of the last starts that came from there. `serving`: sockets were opened for it
    and not closed since, whatever is declared by now. `extended`: it has asked for more time to start or reload, and
    got it. `guarded`: effect Guard is in force. `unhealthy` is why it is that, None while it is well.

    `in_force`: a oneshot whose stop command undoes what it did has completed, and was not undone since.

    `follows` is the end of another service that it was started for, at `follows_at`; `pending` are further ones that
    came while it ran, each of which it is started for in turn.

    `spec` is what holds for the present run, `next_spec` what takes its place once nothing runs (None: the same).
    `gone`: it is not declared any more, and forgotten as soon as it is at rest. `generation` tells the lives of one
    service apart where there may be two at a time (`handover`), 0 where there is one.
    """

    spec: ServiceSpec
    phase: Phase = Phase.DOWN
    wanted: bool = False
    leaving: bool = False
    epoch: int = 0
    main: int | None = None
    rest: State = State.INACTIVE
    reason: Reason | None = None
    failure: Reason | None = None
    run_exit: ExitStatus | None = None
    last_exit: ExitStatus | None = None
    step: int = 0
    pace: Pace = UNHURRIED
    deadline: float = math.inf
    start_deadline: float | None = None
    awaiting_ready: bool = False
    ready_since: float | None = None
    stop_begun: float | None = None
    next_start: float | None = None
    attempt: int = 0
    restarts: int = 0
    recent: tuple[float, ...] = ()
    settled: bool = False
    stuck: bool = False
    killed: bool = False
    hurried: bool = False
    armed: bool = False
    triggers: tuple[float, ...] = ()
    extended: bool = False
    guarded: bool = False
    checks: Checks = Checks()
    unhealthy: Reason | None = None
    follows: Trigger | None = None
    follows_at: float | None = None
    pending: tuple[Trigger, ...] = ()
    serving: bool = False
    in_force: bool = False
    next_spec: ServiceSpec | None = None
    gone: bool = False
    generation: int = 0

    @property
    def key(self) -> str:
        """Return what events and effects of its runs go by."""
        return f"{self.spec.name}~{self.generation}" if self.generation else self.spec.name

    @property
    def replaceable(self) -> bool:
        """Tell whether a restart can start another instance beside this one, which runs and knows itself as one."""
        overlaps = self.declared.handover is Handover.OVERLAP and self.generation > 0
        return overlaps and self.phase in IS_UP and not self.leaving and not self.gone

    @property
    def declared(self) -> ServiceSpec:
        """Return what was declared last."""
        return self.next_spec or self.spec

    @property
    def outdated(self) -> bool:
        """Tell whether what runs would be another process by what is declared now."""
        change = between(self.spec, self.next_spec) if self.next_spec is not None else None
        return change is not None and change.impact is Impact.RESTART

    @property
    def name(self) -> str:
        """Return the service's name."""
        return self.spec.name

    @property
    def state(self) -> State:
        """Return what users see."""
        if self.phase is Phase.DOWN or (self.stays_completed and not self.leaving):
            return self.rest
        if self.phase in GOING_DOWN or (self.leaving and self.phase in STOPPABLE):
            return State.STOPPING
        if self.phase in COMING_UP:
            return State.STARTING
        if self.phase is Phase.UP and self.unhealthy is not None:
            return State.UNHEALTHY
        return _PUBLIC[self.phase]

    @property
    def stays_completed(self) -> bool:
        """Tell whether it has completed, and is up until what it did is undone: nothing of it runs."""
        return self.phase is Phase.UP and self.spec.type is ServiceType.ONESHOT

    @property
    def at_rest(self) -> bool:
        """Tell whether nothing of it runs and nothing will by itself."""
        return self.phase is Phase.DOWN

    @property
    def listening(self) -> bool:
        """Tell whether it is down until somebody connects, or something needs it."""
        return self.phase is Phase.DOWN and self.rest is State.LISTENING

    @property
    def off(self) -> bool:
        """Tell whether nothing of it runs, and nothing will unless somebody asks for it."""
        return self.at_rest and not self.listening

    @property
    def satisfied(self) -> bool:
        """Tell whether what requires it may start: it is ready (a oneshot: completed), or was skipped."""
        if self.leaving:
            return False
        if self.skipped:
            return True
        if self.spec.type is ServiceType.ONESHOT:
            return self.rest is State.COMPLETED and (self.phase is Phase.DOWN or self.stays_completed)
        return self.phase in IS_UP

    @property
    def skipped(self) -> bool:
        """Tell whether it was not started because a condition does not hold."""
        unmet = self.reason is not None and self.reason.code is Code.CONDITION
        return self.phase is Phase.DOWN and self.rest is State.INACTIVE and unmet

    @property
    def hopeless(self) -> bool:
        """Tell whether what requires it has to fail: it is down and will not come by itself."""
        return self.phase is Phase.DOWN and not self.satisfied

    @property
    def revivable(self) -> bool:
        """Tell whether it failed only because of something that it requires, and starts once that is there."""
        return (
            self.phase is Phase.DOWN
            and self.wanted
            and self.rest is State.FAILED
            and self.reason is not None
            and self.reason.code in {Code.DEPENDENCY, Code.POD}
        )

    @property
    def tells_by_exec(self) -> bool:
        """Tell whether being executed is all that its readiness needs."""
        return self.spec.ready.kind is ReadyKind.EXEC and self.spec.type is not ServiceType.ONESHOT


_PUBLIC = {
    Phase.WAITING: State.WAITING,
    Phase.BACKOFF: State.BACKOFF,
    Phase.UP: State.READY,
    Phase.RELOADING: State.RELOADING,
}
