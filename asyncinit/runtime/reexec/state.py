"""All that is carried over a re-exec, in one value; see the package's docstring for how a part gets in here."""

from __future__ import annotations

from msgspec import Struct, field

from asyncinit import __version__
from asyncinit.config.spec import Configuration, InitSpec
from asyncinit.core.carried import EngineState
from asyncinit.runtime.announcer import AnnouncerState
from asyncinit.runtime.cgroups.groups import CgroupsState
from asyncinit.runtime.chronicle import Record
from asyncinit.runtime.configuring.configured import ConfiguredState
from asyncinit.runtime.control.server import ControlState
from asyncinit.runtime.crashes.afterwards import AfterwardsState
from asyncinit.runtime.file_watching.changes import ChangesState
from asyncinit.runtime.file_watching.watcher import FileWatcherState
from asyncinit.runtime.foreground import ForegroundState
from asyncinit.runtime.hardware_watchdog import WatchdogState
from asyncinit.runtime.initctl import InitctlState
from asyncinit.runtime.output.capture import CaptureState
from asyncinit.runtime.output.journal import JournalState
from asyncinit.runtime.output.router import RouterState
from asyncinit.runtime.patience import PatienceState
from asyncinit.runtime.performer import PerformerState
from asyncinit.runtime.process.offload import OffloaderState
from asyncinit.runtime.process.reaper import ReaperState
from asyncinit.runtime.process.spawner import SpawnerState
from asyncinit.runtime.reexec.succession import SuccessionState
from asyncinit.runtime.requests import RequestsState
from asyncinit.runtime.rescue import RescueState
from asyncinit.runtime.shutdown import ShutdownState
from asyncinit.runtime.sockets.held import SocketsState
from asyncinit.runtime.timing.schedules import SchedulesState
from asyncinit.runtime.tree.attribution import MembersState
from asyncinit.runtime.tree.ending import EndingState
from asyncinit.runtime.upward import UpwardState


class Settled(Struct):
    """What was settled when asyncinit was started, and is not in the configuration.

    `project` is the folder whose services are run, where that is not the system's; `open_files` is the limit of open
    files that services get, where ours was raised, and `oom_score` their place when memory runs out, where ours was
    lowered; `warnings` are those of the configuration. `told_ready`: that all is ready was told.
    """

    project: str | None = None
    warnings: tuple[str, ...] = ()
    open_files: tuple[int, int] | None = None
    oom_score: int | None = None
    told_ready: bool = False


class State(Struct):
    """The state of a running asyncinit of version `program`."""

    program: str = __version__
    configuration: Configuration = field(default_factory=lambda: Configuration(InitSpec(), {}))
    settled: Settled = field(default_factory=Settled)
    configured: ConfiguredState = field(default_factory=ConfiguredState)
    succession: SuccessionState = field(default_factory=SuccessionState)
    engine: EngineState = field(default_factory=EngineState)
    reaper: ReaperState = field(default_factory=ReaperState)
    spawner: SpawnerState = field(default_factory=SpawnerState)
    offloader: OffloaderState = field(default_factory=OffloaderState)
    cgroups: CgroupsState = field(default_factory=CgroupsState)
    members: MembersState = field(default_factory=MembersState)
    ending: EndingState = field(default_factory=EndingState)
    journal: JournalState = field(default_factory=JournalState)
    router: RouterState = field(default_factory=RouterState)
    capture: CaptureState = field(default_factory=CaptureState)
    announcer: AnnouncerState = field(default_factory=AnnouncerState)
    patience: PatienceState = field(default_factory=PatienceState)
    shutdown: ShutdownState = field(default_factory=ShutdownState)
    performer: PerformerState = field(default_factory=PerformerState)
    foreground: ForegroundState = field(default_factory=ForegroundState)
    upward: UpwardState = field(default_factory=UpwardState)
    chronicle: Record = field(default_factory=Record)
    afterwards: AfterwardsState = field(default_factory=AfterwardsState)
    sockets: SocketsState = field(default_factory=SocketsState)
    idle_stop: dict[str, float] = {}
    schedules: SchedulesState = field(default_factory=SchedulesState)
    file_watcher: FileWatcherState = field(default_factory=FileWatcherState)
    changes: ChangesState = field(default_factory=ChangesState)
    requests: RequestsState = field(default_factory=RequestsState)
    control: ControlState = field(default_factory=ControlState)
    watchdog: WatchdogState = field(default_factory=WatchdogState)
    rescue: RescueState = field(default_factory=RescueState)
    initctl: InitctlState = field(default_factory=InitctlState)
