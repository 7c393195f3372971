"""Logins as a machine has them: the shipped getty on a real terminal, here a pty, with a shell in place of login."""

from __future__ import annotations

import os
import select
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncinit.config.places import SHIPPED
from tests.namespace.init import Init
from tests.support import PYTHON, wait_until

pytestmark = pytest.mark.namespace

# In place of agetty: it is given the open terminal as "-", says what TERM shall be, and here lets everybody in.
AGETTY = """#!/bin/sh
[ "$1 $2 $3" = "--keep-baud 115200,57600,38400,9600 -" ] || echo "wrongly called: $*"
echo "login on $(tty) as $4"
export PS1='prompt> ' HISTFILE=
exec bash --norc --noprofile -i
"""


class Screen:
    """Somebody in front of a terminal."""

    def __init__(self) -> None:
        self.keyboard, theirs = os.openpty()
        self.path = os.ttyname(theirs)
        os.close(theirs)
        self._text = ""

    def type(self, text: str) -> None:
        """Press keys."""
        self._text = ""
        os.write(self.keyboard, text.encode())

    def shows(self, text: str) -> bool:
        """Tell whether this has come since something was typed."""
        while select.select([self.keyboard], [], [], 0)[0]:
            try:
                self._text += os.read(self.keyboard, 4096).decode(errors="replace")
            except OSError:  # nobody has it open
                break
        return text in self._text

    def expect(self, text: str) -> None:
        """Wait for it."""
        wait_until(lambda: self.shows(text))


@pytest.fixture
def screen() -> Iterator[Screen]:
    """A terminal."""
    screen = Screen()
    yield screen
    if screen.keyboard >= 0:
        os.close(screen.keyboard)


@pytest.fixture(params=["asyncio", "uvloop"])
def machine(tmp_path: Path, screen: Screen, request: pytest.FixtureRequest) -> Iterator[Init]:
    """The getty of a machine on that terminal."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "agetty").write_text(AGETTY)
    (programs / "agetty").chmod(0o755)
    text = (Path(SHIPPED) / "getty@.toml").read_text()
    text = text.replace("/dev/${INSTANCE}", screen.path).replace("after =", "#").replace("enabled = false", "")
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "ASYNCINIT_PYTHON": PYTHON}
    settings = "keep_running = true"
    with Init(tmp_path, {"getty@ttyS7": text}, loop=request.param, environment=environment, settings=settings) as init:
        yield init


def test_a_login_on_a_terminal(machine: Init, screen: Screen) -> None:
    """It controls the session: ^C ends what runs there and nothing else; after logging out comes the next login."""
    screen.expect(f"login on {screen.path} as vt220")
    screen.expect("prompt> ")
    screen.type("ps -o tty=,tpgid=,sid= -p $$ | tr -s ' '; echo $$; tty </dev/tty\n")
    screen.expect("/dev/tty\r\n")
    screen.type("sleep 1000 && echo slept\n")
    screen.expect("sleep 1000 && echo slept\r\n")
    wait_until(lambda: machine.call("status", "getty@ttyS7").returncode == 0)
    screen.type("\x03")
    screen.expect("prompt> ")
    screen.type("echo status $?\n")
    screen.expect("status 130\r\n")
    restarts = [state for _, state in machine.states("getty@ttyS7") if state == "backoff"]
    assert restarts == []
    screen.type("exit\n")
    screen.expect("login on ")
    screen.expect("prompt> ")


def test_nothing_of_a_session_is_left(machine: Init, screen: Screen) -> None:
    """What was left in the background hangs up with the terminal, and the next one begins."""
    screen.expect("prompt> ")
    screen.type("sleep 1000 & echo pid $!;\n")
    screen.expect("prompt> ")
    screen.type("exit\n")
    screen.expect("login on ")
    screen.expect("prompt> ")
    screen.type("jobs; pgrep -x sleep || echo none\n")
    screen.expect("none\r\n")


def test_a_stop_hangs_up(machine: Init, screen: Screen) -> None:
    """A shell that ignores SIGTERM ends at once, by SIGHUP; nothing has to be killed."""
    screen.expect("prompt> ")
    done = machine.call("stop", "getty@ttyS7")
    assert done.returncode == 0, done.stderr
    assert [r for r in machine.records if "SIGKILL" in str(r)] == []


def test_a_terminal_that_goes_away(machine: Init, screen: Screen) -> None:
    """Its session ends by the hang-up, and without the device nothing is started over and over."""
    screen.expect("prompt> ")
    assert termios.tcgetattr(screen.keyboard)
    os.close(screen.keyboard)
    screen.keyboard = -1
    wait_until(lambda: machine.states("getty@ttyS7")[-1][1] == "inactive")
