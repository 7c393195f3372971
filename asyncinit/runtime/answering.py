"""What signals reach of a running asyncinit: its orders, put together of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncinit.runtime.orders import Orders
from asyncinit.runtime.snapshot import overview

if TYPE_CHECKING:
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
    )
