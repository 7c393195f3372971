"""The inputs and outputs of the core: what happened (events), and what shall be done (effects).

All are frozen data. The runtime turns system events into `Event`s for one service and carries out each `Effect`; it
answers with further events. Events may be late or cross each other: the life cycle's table says what then holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from asyncinit.config.spec import Scope
from asyncinit.core.status import ExitStatus, Reason, State


class HookStage(StrEnum):
    """Which list of [hooks] is run."""

    PRE_START = "pre_start"
    POST_START = "post_start"
    PRE_STOP = "pre_stop"
    POST_STOP = "post_stop"


# ---------------------------------------------------------------------------------------------------------------------
# Events


@dataclass(frozen=True, slots=True)
class Start:
    """Somebody wants the service up."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants the service down, and to stay so."""

    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Recycle:
    """The service shall go down and come back (a restart, or what it is bound to was lost)."""

    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class MayStart:
    """The engine: all that it waited for is there."""


@dataclass(frozen=True, slots=True)
class MayStop:
    """The engine: all that must go down first is down. `squeeze` (0 to 1) scales every stop timer of this service."""

    squeeze: float = 1.0


@dataclass(frozen=True, slots=True)
class DependencyFailed:
    """The engine: something that it requires has failed for good."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Prepared:
    """Effect Prepare is done: directories, environment, pre_start hooks. `failure` None: well."""

    failure: Reason | None = None


@dataclass(frozen=True, slots=True)
class Spawned:
    """The main process exists (it may not have executed its program yet)."""

    pid: int


@dataclass(frozen=True, slots=True)
class Executed:
    """The main process runs its program."""


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """There is no main process: making or executing it failed. No Exited follows."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class BecameReady:
    """The declared readiness was seen (by notification or probe). Also ends a reload."""


@dataclass(frozen=True, slots=True)
class MainChanged:
    """Another process of the service is the main one now (MAINPID, a pid file)."""

    pid: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The main process has ended and was reaped."""

    status: ExitStatus


@dataclass(frozen=True, slots=True)
class TreeGone:
    """Nothing of the service lives any more, main process included (asked for by WatchTree)."""


@dataclass(frozen=True, slots=True)
class HooksDone:
    """Effect RunHooks is done for `stage`; `failure` None: well."""

    stage: HookStage
    failure: Reason | None = None


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer's deadline has passed; dropped unless `epoch` is the service's present one."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ReloadRequested:
    """Somebody wants the service to read its configuration again."""


@dataclass(frozen=True, slots=True)
class Reloading:
    """The service says that it reloads (RELOADING=1)."""


@dataclass(frozen=True, slots=True)
class ReloadDone:
    """The reload command ended; `failure` None: well."""

    failure: Reason | None = None


@dataclass(frozen=True, slots=True)
class Stopping:
    """The service says that it stops by itself (STOPPING=1)."""


@dataclass(frozen=True, slots=True)
class Hurry:
    """The engine: no more waiting; whatever is left is killed now and given `grace` seconds to be gone."""

    grace: float = 0.05


Event = (
    Start
    | Stop
    | Recycle
    | MayStart
    | MayStop
    | DependencyFailed
    | Prepared
    | Spawned
    | Executed
    | SpawnFailed
    | BecameReady
    | MainChanged
    | Exited
    | TreeGone
    | HooksDone
    | TimerFired
    | ReloadRequested
    | Reloading
    | ReloadDone
    | Stopping
    | Hurry
)


# ---------------------------------------------------------------------------------------------------------------------
# Effects. Each carries the service's name; the runtime looks up the specification.


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make directories, read environment files, run pre_start hooks; answer Prepared."""

    service: str


@dataclass(frozen=True, slots=True)
class Spawn:
    """Make the main process; answer Spawned or SpawnFailed at once, Executed (or SpawnFailed) when known."""

    service: str


@dataclass(frozen=True, slots=True)
class AwaitReady:
    """Begin to look for the declared readiness; answer BecameReady when seen."""

    service: str


@dataclass(frozen=True, slots=True)
class ForgetReady:
    """Stop to look for readiness."""

    service: str


@dataclass(frozen=True, slots=True)
class RunHooks:
    """Run the hooks of `stage`, scaled by `squeeze`; answer HooksDone."""

    service: str
    stage: HookStage
    squeeze: float = 1.0


@dataclass(frozen=True, slots=True)
class EndHooks:
    """Kill the hook or preparation that runs; no HooksDone or Prepared is needed."""

    service: str


@dataclass(frozen=True, slots=True)
class SendSignal:
    """Send `signal` and SIGCONT to what `scope` names; processes that came with a dead leader are the tree."""

    service: str
    signal: int
    scope: Scope


@dataclass(frozen=True, slots=True)
class RunStopCommand:
    """Run [stop] command; its end is not waited for and its failure is only told."""

    service: str


@dataclass(frozen=True, slots=True)
class RunReload:
    """Send the reload signal or run the reload command; for a command, answer ReloadDone."""

    service: str


@dataclass(frozen=True, slots=True)
class WatchTree:
    """From now on, answer TreeGone once nothing of the service lives."""

    service: str


@dataclass(frozen=True, slots=True)
class KillTree:
    """SIGKILL to all of the service, against a fork loop too (stop, list until stable, kill)."""

    service: str


@dataclass(frozen=True, slots=True)
class ArmTimer:
    """Answer TimerFired(epoch) at `deadline` (monotonic seconds), never before; replaces the service's earlier one."""

    service: str
    epoch: int
    deadline: float


@dataclass(frozen=True, slots=True)
class DisarmTimer:
    """Forget the service's timer."""

    service: str


@dataclass(frozen=True, slots=True)
class CleanUp:
    """The service is down: remove its runtime directories, close its notification socket, forget its members."""

    service: str


@dataclass(frozen=True, slots=True)
class Announce:
    """The public state changed; or (old is new) something worth a line happened."""

    service: str
    old: State
    new: State
    reason: Reason | None = None
    status: ExitStatus | None = None


Effect = (
    Prepare
    | Spawn
    | AwaitReady
    | ForgetReady
    | RunHooks
    | EndHooks
    | SendSignal
    | RunStopCommand
    | RunReload
    | WatchTree
    | KillTree
    | ArmTimer
    | DisarmTimer
    | CleanUp
    | Announce
)
