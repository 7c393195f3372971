"""What starts and stops services without being asked: timers, being idle, a boot that fails; put together of parts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from asyncinit.config.spec import LogLevel, PowerAction
from asyncinit.core import at_start
from asyncinit.core.events import Effect
from asyncinit.runtime.file_watching.changes import Changes
from asyncinit.runtime.file_watching.watcher import FileWatcher
from asyncinit.runtime.process.hooks import monitor_variables
from asyncinit.runtime.rescue import NAME, Rescue
from asyncinit.runtime.sockets.idle import IdleStop
from asyncinit.runtime.timing.alarm import WallAlarm
from asyncinit.runtime.timing.schedules import Schedules
from asyncinit.runtime.timing.stamps import Stamps

if TYPE_CHECKING:
    import asyncio

    from asyncinit.runtime.assembly import Assembly


def make_schedules(house: Assembly, loop: asyncio.AbstractEventLoop, environment: Mapping[str, str]) -> Schedules:
    """Return the timers of all services, none of them armed."""
    services = house.supervisor.engine.services

    def complain(name: str, text: str) -> None:
        service = services.get(name)  # it may be gone since
        preferred = service is not None and "timer.persistent" in service.spec.prefer
        level = LogLevel.INFO if preferred else LogLevel.WARNING
        house.journal.event(name, f"its timer will not remember its last run: {text}", level)

    stamps = Stamps(house.workshop.offloader, environment, complain, house.settled.project)
    alarm = WallAlarm(loop, house.timers, time.time, house.warn)
    schedules = Schedules(house.supervisor, house.announcer, house.timers, alarm, stamps, environment)
    terminal = house.workshop.capture.terminals.variables
    house.workshop.triggers = lambda n: {
        **schedules.variables(n),
        **monitor_variables(services[n].follows),
        **terminal(n),
    }
    return schedules


def make_idle_stop(house: Assembly) -> IdleStop:
    """Return what stops services that nobody uses."""
    engine, shop = house.supervisor.engine, house.workshop
    idle_stop = IdleStop(
        shop.watch,
        house.timers,
        shop.offloader,
        shop.sockets,
        engine,
        stop=lambda name, reason: house.supervisor.request(lambda now: engine.idle_stop(name, reason, now)),
        complain=house.warn_of,
    )
    house.announcer.follow(idle_stop.take)
    house.performer.on_adopted.append(idle_stop.adopt)
    return idle_stop


def make_changes(
    house: Assembly, loop: asyncio.AbstractEventLoop, environment: Mapping[str, str]
) -> tuple[FileWatcher, Changes]:
    """Return what has files watched, and what follows for services when they change."""
    watcher = FileWatcher(loop, house.reaper, house.timers, house.warn)
    changes = Changes(house.supervisor, house.performer, house.announcer, house.timers, watcher, environment)
    house.workshop.watch_ended = changes.command_ended
    house.performer.on_forgotten.append(changes.forget)
    return watcher, changes


def make_rescue(house: Assembly) -> Rescue:
    """Return what watches over the boot of a machine."""

    def boot(others: list[str]) -> None:
        configured = house.configured
        if configured.options.target == NAME:
            configured.options = replace(configured.options, target=None)
        configured.reload(False, lambda _outcome: start(others))

    def start(others: list[str]) -> None:
        engine, configuration = house.supervisor.engine, house.configured.configuration
        names = at_start.started(configuration)
        present = [name for name in others if name in engine.services]

        def begin(now: float) -> list[Effect]:
            rescue.watch(configuration.init.start, names)  # with these: what has failed before is started anew
            return [*engine.start(present, now), *engine.boot(names, now)]

        house.schedules.set(at_start.armed(configuration))
        house.supervisor.request(begin)

    def reboot(reason: str) -> None:
        house.shutdown.request(reason, PowerAction.REBOOT)

    rescue = Rescue(house.supervisor, house.announcer, house.timers, boot, reboot)
    triggers = house.workshop.triggers
    house.workshop.triggers = lambda name: {**triggers(name), **rescue.variables(name)}
    return rescue
