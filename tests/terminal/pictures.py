"""The pictures of the documentation, made out of a real run in a real terminal; nothing is drawn by hand.

    .venv/bin/python -m tests.terminal.pictures

A picture whose text is, masked, the one that is there already is left alone: only what has changed is made anew.
"""

from __future__ import annotations

import html
import io
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from tests.support import ROOT
from tests.terminal import project
from tests.terminal.terminal import Server, Terminal, masked

FOLDER = ROOT / "docs" / "pictures"
_HOME = "/home/me/shop"
"""What stands for the folder that the shop is in, and is as long."""

_CHARACTER = 12.2
"""How wide a character is on Rich's pictures."""

_THEME = TerminalTheme(
    (22, 27, 34),
    (214, 221, 229),
    [
        (60, 68, 79),
        (255, 123, 114),
        (126, 201, 130),
        (227, 179, 65),
        (108, 182, 255),
        (210, 153, 255),
        (86, 212, 221),
        (214, 221, 229),
    ],
    [
        (110, 118, 129),
        (255, 161, 152),
        (161, 224, 164),
        (240, 205, 110),
        (150, 205, 255),
        (226, 186, 255),
        (130, 228, 235),
        (255, 255, 255),
    ],
)

# Rich's own form without its fonts, which are fetched from another host: whoever looks has one of these.
_FORM = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def top() -> str:
    """Return the picture of `asyncinit top`: a shop in development, the log of its web server."""
    with _shop(20) as (server, _):
        terminal = server.window()
        terminal.run("asyncinit top")
        terminal.wait("sorted by name", "3 of 5 up")
        terminal.press("Down", "Down", "Down")
        terminal.wait("log of web", "listening", "%")
        return svg(terminal.screen(colours=True), "asyncinit top", "top")


def dev() -> str:
    """Return the picture of `asyncinit dev`: what a day begins with, and a page that is changed."""
    with _shop(24) as (server, terminal):
        return svg(terminal.screen(colours=True).replace(str(server.folder), _HOME), "asyncinit dev", "dev")


PICTURES: dict[str, Callable[[], str]] = {"top": top, "dev": dev}


@contextmanager
def _shop(rows: int) -> Iterator[tuple[Server, Terminal]]:
    """Have a shop run under `asyncinit dev`, of which a page was changed; yield its terminal, too."""
    with tempfile.TemporaryDirectory(prefix="", dir="/tmp") as place, Server(Path(place), rows=rows) as server:
        folder = Path(place)
        project.write_shop(folder)
        terminal = server.window()
        terminal.run("clear; asyncinit dev")
        terminal.wait("mail      * failed")
        (folder / "web" / "shop.html").write_text("welcome, this week all books for half\n")
        terminal.wait("half")
        wait_for_the_worker_again(terminal)
        yield server, terminal
        terminal.press("C-c")
        terminal.wait("asyncinit * down")


def wait_for_the_worker_again(terminal: Terminal) -> None:
    """Wait until what had to stop with the web server is up again: the last line of its restart."""
    terminal.wait_for(lambda screen: screen.count("worker    * ready") == 2)


def svg(screen: str, title: str, name: str) -> str:
    """Return a screen with its colours, as tmux gives it, as a picture."""
    console = Console(
        width=80, file=io.StringIO(), record=True, force_terminal=True, color_system="truecolor", legacy_windows=False
    )
    for line in AnsiDecoder().decode(screen.rstrip("\n")):  # one for all lines: a colour goes on into the next line
        console.print(line, no_wrap=True, overflow="crop", crop=True)
    return console.export_svg(title=title, theme=_THEME, code_format=_FORM, unique_id=name)


def text_of(picture: str) -> str:
    """Return the text that stands on a picture: its lines, each without the blanks at its end."""
    lines: dict[int, str] = {}
    for x, line, part in re.findall(r'x="([\d.]+)" [^>]*clip-path="url\(#\w+-line-(\d+)\)">(.*?)</text>', picture):
        before = lines.get(int(line), "").ljust(round(float(x) / _CHARACTER))
        lines[int(line)] = before + html.unescape(part).replace("\xa0", " ")
    return "\n".join(lines.get(number, "").rstrip() for number in range(max(lines, default=0) + 1)) + "\n"


def same(one: str, other: str) -> bool:
    """Tell whether two pictures differ in nothing but what is never the same twice."""
    return masked(text_of(one)) == masked(text_of(other)) and _styles(one) == _styles(other)


def _styles(picture: str) -> list[str]:
    """Return the styles of a picture's parts, in their order."""
    return re.findall(r'class="(\w+-r\d+)"', picture)


def main() -> None:
    """Make those that are not current, and name them."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in PICTURES.items():
        path, made = FOLDER / f"{name}.svg", make()
        if not path.exists() or not same(path.read_text(), made):
            path.write_text(made)
            print(path)


if __name__ == "__main__":
    main()
