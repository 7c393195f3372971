"""`asyncinit top` as a whole: the screen's layout, and what each key does; what is known comes from the follower."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import Input, Static

from asyncinit.client.connection import Connection
from asyncinit.client.errors import ClientError
from asyncinit.tui import acts, keys, relations
from asyncinit.tui.dialogs import Choice, Notice, Number, Question
from asyncinit.tui.doing import Doing
from asyncinit.tui.follower import Follower
from asyncinit.tui.pane import Pane, Shown
from asyncinit.tui.views import ALARM, BOLD, CHOSEN, DIM, Line, Table

_SAID = 60.0
"""Seconds that a message stands before the keys are told again, if nothing else is done."""

_PROMPTS = {"filter": "services with: ", "search": "search: ", "lines": "lines with: "}
_BOTH, _PANE, _TABLE = range(3)


class Top(App[None]):
    """The screen: a header, the services, what is shown of the selected one, and a line of keys or messages."""

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    Line { height: 1; }
    #pane { height: 1fr; }
    #pane Log, #pane Text { height: 1fr; }
    #prompt { height: 1; display: none; }
    #prompt Static { width: auto; text-style: bold; }
    #prompt Input, #prompt Input:focus { width: 1fr; height: 1; border: none; padding: 0; background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        # Those with priority are done as they arrive: what is typed ahead goes where the key before it has led.
        *(Binding(key.keys, key.action, key.text, show=False, priority=True) for key in keys.all_keys()),
        Binding("ctrl+c,ctrl+q", "interrupt", show=False, priority=True),
    ]

    def __init__(self, connection: Connection) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self._connection = connection
        self._zoom = _BOTH
        self._prompt = ""
        self._before = ""
        self._unsaid: Timer | None = None
        self._drawn = False

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        self.follower = Follower(asyncio.get_running_loop(), self._connection, self._changed, self._logged)
        self.doing = Doing(self.follower, self._say, self._complain)
        self._header, self._bottom = Line(), Line()
        self._table, self.pane = Table(self.follower.services), Pane(self.follower)
        self.follower.visible = self._table.names
        yield from (self._header, self._table, self.pane, self._bottom)
        with Horizontal(id="prompt"):
            yield Static("", markup=False)
            yield Input(disabled=True)

    def on_mount(self) -> None:
        """Begin; a terminal that hangs up, or kill, leaves the screen as it was, too."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit)
        self.set_focus(None)
        self._drawn = True
        self._unsay()
        self._changed()

    def on_unmount(self) -> None:
        """Hang up."""
        self._drawn = False
        self.follower.close()

    def on_resize(self, _event: Resize) -> None:
        """Share the rows out anew, once textual knows of the other size itself."""
        if self._drawn:
            self.call_after_refresh(self._arrange)

    # -----------------------------------------------------------------------------------------------------------------
    # Drawing

    def _arrange(self) -> None:
        """Share the rows out: the services get what they need, up to half; the rest shows the selected one."""
        rows = max(0, self.size.height - 2)
        needed = 1 + max(1, len(self.follower.services.shown()))
        self._table.styles.height = rows if self._zoom == _TABLE else min(needed, max(min(3, rows - 2), rows // 2))
        self._table.display = self._zoom != _PANE
        self.pane.display = self._zoom != _TABLE
        self._draw()

    def _draw(self) -> None:
        self._table.redraw()
        self.pane.draw()
        services = self.follower.services
        system = services.system
        if self.follower.trouble:
            self._header.say(self.follower.trouble, ALARM + CHOSEN)
        elif system:
            found = f"  filter: {services.filter} ({len(services.shown())})" if services.filter else ""
            up = f"{services.up()} of {len(services.by_name)} up"
            order = f"sorted by {services.sort}{', reversed' if services.reversed else ''}"
            text = f"asyncinit {system['version']}  {system['state']}  {up}{found}  {order}"
            self._header.say(text, BOLD)
        else:
            self._header.say("connecting", BOLD)

    def _changed(self) -> None:
        """Draw what the follower knows now."""
        if self._drawn:
            self.pane.select(self.follower.services.selected)
            if self.pane.what != "logs":
                self.pane.fill()
            self._arrange()

    def _logged(self) -> None:
        if self._drawn:
            self.pane.draw()

    def _say(self, text: str) -> None:
        """Show a message at the bottom for a while."""
        self._bottom.say(text, BOLD)
        if self._unsaid is not None:
            self._unsaid.stop()
        self._unsaid = self.set_timer(_SAID, self._unsay)

    def _unsay(self) -> None:
        self._bottom.say(keys.hints, DIM)

    def _complain(self, title: str, text: str) -> None:
        """Show what went wrong, until it is closed."""
        self._unsay()
        self.push_screen(Notice(title, text))

    # -----------------------------------------------------------------------------------------------------------------
    # Looking

    def _go_to(self, position: int) -> None:
        self.follower.services.select(position)
        self.pane.select(self.follower.services.selected)
        self._unsay()
        self._draw()

    def action_move(self, step: int) -> None:
        """Go to the next service, or scroll by a row."""
        if self.pane.active:
            self.pane.scroll_rows(step)
        else:
            self._go_to(self.follower.services.position + step)

    def action_page(self, step: int) -> None:
        """Go on by a page."""
        if self.pane.active:
            self.pane.page(step)
        else:
            self._go_to(self.follower.services.position + step * max(1, self._table.room - 1))

    def action_edge(self, step: int) -> None:
        """Go to the beginning, or to the end."""
        if self.pane.active:
            self.pane.edge(step)
        else:
            self._go_to(0 if step < 0 else len(self.follower.services.shown()) - 1)

    def action_sideways(self, step: int) -> None:
        """Show another part of long lines."""
        self.pane.sideways(step)

    def action_other(self) -> None:
        """Move in the services, or in what is below."""
        self.pane.active = not self.pane.active
        if self._zoom != _BOTH:
            self._zoom = _PANE if self.pane.active else _TABLE
        self._arrange()

    def action_zoom(self) -> None:
        """Show what is below alone, the services alone, or both."""
        self._zoom = (self._zoom + 1) % 3
        self.pane.active = self._zoom == _PANE
        self._arrange()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self.follower.services.next_sort()
        self._draw()

    def action_reverse(self) -> None:
        """Sort the other way round."""
        self.follower.services.reverse()
        self._draw()

    def action_show(self, what: Shown) -> None:
        """Show the log, the graph or the details below."""
        if self._zoom == _TABLE:
            self._zoom = _BOTH
        self._unsay()
        self.pane.show(what)
        self._arrange()

    def action_wrap(self) -> None:
        """Wrap long lines, or cut them."""
        self.pane.wrap()

    def action_follow(self) -> None:
        """Follow the log, or hold it."""
        self.pane.follow()

    def action_again(self, step: int) -> None:
        """Go to the next line with what is searched for, or to the one before."""
        self._say(self.pane.find(step))

    # -----------------------------------------------------------------------------------------------------------------
    # What is typed at the bottom

    def action_filter(self) -> None:
        """Ask which services are shown."""
        self._ask("filter", self.follower.services.filter)

    def action_search(self) -> None:
        """Ask what is searched for in the log."""
        self.action_show("logs")
        self._ask("search", self.pane.searched)

    def action_lines(self) -> None:
        """Ask which lines of the log are shown."""
        self.action_show("logs")
        self._ask("lines", self.follower.lines.filter)

    def _ask(self, what: str, value: str) -> None:
        self._prompt, self._before = what, value
        prompt = self.query_one("#prompt")
        prompt.query_one(Static).update(_PROMPTS[what])
        self._bottom.display = False
        prompt.display = True
        field = prompt.query_one(Input)
        field.disabled = False
        field.value = value
        field.cursor_position = len(value)
        self.set_focus(field)

    def _end_prompt(self) -> None:
        self._prompt = ""
        prompt = self.query_one("#prompt")
        prompt.display = False
        prompt.query_one(Input).disabled = True
        self._bottom.display = True
        self.set_focus(None)

    def _apply(self, value: str) -> None:
        match self._prompt:
            case "filter":
                self.follower.services.set_filter(value)
            case "lines":
                self.pane.filter_lines(value)
            case "search":
                self.pane.search(value)
        self._changed()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        self._apply(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter; look for the text, back from the end."""
        what = self._prompt
        self._end_prompt()
        if what == "search" and event.value:
            self._say(self.pane.find(-1))

    def action_forget(self) -> None:
        """Close the prompt, or forget a search, a filter, a zoom: one of them, the nearest first."""
        services, lines = self.follower.services, self.follower.lines
        self._unsay()
        if self._prompt:
            self._apply(self._before)
            self._end_prompt()
        elif self.pane.searched:
            self.pane.search("")
        elif lines.filter:
            self.pane.filter_lines("")
        elif services.filter:
            services.set_filter("")
        else:
            self._zoom = _BOTH
        self._changed()

    # -----------------------------------------------------------------------------------------------------------------
    # Doing

    def action_act(self, method: str) -> None:
        """Start, stop, restart or reload the selected service; ask first where others are taken along."""
        name = self.follower.services.selected
        if name is None:
            return
        if method not in {"Stop", "Restart"}:
            self.doing.act(method, name)
            return

        def ask() -> None:
            others = relations.taken_along(self.follower.nodes, name, self.follower.states())
            if not others:
                self.doing.act(method, name)
                return
            answers = {"y": "yes"} | ({"o": f"only {name}"} if method == "Restart" else {})
            asked = Question(method, acts.question(method, name, others), answers)
            self.push_screen(asked, lambda answer: self.doing.act(method, name, answer == "o") if answer else None)

        self.follower.refresh_graph(ask, self._refused(f"{method} {name}"))

    def _refused(self, title: str) -> Callable[[ClientError], None]:
        return lambda error: self._complain(title, str(error))

    def action_signal(self) -> None:
        """Choose a signal, and send it."""
        name = self.follower.services.selected
        if name is None:
            return

        def chosen(place: int | None) -> None:
            if place is not None:
                self.doing.signal(name, acts.SIGNALS[place])

        options = [f"{short:<6} {text}" for short, _, text in acts.SIGNALS]
        self.push_screen(Choice(f"Signal to {name}", options), chosen)

    def action_scale(self) -> None:
        """Ask how many instances there shall be."""
        name = self.follower.services.selected
        template = None if name is None else acts.template_of(name)
        if template is None:
            self._say(f"{name} is no instance of a template")
            return

        def chosen(count: int | None) -> None:
            if count is not None:
                self.doing.scale(template, count)

        number = acts.instances(template, list(self.follower.services.by_name))
        asked = Number(f"Scale {template}", f"How many instances of {template}? Now: {number}.", number)
        self.push_screen(asked, chosen)

    def action_help(self) -> None:
        """Show all keys."""
        self.push_screen(Notice("Keys of asyncinit top", "\n".join(keys.help_lines())))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave keys to a dialog, or to what is typed at the bottom, but for those that end it."""
        if self.screen.is_modal:
            return action == "interrupt"
        return not self._prompt or action in {"forget", "interrupt"}

    def action_interrupt(self) -> None:
        """End, whatever is going on."""
        self.exit()

    def action_leave(self) -> None:
        """End."""
        self.exit()


def run(connection: Connection) -> None:
    """Show the asyncinit at the other end of `connection` until it is left."""
    Top(connection).run(mouse=False)
