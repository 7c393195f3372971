"""A day of a person with a project in a fresh folder: `dev` in one terminal; `attach` and `top` in another."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import wait_until
from tests.terminal import project
from tests.terminal.pictures import wait_for_the_worker_again
from tests.terminal.terminal import Server


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is always as long: it stands on screens, and where lines are wrapped depends on it."""
    with tempfile.TemporaryDirectory(prefix="", dir="/tmp") as place:
        yield Path(place)


def test_a_day(folder: Path) -> None:
    """Start, break, edit, join a console, look at all, restart, and stop, with nothing left."""
    project.write_shop(folder)
    with Server(folder) as server:
        dev = server.window()
        dev.run("clear; asyncinit dev")
        dev.wait("mail      * failed")
        dev.compare("dev")

        (folder / "web" / "shop.html").write_text("all books for half\n")
        dev.wait("page: all books for half")
        wait_for_the_worker_again(dev)
        dev.compare("dev-changed")

        other = server.window()
        other.run("clear; asyncinit start console && asyncinit attach console")
        other.wait("console  ready", "\n>>>")
        other.type("6 * 7")
        other.press("Enter")
        other.wait("\n42\n>>>")
        other.type("import sys; print(sys.stdin.isatty())")
        other.press("Enter")
        other.wait("True\n>>>")
        other.compare("attach")
        other.press("C-p", "C-q")
        other.wait(">>>", "\n$")
        other.compare("attach-left")

        other.run("clear; asyncinit top")
        other.wait("sorted by name", "log of console", "%")
        other.press("Down", "Down", "Down")
        other.wait("log of web", "all books for half", "%")
        other.compare("top-of-dev")
        other.press("r")
        other.wait("Restart web? That takes 1 other service down first: worker.")
        other.press("y")
        other.wait("web: ready")
        other.press("d")
        other.wait("details of web", "should web fail")
        other.press("q")
        other.wait_for(lambda screen: screen.strip() == "$")

        dev.press("C-c")
        dev.wait("asyncinit * down", "failed: mail (exited with 3)", "\n$")
        assert wait_until(lambda: not server.processes())


def test_a_procfile(tmp_path: Path) -> None:
    """A Procfile with .env runs as it is: ports as foreman gives them, and the rest goes on when one ends."""
    (tmp_path / "Procfile").write_text(
        "web: sh -c 'echo web for $SHOP on $PORT; exec sleep 100000'\n"
        "worker: sh -c 'echo worker on $PORT; exec sleep 100000'\n"
        "once: sh -c 'echo done'\n"
    )
    (tmp_path / ".env").write_text("SHOP=books\n")
    with Server(tmp_path) as server:
        dev = server.window()
        dev.run("clear; asyncinit dev")
        dev.wait("web for books on 5000", "worker on 5100", "done")
        dev.press("C-c")
        dev.wait("asyncinit * down")
        assert wait_until(lambda: not server.processes())
        dev.run("clear; asyncinit dev web")
        dev.wait("web for books on 5000", gone="worker on")
        other = server.window()
        other.run("asyncinit status")
        other.wait("web ", "ready")
        dev.press("C-c")
        dev.wait("asyncinit * down")


def test_the_terminal_hangs_up(tmp_path: Path) -> None:
    """When the terminal is closed, everything that dev has started ends."""
    project.write_shop(tmp_path)
    with Server(tmp_path) as server:
        keeper = server.window()
        dev = server.window()
        dev.run("asyncinit dev")
        dev.wait("mail      * failed")
        assert any("sleep 100000" in command for command in server.processes())
        dev.close()
        assert wait_until(lambda: not server.processes())
        keeper.wait("$")
