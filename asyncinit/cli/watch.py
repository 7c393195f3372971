"""`asyncinit status --watch`: the table, drawn anew at every event until ^C; never polls."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

from asyncinit.cli import screen
from asyncinit.cli.declaring import Invocation
from asyncinit.cli.outcome import UsageError
from asyncinit.cli.server import announces_end, connect
from asyncinit.cli.status import fetch, overview, write_json
from asyncinit.client.errors import NotRunningError

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the alternate screen, without a cursor and without wrapping
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_CLEAR = "\x1b[H\x1b[2J"


def watch(invocation: Invocation) -> int:
    """Show the services' states as they change; ends with asyncinit, or by ^C."""
    screen.accept_any_text()
    values = invocation.values
    if values["ready"]:
        raise UsageError("--watch and --ready exclude each other")
    as_json, names = values["json"], values["names"]
    ending = False
    draw = _Page() if screen.is_terminal() and not as_json else None
    with connect(invocation.socket) as server, connect(server.address) as followed:
        replies = followed.stream("Events", {"follow": True})
        try:
            if draw is not None:
                draw.enter()
            for reply in replies:
                ending = ending or any(map(announces_end, reply["events"]))
                answer = fetch(server, names)
                ending = ending or answer["asyncinit"]["state"] == "stopping"
                if draw is not None:
                    draw.show(answer)
                elif as_json:
                    write_json(answer, indent=None)
                else:
                    sys.stdout.write(overview(answer) + "\n")
                sys.stdout.flush()
        except NotRunningError:
            if not ending:
                raise
        finally:
            if draw is not None:
                draw.leave()
    if not as_json:
        print("asyncinit has ended")
    return 0


class _Page:
    """The terminal's alternate screen, drawn anew when its size changes too."""

    def __init__(self) -> None:
        self._answer: dict[str, Any] | None = None

    def enter(self) -> None:
        """Take the screen."""
        signal.signal(signal.SIGWINCH, self._on_resize)
        signal.signal(signal.SIGCONT, self._on_continue)
        # A terminal that hangs up, or kill, must find the screen as it was too.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_end)
        _write(_ENTER)

    def leave(self) -> None:
        """Give the screen back."""
        for number in (signal.SIGWINCH, signal.SIGCONT):
            signal.signal(number, signal.SIG_DFL)
        try:
            _write(_LEAVE)
        except OSError:
            pass  # the terminal is gone

    def show(self, answer: dict[str, Any]) -> None:
        """Draw the table, cut to the screen."""
        self._answer = answer
        width, height = os.get_terminal_size(1)
        width, height = width or 80, height or 24  # a terminal that nobody told its size says 0
        system = answer["asyncinit"]
        ready = sum(service["state"] in {"ready", "completed"} for service in answer["services"])
        title = f"asyncinit {system['version']}: {system['state']}, {ready} of {len(answer['services'])} up"
        header, *rows = overview(answer, width).splitlines()
        room = max(0, height - 2)
        if len(rows) > room:
            shown = max(0, room - 1)
            rows = [*rows[:shown], f"... {len(rows) - shown} more"[:width]]
        _write(_CLEAR + "\r\n".join([title[:width], header, *rows][:height]))

    def _on_resize(self, _number: int, _frame: FrameType | None) -> None:
        if self._answer is not None:
            self.show(self._answer)

    def _on_continue(self, number: int, frame: FrameType | None) -> None:
        """Take the screen again: whoever had the terminal meanwhile has written on it."""
        _write(_ENTER)
        self._on_resize(number, frame)

    def _on_end(self, _number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt


def _write(text: str) -> None:
    """Write past Python's buffer, which a signal handler must not enter while it is in use."""
    data = text.encode(errors="replace")
    while data:
        data = data[os.write(1, data) :]
