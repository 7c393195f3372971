"""What tables, colours and times look like for people; knows no service and no server. Pure but for two questions."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GREEN, YELLOW, RED, DIM, BOLD = "32", "33", "31", "2", "1"

STATE_COLOURS = {
    "ready": GREEN,
    "completed": GREEN,
    "listening": GREEN,
    "failed": RED,
    "unhealthy": YELLOW,
    "backoff": YELLOW,
    "waiting": YELLOW,
    "starting": YELLOW,
    "reloading": YELLOW,
    "stopping": YELLOW,
    "inactive": DIM,
}


def is_terminal(descriptor: int = 1) -> bool:
    """Tell whether a descriptor is a terminal."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def wants_colour(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether stdout shall be coloured: a terminal that can, and no NO_COLOR."""
    return is_terminal() and not environment.get("NO_COLOR") and environment.get("TERM") not in (None, "", "dumb")


def accept_any_text() -> None:
    """Let stdout take every character: what its encoding cannot hold is replaced, never an error."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def paint(text: str, colour: str | None) -> str:
    """Return `text` in a colour."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colour and text else text


def plain(text: str) -> str:
    """Return `text` fit for one line of a terminal: no control characters."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


NARROWEST = 8
"""How far a table's first column shrinks."""

REMARK = 20
"""How much of its last column a table shows before its first is left whole."""


def table(
    rows: Sequence[Sequence[str]], width: int | None = None, colours: Mapping[int, str | None] | None = None
) -> str:
    """Lay rows out in columns two spaces apart; no line is longer than `width` (None: any length).

    The first column gives way, then lines are cut. `colours` gives, by row, the colour of its second column.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        wanted = sum(widths[:-1]) + 2 * (len(widths) - 1) + min(widths[-1], REMARK)
        widths[0] = min(widths[0], max(NARROWEST, widths[0] - max(0, wanted - width)))
    lines = []
    for number, row in enumerate(rows):
        first = shorten(row[0], widths[0]).ljust(widths[0])
        cells = [cell.ljust(size) for cell, size in zip(row[1:-1], widths[1:-1], strict=True)]
        line = shorten("  ".join([first, *cells, row[-1]]).rstrip(), width)
        if colours is not None:
            start, end = widths[0] + 2, widths[0] + 2 + len(row[1])
            line = line[:start] + paint(line[start:end], colours.get(number)) + line[end:]
        lines.append(line)
    return "\n".join(lines) + "\n"


def shorten(text: str, width: int | None) -> str:
    """Return `text`, cut at `width` characters (None: never) and marked where it is cut."""
    return text if width is None or len(text) <= width else text[: max(0, width - 1)].rstrip() + "…"


def seconds_of(text: str) -> float:
    """Return an RFC 3339 time in UTC, as the protocol has it, in seconds since 1970."""
    year, month, day = int(text[0:4]), int(text[5:7]), int(text[8:10])
    # Days from civil (the era arithmetic of date libraries): datetime is slow to import.
    shifted = year - (month <= 2)
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month - 3) % 12) + 2) // 5 + day - 1
    days = era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
    whole = days * 86400 + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
    fraction = text[19:].rstrip("Z")
    return whole + (float("0" + fraction) if fraction else 0.0)


def moment(text: str | None, now: float | None = None) -> str:
    """Return a time of the protocol as local time: of today 17:13:50, else with the date; "-" for none."""
    if text is None:
        return "-"
    local = time.localtime(seconds_of(text))
    today = time.localtime(now)
    same_day = (local.tm_year, local.tm_yday) == (today.tm_year, today.tm_yday)
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", local)
