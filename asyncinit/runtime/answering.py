"""What reaches a running asyncinit beside its control socket: its orders, put together of its parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from asyncinit.config.spec import LogLevel
from asyncinit.core import at_start
from asyncinit.linux.signals import SignalInfo
from asyncinit.runtime.initctl import Initctl
from asyncinit.runtime.machine_orders import DEFAULT, EMERGENCY, RESCUE, MachineOrders
from asyncinit.runtime.orders import Orders
from asyncinit.runtime.snapshot import overview

if TYPE_CHECKING:
    import asyncio

    from asyncinit.runtime.assembly import Assembly


def make_orders(house: Assembly, main: str | None) -> Orders:
    """Return the orders of `house`; `main` is the service that CMD is, if there is one."""
    engine = house.supervisor.engine

    def tell_overview() -> None:
        for name, text in overview(engine).items():
            house.journal.event(name, text)
        reaper = house.reaper
        counts = f"{reaper.spawned} children made, {reaper.reaped} reaped; {reaper.orphans} orphans reaped"
        house.announcer.system(counts)

    def forward(number: int) -> None:
        if main is not None:
            number = house.configured.options.rewrite.get(number, number)
            if number:
                house.performer.signal(main, number, engine.services[main].spec.stop.scope)

    return Orders(
        house.shutdown,
        house.announcer,
        overview=tell_overview,
        reopen=house.workshop.router.places.reopen,
        reload=house.configured.reload_for,
        forward=forward,
        resumed=house.workshop.foreground.resumed,
        guardian=os.getppid() if house.configured.options.tied else 0,
    )


def make_machine_orders(
    house: Assembly, loop: asyncio.AbstractEventLoop, others: Orders
) -> tuple[Callable[[SignalInfo], None], Initctl]:
    """Return what handles signals on a machine, and the pipe by which orders come, too; it is not open yet."""

    def reload(reason: str) -> None:
        initctl.open()  # where somebody has removed it
        house.configured.reload_for(reason)

    def replace(reason: str) -> None:
        if house.shutdown.begun:
            house.announcer.system(f"{reason}: asyncinit is shutting down, and is not replaced", LogLevel.WARNING)
        else:
            house.announcer.system(f"{reason}: asyncinit is to be replaced by the program now installed")
            house.succession.request(lambda _reason: None)  # why not is told in the log

    def enter(target: str, reason: str) -> None:
        engine = house.supervisor.engine
        if target == EMERGENCY and target not in engine.services:
            target = RESCUE
        names = at_start.started(house.configured.configuration) if target == DEFAULT else (target,)
        missing = [name for name in names if name not in engine.services]
        if house.shutdown.begun or missing:
            why = "asyncinit is shutting down" if house.shutdown.begun else f"there is no {', '.join(missing)}"
            house.announcer.system(f"{reason}: {why}", LogLevel.WARNING)
        else:
            house.announcer.system(f"{reason}: starting {'what starts by default' if target == DEFAULT else target}")
            house.supervisor.request(lambda now: engine.start(list(names), now))

    orders = MachineOrders(
        house.shutdown,
        house.announcer,
        others,
        reload=reload,
        replace=replace,
        enter=enter,
        now=house.timers.now,
    )
    initctl = Initctl(loop, orders.take, house.warn)
    return orders.handle, initctl
