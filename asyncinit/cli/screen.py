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


def table(
    rows: Sequence[Sequence[str]], width: int | None = None, colours: Mapping[int, str | None] | None = None
) -> str:
    """Lay rows out in columns two spaces apart; the last is cut at `width` (None: never).

    `colours` gives, by row, the colour of its second column.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(size) for cell, size in zip(row, widths, strict=True)]
        used = sum(widths[:-1]) + 2 * (len(widths) - 1)
        last = row[-1] if width is None or used + len(row[-1]) <= width else row[-1][: max(0, width - used - 1)] + "…"
        if colours is not None:
            cells[1] = paint(row[1], colours.get(number)) + cells[1][len(row[1]) :]
        lines.append("  ".join([*cells[:-1], last]).rstrip())
    return "\n".join(lines) + "\n"


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
