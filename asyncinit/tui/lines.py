"""The lines of a log in memory, as many as are kept: filtered, searched; pure, knows neither screen nor socket."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, NamedTuple

from asyncinit.cli.screen import moment, plain

KEPT = 5_000
"""Lines that can be scrolled back to; asyncinit's own memory of a service is of this order, too."""

LONGEST = 4_000
"""Characters of a line that are kept."""

# What a terminal would obey: CSI, OSC and their like up to their end, and two-character sequences.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI ... final
    r"|(?:\x1b[\]P_^X]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, APC, PM, SOS up to their end
    r"|\x1b[ -/]*[0-~]?"  # the short ones, and a lone ESC
)


class Line(NamedTuple):
    """A line: a number that grows, its time of day, its sign (who wrote it), its text without anything to obey."""

    number: int
    time: str
    sign: str
    text: str


SIGNS = {"stdout": " ", "stderr": "!", "event": "*"}
"""What stands before a line: nothing for output, "!" for errors, "*" for what asyncinit says of the service."""


class Lines:
    """The newest lines of one service, and those of them that are shown."""

    def __init__(self) -> None:
        self.all: list[Line] = []
        self.shown: list[Line] = []
        self.filter = ""
        self.dropped = 0
        self.cursor: int | None = None
        self._number = 0
        self._second = ("", "")

    def clear(self) -> None:
        """Forget all lines."""
        self.all, self.shown, self.dropped, self.cursor = [], [], 0, None

    def add(self, entries: Iterable[dict[str, Any]], dropped: int = 0) -> None:
        """Add lines of an answer of Logs; before these, `dropped` were lost."""
        self.dropped += dropped
        new = [self._lost(dropped)] if dropped else []
        for entry in entries:
            self.cursor = entry["cursor"]
            new.append(self._line(self._time_of_day(entry["time"]), SIGNS.get(entry["stream"], " "), entry["message"]))
        self._append(new)

    def remark(self, text: str) -> None:
        """Add a line of our own."""
        self._append([self._line("", "*", text)])

    def _append(self, new: list[Line]) -> None:
        self.all += new
        self.shown = self.all if not self.filter else self.shown + [line for line in new if self._has(line)]
        # In pieces, so that most lines cost nothing.
        if len(self.all) > KEPT + KEPT // 5:
            first = self.all[-KEPT].number
            del self.all[:-KEPT]
            if self.shown is not self.all:
                del self.shown[: bisect_left(self.shown, first, key=_number)]

    def _time_of_day(self, time: str) -> str:
        """Return the local time of day; in a flood most lines are of the same second."""
        if time[:19] != self._second[0]:
            self._second = (time[:19], moment(time)[-8:])
        return self._second[1]

    def _line(self, time: str, sign: str, message: str) -> Line:
        self._number += 1
        return Line(self._number, time, sign, harmless(message))

    def _lost(self, dropped: int) -> Line:
        return self._line("", "*", f"{dropped} lines were lost here: they came faster than they were read")

    def set_filter(self, text: str) -> None:
        """Show only lines that have this text."""
        self.filter = text
        self.shown = [line for line in self.all if self._has(line)] if text else self.all

    def _has(self, line: Line) -> bool:
        return bool(places(line.text, self.filter))

    def index(self, number: int) -> int:
        """Return the place among those shown of a line, or of the next one that there is."""
        return bisect_left(self.shown, number, key=_number)

    def find(self, text: str, number: int, step: int) -> int | None:
        """Return the number of the nearest shown line that has the text, after (`step` 1) or before (-1) a line."""
        start = self.index(number)
        if step > 0:
            at = start < len(self.shown) and self.shown[start].number == number
            places_to_look: Iterable[int] = range(start + at, len(self.shown))
        else:
            places_to_look = range(start - 1, -1, -1)
        return next((self.shown[one].number for one in places_to_look if places(self.shown[one].text, text)), None)


def _number(line: Line) -> int:
    return line.number


def harmless(text: str) -> str:
    """Return text with nothing in it that a terminal obeys, on one line; tabs become blanks."""
    if len(text) > LONGEST:
        text = text[:LONGEST] + "…"
    if text.isprintable():
        return text
    text = _SEQUENCE.sub("", text.rstrip("\r\n"))
    text = text[text.rfind("\r") + 1 :]  # a progress bar: its last stage
    return plain(text.expandtabs(8))


def places(text: str, wanted: str) -> list[int]:
    """Return where `wanted` begins in a text; small letters find capitals too."""
    if not wanted:
        return []
    if wanted.islower() or wanted.lower() == wanted.upper():
        lowered = text.lower()
        text = lowered if len(lowered) == len(text) else text
    found = []
    at = text.find(wanted)
    while at >= 0:
        found.append(at)
        at = text.find(wanted, at + len(wanted))
    return found
