"""The state of all parts, put together and given back: the one list of what is carried, in two orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from asyncinit.config.spec import LogLevel
from asyncinit.core import carried
from asyncinit.runtime import words
from asyncinit.runtime.announcer import AnnouncerState
from asyncinit.runtime.cgroups.groups import CgroupsState
from asyncinit.runtime.chronicle import Record
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
from asyncinit.runtime.process.spawner import SpawnerState
from asyncinit.runtime.reexec.keep import Keep
from asyncinit.runtime.reexec.state import State
from asyncinit.runtime.requests import RequestsState
from asyncinit.runtime.rescue import RescueState
from asyncinit.runtime.sockets.held import SocketsState
from asyncinit.runtime.timing.schedules import SchedulesState
from asyncinit.runtime.tree.attribution import MembersState
from asyncinit.runtime.tree.ending import EndingState
from asyncinit.runtime.upward import UpwardState

if TYPE_CHECKING:
    from asyncinit.runtime.assembly import Assembly

T = TypeVar("T")


def gather(house: Assembly, keep: Keep, tolerant: bool) -> State:
    """Return the state of everything; `tolerant`: a part that cannot tell it is left out, and named in the log."""

    def of(part: Callable[[Keep], T], kind: type[T]) -> T:
        try:
            return part(keep)
        except Exception as error:
            if not tolerant:
                raise
            text = f"internal error: {kind.__name__} cannot be carried over a re-exec: {error!r}"
            house.journal.event(None, text, LogLevel.ERROR)
            return kind()

    shop = house.workshop
    state = State(configuration=house.configured.configuration, settled=house.settled)
    # Without these there is nothing to go on with.
    state.succession = house.succession.freeze(keep)
    state.engine = carried.freeze(house.supervisor.engine)
    state.reaper = house.reaper.freeze(keep)
    state.configured = house.configured.freeze(keep)
    state.shutdown = house.shutdown.freeze(keep)
    state.spawner = of(shop.spawner.freeze, SpawnerState)
    state.offloader = of(shop.offloader.freeze, OffloaderState)
    state.cgroups = of(shop.cgroups.freeze, CgroupsState)
    state.members = of(shop.members.freeze, MembersState)
    state.ending = of(shop.ending.freeze, EndingState)
    state.router = of(shop.router.freeze, RouterState)
    state.capture = of(shop.capture.freeze, CaptureState)
    state.announcer = of(house.announcer.freeze, AnnouncerState)
    state.patience = of(house.patience.freeze, PatienceState)
    state.performer = of(house.performer.freeze, PerformerState)
    state.foreground = of(shop.foreground.freeze, ForegroundState)
    state.upward = of(house.upward.freeze, UpwardState)
    state.sockets = of(shop.sockets.freeze, SocketsState)
    state.idle_stop = of(house.idle_stop.freeze, dict)
    state.chronicle = of(house.chronicle.freeze, Record)
    state.afterwards = of(house.afterwards.freeze, AfterwardsState)
    state.schedules = of(house.schedules.freeze, SchedulesState)
    state.requests = of(house.requests.freeze, RequestsState)
    state.control = of(house.control.freeze, ControlState)
    state.file_watcher = of(house.file_watcher.freeze, FileWatcherState)
    state.changes = of(house.changes.freeze, ChangesState)
    if house.rescue is not None:
        state.rescue = of(house.rescue.freeze, RescueState)
    state.watchdog = of(house.watchdog.freeze, WatchdogState)
    if house.initctl is not None:
        state.initctl = of(house.initctl.freeze, InitctlState)
    state.journal = of(house.journal.freeze, JournalState)  # at last: the others may have something to say
    return state


def take_over(house: Assembly, state: State) -> None:
    """Give each part its state; nothing has happened to it yet. Raises what leaves nothing to go on with."""
    house.journal.thaw(state.journal)
    house.watchdog.thaw(state.watchdog)  # first of all: its time runs
    house.workshop.router.thaw(state.router)
    house.reaper.thaw(state.reaper)
    # What the parts tell the engine meanwhile waits until all are there.
    house.supervisor.thaw(state.engine, lambda: _take_over_processes(house, state))
    house.succession.thaw(state.succession, state.program)
    house.watchdog.configure(state.configuration.init)


def _take_over_processes(house: Assembly, state: State) -> None:
    shop = house.workshop

    def to(part: Callable[[T], None], carried: T) -> None:
        """Give a part its state without which others do well."""
        try:
            part(carried)
        except Exception as error:
            text = f"internal error: {type(carried).__name__} cannot be taken over: {words.raised(error)}"
            house.journal.event(None, text, LogLevel.ERROR)

    shop.spawner.thaw(state.spawner)
    to(shop.offloader.thaw, state.offloader)
    shop.capture.thaw(state.capture)
    to(shop.cgroups.thaw, state.cgroups)
    shop.members.thaw(state.members)
    to(house.announcer.thaw, state.announcer)
    to(shop.foreground.thaw, state.foreground)
    to(shop.sockets.thaw, state.sockets)
    house.performer.thaw(state.performer)
    to(shop.ending.thaw, state.ending)
    to(house.idle_stop.thaw, state.idle_stop)
    to(house.chronicle.thaw, state.chronicle)
    to(house.afterwards.thaw, state.afterwards)
    house.shutdown.thaw(state.shutdown)
    to(house.patience.thaw, state.patience)
    to(house.upward.thaw, state.upward)
    if house.rescue is not None:
        to(house.rescue.thaw, state.rescue)
    if house.shutdown.started:
        to(house.schedules.thaw, state.schedules)
    to(house.configured.thaw, state.configured)
    to(house.file_watcher.thaw, state.file_watcher)
    to(house.changes.thaw, state.changes)
    to(house.requests.thaw, state.requests)
    to(house.control.thaw, state.control)
    if house.initctl is not None:
        to(house.initctl.thaw, state.initctl)
        house.initctl.open()
