"""What is asked or told in front of the rest: a question, a choice, a number, a text; knows no services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from asyncinit.tui.columns import shorten


class Dialog(ModalScreen[Any]):
    """A box in the middle, with a title and a line of its keys; Esc closes it with None."""

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog > .box {
        width: 100%; max-width: 72; height: auto; max-height: 100%; border: ascii ansi_default; padding: 0 1;
    }
    Dialog .keys { text-style: bold; height: auto; }
    Dialog .text { height: auto; }
    Dialog .scrolled { height: auto; }
    Dialog Input, Dialog Input:focus { border: none; height: 1; padding: 0; margin: 1 0; background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", show=False),
        Binding("ctrl+c,ctrl+q", "app.interrupt", show=False, priority=True),
    ]
    keys = "Esc close"

    def __init__(self, title: str, text: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """Lay the box out."""
        with Vertical(classes="box") as box:
            box.border_title = self._title
            yield from self.inside()
            yield Static(self.keys, classes="keys", markup=False)

    def inside(self) -> ComposeResult:
        """Yield what stands in the box: the text, which scrolls where it is long."""
        with VerticalScroll(classes="scrolled"):
            yield Static(self._text, classes="text", markup=False)

    def on_resize(self) -> None:
        """Leave room for the border and the keys, however long the rest is."""
        for scrolled in self.query(".scrolled"):
            scrolled.styles.max_height = max(1, self.size.height - 3)

    def action_close(self) -> None:
        """Close it, with no answer."""
        self.dismiss(None)


class Notice(Dialog):
    """Tell something, until a key is pressed; what is long can be scrolled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,q,question_mark,space", "close", show=False),
        Binding("j,down", "move(1)", show=False, priority=True),
        Binding("k,up", "move(-1)", show=False, priority=True),
    ]
    keys = "Esc close   Up Down scroll"

    def action_move(self, rows: int) -> None:
        """Scroll."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)


class Question(Dialog):
    """Ask for yes or no, or a third answer; dismissed with its key."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("n", "close", show=False)]

    def __init__(self, title: str, text: str, answers: dict[str, str]) -> None:
        super().__init__(title, text)
        self._answers = answers
        self.keys = "   ".join(f"{key} {word}" for key, word in {**answers, "n": "no"}.items())

    def on_mount(self) -> None:
        """Take the keys of the answers."""
        for key in self._answers:
            self._bindings.bind(key, f"answer('{key}')", show=False)

    def action_answer(self, key: str) -> None:
        """Close it with this answer."""
        self.dismiss(key)


class Choice(Dialog):
    """Choose one of some lines; dismissed with its place."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False, priority=True),
        Binding("up,k", "move(-1)", show=False, priority=True),
        Binding("enter", "choose", show=False, priority=True),
    ]
    keys = "Enter choose   Esc none"

    def __init__(self, title: str, options: Sequence[str]) -> None:
        super().__init__(title)
        self._options = options
        self._chosen = 0

    def inside(self) -> ComposeResult:
        """Yield the options."""
        with VerticalScroll(classes="scrolled", can_focus=False):
            for option in self._options:
                yield Static(option, markup=False, classes="option")

    def on_mount(self) -> None:
        """Mark the first."""
        self._mark()

    def action_move(self, step: int) -> None:
        """Go to another one."""
        self._chosen = (self._chosen + step) % len(self._options)
        self._mark()

    def action_choose(self) -> None:
        """Close it with this one."""
        self.dismiss(self._chosen)

    def _mark(self) -> None:
        for place, option in enumerate(self.query(".option").results(Static)):
            mark = "> " if place == self._chosen else "  "
            option.update(shorten(mark + self._options[place], max(10, self.size.width - 4)))
            option.styles.text_style = "reverse" if place == self._chosen else "none"
            if place == self._chosen:
                option.scroll_visible(animate=False)


class Number(Dialog):
    """Ask for a number; dismissed with it."""

    AUTO_FOCUS = "Input"
    keys = "Enter do   Esc leave it"

    def __init__(self, title: str, text: str, value: int) -> None:
        super().__init__(title, text)
        self._value = value

    def inside(self) -> ComposeResult:
        """Yield the question and the field."""
        yield Static(self._text, classes="text", markup=False)
        yield Input(str(self._value), type="integer", restrict="[0-9]{0,5}")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close it with the number, if there is one."""
        if event.value:
            self.dismiss(int(event.value))
