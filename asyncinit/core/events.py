"""The inputs and outputs of the core: what happened (events), and what shall be done (effects).

All are frozen data. The runtime turns system events into `Event`s for one service and carries out each `Effect`; it
answers with further events. Events may be late or cross each other: the life cycle's table says what then holds.
They are msgspec structs, not dataclasses: 35 of these take 50 ms to define, and PID 1 shall be quick to start.
"""

from __future__ import annotations

import math
from enum import StrEnum

from msgspec import Struct

from asyncinit.config.spec import Scope, ServiceSpec
from asyncinit.core.budget import UNHURRIED, Pace
from asyncinit.core.effects import AwaitConnection, CloseSockets, ForgetConnection, HandedOver, OpenSockets
from asyncinit.core.status import ExitStatus, Reason, State, Trigger


class HookStage(StrEnum):
    """Which list of [hooks] is run."""

    PRE_START = "pre_start"
    POST_START = "post_start"
    PRE_STOP = "pre_stop"
    POST_STOP = "post_stop"
    UNDO = "undo"
    """Not a list: `pre_stop`, then the stop command of a oneshot that has completed."""

    @property
    def key(self) -> str:
        """Return the key of a service's file that declares it."""
        return "stop.command" if self is HookStage.UNDO else f"hooks.{self}"


# ---------------------------------------------------------------------------------------------------------------------
# Events


class Start(Struct, frozen=True):
    """Somebody wants the service up."""


class Stop(Struct, frozen=True):
    """Somebody wants the service down, and to stay so."""

    reason: Reason | None = None


class Triggered(Struct, frozen=True):
    """The engine: the end of another service has this one started; None: one is due that came when it ran already."""

    trigger: Trigger | None = None


class Recycle(Struct, frozen=True):
    """The service shall go down and come back (a restart, or what it is bound to was lost)."""

    reason: Reason | None = None


class MayStart(Struct, frozen=True):
    """The engine: all that it waited for is there."""


class MayStop(Struct, frozen=True):
    """The engine: all that must go down first is down; `pace` is what it gets of its time limits.

    In a shutdown it also comes to a service whose stop has begun before: from then on it has that pace.
    """

    pace: Pace = UNHURRIED


class Listen(Struct, frozen=True):
    """A service on demand: at rest, await a first connection; ready, go down (`reason`) and back to that."""

    reason: Reason | None = None


class ListenFailed(Struct, frozen=True):
    """AwaitConnection is in vain: its sockets cannot be opened."""

    reason: Reason


class DependencyFailed(Struct, frozen=True):
    """The engine: something that it requires has failed for good."""

    reason: Reason


class Prepared(Struct, frozen=True):
    """Effect Prepare is done: directories, environment, pre_start hooks. `failure` None: well."""

    failure: Reason | None = None


class Unmet(Struct, frozen=True):
    """Effect Prepare has found that a condition does not hold: there is to be no run, and nothing was done for it."""

    reason: Reason


class Spawned(Struct, frozen=True):
    """The main process exists (it may not have executed its program yet)."""

    pid: int


class Executed(Struct, frozen=True):
    """The main process runs its program."""


class SpawnFailed(Struct, frozen=True):
    """There is no main process: making or executing it failed. No Exited follows."""

    reason: Reason


class BecameReady(Struct, frozen=True):
    """The declared readiness was seen (by notification or probe). Also ends a reload."""


class MainChanged(Struct, frozen=True):
    """Another process of the service is the main one now (MAINPID, a pid file)."""

    pid: int


class Exited(Struct, frozen=True):
    """The main process has ended and was reaped; `cause` says why, where that is known better than by the status."""

    status: ExitStatus
    cause: Reason | None = None


class TreeGone(Struct, frozen=True):
    """Nothing of the service lives any more, main process included (asked for by WatchTree)."""


class HooksDone(Struct, frozen=True):
    """Effect RunHooks is done for `stage`; `failure` None: well."""

    stage: HookStage
    failure: Reason | None = None


class TimerFired(Struct, frozen=True):
    """A timer's deadline has passed; dropped unless `epoch` is the service's present one.

    `waiting` is what was waited for and the last obstacle, in words, where that is known: a readiness that does not
    come, a process that does not die.
    """

    epoch: int
    waiting: str = ""


class ReloadRequested(Struct, frozen=True):
    """Somebody wants the service to read its configuration again."""


class Reloading(Struct, frozen=True):
    """The service says that it reloads (RELOADING=1)."""


class ReloadDone(Struct, frozen=True):
    """The reload command ended; `failure` None: well."""

    failure: Reason | None = None


class Stopping(Struct, frozen=True):
    """The service says that it stops by itself (STOPPING=1)."""


class Hurry(Struct, frozen=True):
    """The engine: no more waiting; whatever is left is killed now and given `grace` seconds to be gone."""

    grace: float = 0.05


class Redeclared(Struct, frozen=True):
    """The engine: from now on the service is declared as `spec`; what runs keeps of the old one what it has to."""

    spec: ServiceSpec


