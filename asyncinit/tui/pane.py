"""What is shown of the selected service, below the table: its log, its graph or its details; asks the follower."""

from __future__ import annotations

from typing import Any, Literal

from textual.app import ComposeResult
from textual.containers import Vertical

from asyncinit.cli.details import facts
from asyncinit.cli.explain import story
from asyncinit.tui import relations
from asyncinit.tui.follower import Follower
from asyncinit.tui.viewport import Viewport
from asyncinit.tui.views import BOLD, DIM, Line, Log, Text

Shown = Literal["logs", "graph", "details"]
_TITLES = {"logs": "log of", "graph": "graph of", "details": "details of"}


class Pane(Vertical):
    """A title, and below it one of three views of a service; `active`: keys that move, move in here."""

    def __init__(self, follower: Follower) -> None:
        super().__init__(id="pane")
        self._follower = follower
        self.viewport = Viewport(follower.lines)
        self.what: Shown = "logs"
        self.active = False
        self.searched = ""
        self._name: str | None = None
        self._found: int | None = None
        self._title = Line()
        self._lines = Log(self.viewport)
        self._lines.nothing = self._no_lines
        self._text = Text()

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield self._title
        yield self._lines
        yield self._text

    def select(self, name: str | None) -> None:
        """Show a service; nothing happens where it is shown already."""
        if name == self._name:
            return
        self._name = name
        self._found = None
        self.viewport.follow()
        self.viewport.left = 0
        self._text.to_start()
        self._follower.show_log(name)
        self.fill()

    def show(self, what: Shown) -> None:
        """Show the log, the graph or the details."""
        self.what = what
        self._text.to_start()
        self.fill()
        if what == "graph":
            self._follower.refresh_graph(self.fill, lambda _error: None)

    def fill(self) -> None:
        """Show what is known now."""
        if self._name is None:
            self._text.say([])
        elif self.what == "graph":
            self._text.say(relations.trees(self._follower.nodes, self._name, self._follower.states()))
        elif self.what == "details":
            self._follower.link.call("Explain", {"name": self._name}, self._explained, lambda _error: None)
        self.draw()

    def _explained(self, answer: dict[str, Any], _last: bool) -> None:
        status = self._follower.services.current
        if status is None or self.what != "details" or answer["chain"][0]["service"] != status["name"]:
            return
        known = [f"{label + ':':<13}{value}" for label, value in facts(status, False) if value]
        self._text.say([(line, "") for line in [*story(answer, False).splitlines(), "", *known]])

    def draw(self) -> None:
        """Draw it anew, soon."""
        logs = self.what == "logs"
        self._lines.display, self._text.display = logs, not logs
        self._lines.redraw()
        parts = [f"{_TITLES[self.what]} {self._name or 'nothing'}"]
        if logs:
            lines = self._follower.lines
            parts += [self.viewport.share, "" if self.viewport.wrap else "cut"]
            parts += [f"lines with {lines.filter}" if lines.filter else ""]
            parts += [f"search {self.searched}" if self.searched else ""]
        text = f"{'>>' if self.active else '--'} {'  '.join(filter(None, parts))} "
        self._title.say(text.ljust(max(0, self.size.width), "-"), BOLD if self.active else DIM)

    def on_resize(self) -> None:
        """Draw the title for the other width."""
        self.draw()

    def _no_lines(self) -> str:
        """Return what is told where no line is shown."""
        status = self._follower.services.current
        if status is None:
            return ""
        log = status["log"]
        if self._follower.lines.all:
            return "no line has that text; Esc shows all"
        if log is None:
            return f"{status['name']} has no output"
        if not log["remembered"]:
            where = ", ".join([file["path"] for file in log["files"]] or log["to"])
            return f"its output goes past asyncinit, to {where}"
        return "nothing was written yet"

    # -----------------------------------------------------------------------------------------------------------------
    # Moving

    def scroll_rows(self, rows: int) -> None:
        """Go down by so many rows, or up."""
        if self.what == "logs":
            self.viewport.scroll(rows)
        else:
            self._text.scroll_rows(rows)
        self.draw()

    def page(self, step: int) -> None:
        """Go on by a page, or back."""
        self.scroll_rows(step * max(1, self.size.height - 2))

    def edge(self, step: int) -> None:
        """Go to the end, or to the beginning."""
        if self.what != "logs":
            self._text.scroll_rows(step * 1_000_000)
        elif step < 0:
            self.viewport.to_start()
        else:
            self.viewport.follow()
        self.draw()

    def sideways(self, step: int) -> None:
        """Show another part of long lines."""
        if self.what == "logs":
            self.viewport.sideways(step)
        else:
            self._text.sideways(step)
        self.draw()

    def wrap(self) -> None:
        """Wrap long lines, or cut them."""
        self.viewport.toggle_wrap()
        self.draw()

    def follow(self) -> None:
        """Follow the log, or hold it."""
        if self.viewport.following:
            self.viewport.hold()
        else:
            self.viewport.follow()
        self.draw()

    # -----------------------------------------------------------------------------------------------------------------
    # Searching

    def search(self, text: str) -> None:
        """Mark this in the log."""
        self.searched = self._lines.wanted = text
        self._found = None
        self.draw()

    def filter_lines(self, text: str) -> None:
        """Show only lines with this text."""
        self._follower.lines.set_filter(text)
        self.draw()

    def find(self, step: int) -> str:
        """Go to the next line with what is searched for, or to the one before; return what there is to say.

        From the last one that was found, or else from the end of the screen on.
        """
        if not self.searched:
            return "nothing is searched for yet: / asks for it"
        start = self._found
        if start is None:
            rows = self.viewport.rows()
            start = rows[-1].line.number + (step < 0) if rows else 0
        lines = self._follower.lines
        found = lines.find(self.searched, start, step)
        if found is None:
            return f"no {'further' if step > 0 else 'earlier'} line has {self.searched}"
        self._found = found
        self.viewport.show(found)
        self.draw()
        return f"line {lines.index(found) + 1} of {len(lines.shown)}; n further, N back"
