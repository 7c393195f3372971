"""What is drawn line by line: the header, the table of services, a log, a text; decides nothing, asks nobody.

Each widget keeps the strips that it has drawn last; `redraw` has them made anew when the screen is drawn next, however
often it is called until then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from asyncinit.tui import columns
from asyncinit.tui.lines import places
from asyncinit.tui.services import Services
from asyncinit.tui.viewport import Row, Viewport

PLAIN = Style()
BOLD = Style(bold=True)
DIM = Style(dim=True)
CHOSEN = Style(reverse=True)
SORTED = Style(bold=True, underline=True)
ALARM = Style(color="red", bold=True)

STATE_STYLES = {
    **dict.fromkeys(("ready", "completed", "listening"), Style(color="green")),
    "failed": Style(color="red", bold=True),
    **dict.fromkeys(("unhealthy", "backoff"), Style(color="yellow", bold=True)),
    **dict.fromkeys(("waiting", "starting", "reloading", "stopping"), Style(color="yellow")),
    "inactive": DIM,
}
SIGN_STYLES = {"!": Style(color="red"), "*": Style(color="cyan")}


class View(Widget):
    """A widget of strips."""

    def __init__(self) -> None:
        super().__init__()
        self._strips: list[Strip] | None = None

    def strips(self, width: int, height: int) -> list[Strip]:
        """Return what is shown, at most `height` strips; to be made by each kind of view."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw it anew, soon."""
        self._strips = None
        self.refresh()

    def on_resize(self) -> None:
        """Draw it for the other size."""
        self.redraw()

    def render_line(self, y: int) -> Strip:
        """Return one line, as textual asks for it."""
        width, height = self.size
        if self._strips is None:
            self._strips = self.strips(width, height)
        if y < len(self._strips):
            return self._strips[y].adjust_cell_length(width, PLAIN)
        return Strip.blank(width)


class Line(View):
    """One line of text, cut where it has no room, or made for the room that there is."""

    def __init__(self) -> None:
        super().__init__()
        self._text: str | Callable[[int], str] = ""
        self._style = PLAIN

    def say(self, text: str | Callable[[int], str], style: Style = PLAIN) -> None:
        """Show this, or what it returns for a width."""
        if (text, style) != (self._text, self._style):
            self._text, self._style = text, style
            self.redraw()

    def strips(self, width: int, height: int) -> list[Strip]:
        """Return the line."""
        text = self._text if isinstance(self._text, str) else self._text(width)
        return [Strip([Segment(set_cell_size(columns.shorten(text, width), width), self._style)])]


class Table(View):
    """The services, as many as have room around the one that is selected."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services
        self._offset = 0

    @property
    def room(self) -> int:
        """How many services have room."""
        return max(0, self.size.height - 1)

    def names(self) -> list[str]:
        """Return the names that are on the screen."""
        return self._services.shown()[self._offset : self._offset + self.room]

    def strips(self, width: int, height: int) -> list[Strip]:
        """Return the titles, then a line for each service."""
        services, now = self._services, time.time()
        shown = services.shown()
        self._scroll(len(shown), services.position, max(1, height - 1))
        names = shown[self._offset : self._offset + height - 1]
        longest = max((len(name) for name in services.by_name), default=0)
        found = columns.columns(width, longest)
        titles = zip(columns.heading(found), found, strict=True)
        out = [Strip([Segment(f"{title} ", SORTED if one.sort == services.sort else BOLD) for title, one in titles])]
        for name in names:
            cells = columns.row(found, services, name, now)
            state = services.by_name[name]["state"]
            if name == services.selected:
                out.append(Strip([Segment(f"{' '.join(cells)}{' ' * width}", CHOSEN)]))
                continue
            styles = [STATE_STYLES.get(state, PLAIN) if place == 1 else PLAIN for place in range(len(cells))]
            out.append(Strip([Segment(f"{cell} ", style) for cell, style in zip(cells, styles, strict=True)]))
        if not names:
            out.append(Strip([Segment(self._nothing(), DIM)]))
        return out

    def _nothing(self) -> str:
        return f"no service has {self._services.filter!r}; Esc shows all" if self._services.by_name else "no services"

    def _scroll(self, number: int, position: int, room: int) -> None:
        """Have the selected one on the screen, and no empty line where services are left."""
        first = max(position - room + 1, min(self._offset, position))
        self._offset = max(0, min(first, number - room))


class Log(View):
    """The part of a log that a viewport shows; `wanted` is searched for, and marked."""

    def __init__(self, viewport: Viewport) -> None:
        super().__init__()
        self._viewport = viewport
        self.wanted = ""
        self.nothing: Callable[[], str] = lambda: ""

    def strips(self, width: int, height: int) -> list[Strip]:
        """Return the rows: the time, who wrote it, and what."""
        stamped = width >= 60
        before = 11 if stamped else 2
        self._viewport.resize(width - before, height)
        rows = self._viewport.rows()
        if not rows:
            return [Strip([Segment(self.nothing(), DIM)])]
        return [self._strip(row, stamped) for row in rows]

    def _strip(self, row: Row, stamped: bool) -> Strip:
        first = row.start == 0 or not self._viewport.wrap
        sign = row.line.sign if first else " "
        time_of_day = f"{row.line.time if first else '':<8} " if stamped else ""
        style = SIGN_STYLES.get(row.line.sign, PLAIN)
        return Strip([Segment(time_of_day, DIM), Segment(f"{sign} ", style), *self._marked(row)])

    def _marked(self, row: Row) -> list[Segment]:
        """Return the row's part of the text, with what is searched for in reverse."""
        end = row.start + len(row.text)
        style = SIGN_STYLES["*"] if row.line.sign == "*" else PLAIN
        out, at = [], row.start
        for place in places(row.line.text, self.wanted):
            begin, stop = max(at, place), min(end, place + len(self.wanted))
            if begin < stop:
                out += [Segment(row.line.text[at:begin], style), Segment(row.line.text[begin:stop], CHOSEN)]
                at = stop
        return [*out, Segment(row.line.text[at:end], style)]


class Text(View):
    """Lines with the states that colour them, scrolled."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: Sequence[tuple[str, str]] = ()
        self._offset = 0
        self._left = 0

    def say(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show these lines."""
        self._lines = lines
        self.scroll_rows(0)

    def to_start(self) -> None:
        """Show the beginning."""
        self._offset = self._left = 0
        self.redraw()

    def scroll_rows(self, rows: int) -> None:
        """Go down by so many rows, or up."""
        self._offset = max(0, min(self._offset + rows, len(self._lines) - self.size.height))
        self.redraw()

    def sideways(self, steps: int) -> None:
        """Show a part of long lines further right, or left."""
        self._left = max(0, self._left + steps * 16)
        self.redraw()

    def strips(self, width: int, height: int) -> list[Strip]:
        """Return the lines that have room."""
        return [
            Strip([Segment(columns.shorten(text[self._left :], width), STATE_STYLES.get(state, PLAIN))])
            for text, state in self._lines[self._offset : self._offset + height]
        ]
