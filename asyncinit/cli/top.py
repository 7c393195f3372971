"""`asyncinit top`: the services on the whole screen of a terminal; what draws it is the package `tui`."""

from __future__ import annotations

import os

from asyncinit.cli import screen
from asyncinit.cli.outcome import UsageError
from asyncinit.cli.server import connect
from asyncinit.client.errors import ClientError

TYPE_CHECKING = False  # typing.TYPE_CHECKING without the import
if TYPE_CHECKING:
    from asyncinit.cli.declaring import Invocation

EXIT_UNAVAILABLE = 69


class MissingExtraError(ClientError):
    """What draws the screen is not installed."""

    exit_code = EXIT_UNAVAILABLE


def top(invocation: Invocation) -> int:
    """Show the services until the person has seen enough."""
    if not all(map(screen.is_terminal, (0, 1, 2))):
        raise UsageError("top needs a terminal for its input and output; asyncinit status --watch does not")
    if os.environ.get("TERM") in (None, "", "dumb"):
        raise UsageError("top needs a terminal that can move its cursor (TERM); asyncinit status --watch does not")
    _choose_colours()
    try:
        import textual  # noqa: F401 - only whether it is there
    except ImportError:
        raise MissingExtraError("top needs textual: pip install 'asyncinit[tui]'") from None
    connection = connect(invocation.socket)
    from asyncinit.tui.app import run

    run(connection)
    return 0


def _choose_colours() -> None:
    """Have textual leave colours out where the terminal has none, by the variable that it knows."""
    if not os.environ.get("NO_COLOR"):
        os.environ.pop("NO_COLOR", None)  # empty: as if it were not set, but textual takes it for set
        if not _has_colours():
            os.environ["NO_COLOR"] = "1"


def _has_colours() -> bool:
    """Tell whether the terminal has colours, as the terminal database says; where it says nothing, it has."""
    try:
        import curses

        curses.setupterm()
    except Exception:
        return True
    return curses.tigetnum("colors") >= 8
