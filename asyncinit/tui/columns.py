"""The table of services for a screen of some width: which columns have room, and what stands in them; pure."""

from __future__ import annotations

from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from asyncinit.cli.screen import plain, seconds_of
from asyncinit.tui.services import Services, Status, health, remark

SIGNS = {
    "ready": "+",
    "completed": "+",
    "listening": "+",
    "failed": "!",
    "unhealthy": "!",
    "backoff": "!",
    "waiting": "~",
    "starting": "~",
    "reloading": "~",
    "stopping": "~",
    "inactive": "-",
}
"""A sign before each state, for screens without colours: it is up, in trouble, changing, or down."""

SHORTEST_NAME = 8
LONGEST_NAME = 32
_REMARK = 10
"""The least room that a remark is worth."""


class Column(NamedTuple):
    """A column: its title, by what it sorts, its width, and whether numbers stand in it."""

    title: str
    sort: str
    width: int
    number: bool = False


_STATE = Column("STATE", "state", 11)
# In the order in which they find room.
_OTHERS = (
    Column("CPU", "cpu", 5, True),
    Column("MEM", "memory", 6, True),
    Column("SINCE", "since", 6, True),
    Column("RST", "restarts", 3, True),
    Column("HEALTH", "", 6),
)
_ORDER = ("SINCE", "CPU", "MEM", "RST", "HEALTH")


def columns(width: int, longest: int) -> list[Column]:
    """Return the columns for a screen `width` cells wide; `longest`: the length of the longest name."""
    name = max(SHORTEST_NAME, min(longest, LONGEST_NAME))
    room = width - _STATE.width - 1
    taken: list[Column] = []
    for column in _OTHERS:
        # A name gives way, down to 16, for a number.
        if room - min(name, 16) - 1 >= column.width:
            taken.append(column)
            room -= column.width + 1
    name = max(1, min(name, room))
    rest = room - name - 1
    taken.sort(key=lambda column: _ORDER.index(column.title))
    found = [Column("NAME", "name", name), _STATE, *taken]
    if rest >= _REMARK:
        found.append(Column("REMARK", "", rest))
    return found


def heading(found: list[Column]) -> list[str]:
    """Return the title of each column, filled to its width."""
    return [_cell(column, column.title) for column in found]


def row(found: list[Column], services: Services, name: str, now: float) -> list[str]:
    """Return what stands in each column for a service, filled to its width; `now` in seconds since 1970."""
    status = services.by_name[name]
    use = services.use.get(name)
    words = {
        "NAME": short_name(name, found[0].width),
        "STATE": f"{SIGNS.get(status['state'], '?')} {status['state']}",
        "SINCE": age(status, now),
        "CPU": "" if use is None else percent(use.cpu),
        "MEM": "" if use is None else size(use.memory),
        "RST": count(status["restarts"]),
        "HEALTH": health(status),
        "REMARK": remark(status),
    }
    return [_cell(column, words[column.title]) for column in found]


def _cell(column: Column, text: str) -> str:
    text = shorten(plain(text), column.width)
    return text.rjust(column.width) if column.number else set_cell_size(text, column.width)


def shorten(text: str, width: int) -> str:
    """Return a text that takes `width` cells at most, marked where it is cut."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def short_name(name: str, width: int) -> str:
    """Return a name that has room: cut in its middle, because its end (web@12) tells it from others."""
    if len(name) <= width or width < SHORTEST_NAME:
        return name
    end = (width - 1) // 2
    return name[: width - 1 - end] + "…" + name[-end:]


def age(status: Status, now: float) -> str:
    """Return since when a service is in its state."""
    return "" if status["since"] is None else span(now - seconds_of(status["since"]))


def span(seconds: float) -> str:
    """Return a duration in at most six characters: 5s, 12m, 3h05m, 2d04h, 400d."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 60:
        return f"{whole}s"
    if minutes < 60:
        return f"{minutes}m{whole % 60:02d}s"
    if hours < 24:
        return f"{hours}h{minutes % 60:02d}m"
    return f"{days}d{hours % 24:02d}h" if days < 100 else f"{days}d"


def percent(cpu: float | None) -> str:
    """Return processor time as a share of one processor, in at most five characters."""
    if cpu is None:
        return ""
    return f"{cpu * 100:.1f}%" if cpu < 0.9995 else f"{cpu * 100:.0f}%"


def size(number: int) -> str:
    """Return a number of bytes in at most six characters: 512B, 9.5M, 120M, 1.2G."""
    value = float(number)
    for unit in ("B", "K", "M", "G"):
        if value < 999.5:
            return f"{value:.1f}{unit}" if unit in "MG" and value < 99.95 else f"{value:.0f}{unit}"
        value /= 1024
    return f"{value:.1f}T"


def count(number: int) -> str:
    """Return a number in at most three characters."""
    return str(number) if number < 1000 else f"{number // 1000}k" if number < 100_000 else "!!!"