class Undeclared(Struct, frozen=True):
    """The engine: the service is not declared any more; `spec` holds for the rest of its life. Stop has come before."""

    spec: ServiceSpec


class Probed(Struct, frozen=True):
    """A health probe has been answered; `obstacle` says in words why not well, empty: well."""

    obstacle: str = ""


class WatchdogMissed(Struct, frozen=True):
    """The service has not said in time that it is alive (WATCHDOG=1), or says itself that it is not (trigger)."""

    text: str


class ExtendTimeout(Struct, frozen=True):
    """The service needs `seconds` more from now (EXTEND_TIMEOUT_USEC); in a shutdown, none after `latest`."""

    seconds: float
    latest: float = math.inf


_Wish = Start | Stop | Triggered | Recycle | ReloadRequested | Redeclared | Undeclared
_Gate = MayStart | MayStop | Listen | ListenFailed | DependencyFailed | Hurry
_Answer = Prepared | Unmet | Spawned | Executed | SpawnFailed | HooksDone | TimerFired | ReloadDone | TreeGone
_Seen = BecameReady | MainChanged | Exited | Reloading | Stopping | Probed | WatchdogMissed | ExtendTimeout
Event = _Wish | _Gate | _Answer | _Seen


# ---------------------------------------------------------------------------------------------------------------------
# Effects. Each carries the service's name; the runtime looks up the specification.


class Prepare(Struct, frozen=True):
    """Look at conditions, make directories, read environment files, run pre_start hooks; answer Prepared or Unmet."""

    service: str


class Spawn(Struct, frozen=True):
    """Make the main process; answer Spawned or SpawnFailed at once, Executed (or SpawnFailed) when known."""

    service: str


class AwaitReady(Struct, frozen=True):
    """Begin to look for the declared readiness; answer BecameReady when seen."""

    service: str


class ForgetReady(Struct, frozen=True):
    """Stop to look for readiness."""

    service: str


class Guard(Struct, frozen=True):
    """Begin to probe its health, answering Probed, and to expect WATCHDOG=1, answering WatchdogMissed."""

    service: str


class Unguard(Struct, frozen=True):
    """Stop to probe its health and to expect WATCHDOG=1."""

    service: str


class RunHooks(Struct, frozen=True):
    """Run the hooks of `stage`, each with what `pace` grants of its time limit; answer HooksDone."""

    service: str
    stage: HookStage
    pace: Pace = UNHURRIED


class EndHooks(Struct, frozen=True):
    """Kill the hook or preparation that runs; no HooksDone or Prepared is needed."""

    service: str


class SendSignal(Struct, frozen=True):
    """Send `signal` and SIGCONT to what `scope` names; processes that came with a dead leader are the tree."""

    service: str
    signal: int
    scope: Scope


class RunStopCommand(Struct, frozen=True):
    """Run [stop] command; its end is not waited for and its failure is only told."""

    service: str


class RunReload(Struct, frozen=True):
    """Send the reload signal or run the reload command (until EndHooks); for a command, answer ReloadDone."""

    service: str


class WatchTree(Struct, frozen=True):
    """From now on, answer TreeGone once nothing of the service lives."""

    service: str


class KillTree(Struct, frozen=True):
    """SIGKILL to all of the service, against a fork loop too (stop, list until stable, kill)."""

    service: str


class ArmTimer(Struct, frozen=True):
    """Answer TimerFired(epoch) at `deadline` (monotonic seconds), never before; replaces the service's earlier one."""

    service: str
    epoch: int
    deadline: float


class DisarmTimer(Struct, frozen=True):
    """Forget the service's timer."""

    service: str


class CleanUp(Struct, frozen=True):
    """The service is down: remove its runtime directories, close its notification socket, forget its members."""

    service: str


class Adopt(Struct, frozen=True):
    """From now on `spec` holds for the run that is under way: look at what it says of it."""

    service: str
    spec: ServiceSpec


class Forget(Struct, frozen=True):
    """The service is not declared any more, and at rest: forget it everywhere, and have the engine do so (`forget`).

    Or, with the key of a life: an instance beside the present one has come to its end.
    """

    service: str


class Announce(Struct, frozen=True):
    """The public state changed; or (old is new) something worth a line happened."""

    service: str
    old: State
    new: State
    reason: Reason | None = None
    status: ExitStatus | None = None


OF_THE_SERVICE = (OpenSockets, CloseSockets, AwaitConnection, ForgetConnection, Forget, HandedOver, Announce)
"""Effects that concern the service, whichever of its lives has them; all others are a run's (`core.handover`)."""

_Start = Prepare | Spawn | AwaitReady | ForgetReady
_Sockets = OpenSockets | CloseSockets | AwaitConnection | ForgetConnection
_Up = Guard | Unguard | RunReload | Adopt
_Stop = RunHooks | EndHooks | SendSignal | RunStopCommand | WatchTree | KillTree | CleanUp | Forget
Effect = _Start | _Sockets | _Up | _Stop | ArmTimer | DisarmTimer | HandedOver | Announce
