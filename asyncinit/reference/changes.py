"""What a change of each key means for what runs, as a table; writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from asyncinit.config.keys import ServiceKeys
from asyncinit.config.settings import InitKeys
from asyncinit.core.difference import IMPACTS, INIT_IMPACTS, Impact
from asyncinit.reference.blocks import Block, Table

_OF_SERVICES = {
    Impact.NOW: "it holds from now on, for what runs too",
    Impact.NEXT_START: "it holds from the next start on",
    Impact.RESTART: "a service that runs is restarted",
}
_OF_INIT = {
    Impact.NOW: "it holds from now on",
    Impact.RESTART: "it takes another start of asyncinit",
}


def describe_services() -> list[Block]:
    """Return a table: what follows, and the keys of a service of which it does."""
    return [_table(IMPACTS, _OF_SERVICES, lambda field: field in ServiceKeys.__struct_fields__)]


def describe_init() -> list[Block]:
    """Return the same for [init]."""
    return [_table(INIT_IMPACTS, _OF_INIT, lambda field: field in InitKeys.__struct_fields__)]


def _table(impacts: Mapping[str, Impact], words: Mapping[Impact, str], is_key: Callable[[str], bool]) -> Table:
    def named(impact: Impact) -> Iterable[str]:
        return (f"`{field}`" for field, one in impacts.items() if one is impact and is_key(field))

    return Table(
        ("what follows", "of a change of"), tuple((text, ", ".join(named(one))) for one, text in words.items())
    )
