"""A person with `asyncinit top` in a terminal: looks, selects, filters, reads, searches, acts, leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncinit.client.connection import Connection
from tests.terminal import project
from tests.terminal.terminal import Server, Terminal


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A project whose services run in one terminal; others are the tests'."""
    project.write(tmp_path)
    with Server(tmp_path) as server:
        first = server.window()
        first.run("asyncinit run")
        first.wait("listening on port 8000")
        yield server
        first.press("C-c")
        first.wait("\n$", timeout=30)


def top(server: Server, term: str = "tmux-256color", command: str = "asyncinit top") -> Terminal:
    """A terminal with `top`, settled."""
    terminal = server.window(term=term)
    terminal.run(command)
    terminal.wait("sorted by name", "log of app", "%")
    return terminal


def test_a_session(server: Server) -> None:
    """Look, select, read, search, filter, see the graph and the reason, restart with what hangs on it, leave."""
    terminal = top(server)
    terminal.compare("top")
    terminal.press("End")
    terminal.wait("log of web", "listening on port 8000", "follow")
    terminal.compare("top-log")
    terminal.press("/")
    terminal.type("item/12")
    terminal.press("Enter")
    terminal.wait("line 12 of 43")
    terminal.compare("top-search")
    terminal.press("Escape")
    terminal.wait("log of web", gone="search item")
    terminal.press("&")
    terminal.type("warning")
    terminal.press("Enter")
    terminal.wait("lines with warning", gone="GET")
    terminal.press("Escape")
    terminal.wait("GET", gone="lines with")
    terminal.press("f")
    terminal.type("queue")
    terminal.press("Enter")
    terminal.wait("filter: queue (2)", gone="broken")
    terminal.press("Escape")
    terminal.wait("broken")
    terminal.press("Home", "Down")
    terminal.wait("log of broken", "settings.ini: no such file")
    terminal.compare("top-broken")
    terminal.press("d")
    terminal.wait("details of broken")
    terminal.compare("top-details")
    terminal.press("Down", "g")
    terminal.wait("graph of db", "requires")
    terminal.compare("top-graph")
    terminal.press("S")
    terminal.wait("That takes 2 other services down first: app, web.")
    terminal.compare("top-question")
    terminal.press("n")
    terminal.wait("graph of db", gone="That takes")
    terminal.press("r")
    terminal.wait("y yes")
    terminal.press("y")
    terminal.wait("db: ready", gone="y yes")
    terminal.press("?")
    terminal.wait("Keys of asyncinit top")
    terminal.compare("top-help")
    terminal.press("Escape")
    terminal.wait("graph of db", gone="Keys of")
    terminal.press("q")
    terminal.wait("$ asyncinit top\n$")


def test_a_live_reexec_goes_unnoticed(server: Server) -> None:
    """When asyncinit is replaced under it, top goes on with the new one on the connections that it has."""
    terminal = top(server)
    other = server.window()
    other.run("asyncinit reexec && asyncinit stop queue@1")
    other.wait("was started anew", "queue@1  inactive")
    screen = terminal.wait("- inactive", "log of app")
    assert "connected again" not in screen and "no connection" not in screen


@pytest.mark.parametrize("end", ["q", "C-c"])
def test_the_terminal_is_as_it_was(server: Server, end: str) -> None:
    """Left by q or ctrl-C, the terminal echoes, shows its cursor and what stood on it before."""
    terminal = server.window()
    terminal.run("stty -g > before; echo before")
    terminal.wait("\nbefore")
    terminal.run("asyncinit top")
    terminal.wait("log of app")
    terminal.press(end)
    terminal.wait("$ asyncinit top\n$")
    terminal.run("stty -g > after; cmp before after && echo the same")
    terminal.wait("\nthe same")


def test_a_small_terminal(server: Server) -> None:
    """Resized to 40x12 and back, everything that matters is there each time."""
    terminal = top(server)
    terminal.resize(40, 12)
    terminal.compare("top-small")
    terminal.press("z")
    terminal.wait(">> log of app", gone="NAME")
    terminal.press("z", "z")
    terminal.resize(80, 24)
    terminal.compare("top")


@pytest.mark.parametrize(
    ("term", "command"), [("vt100", "asyncinit top"), ("tmux-256color", "NO_COLOR=1 asyncinit top")]
)
def test_no_colours(server: Server, term: str, command: str) -> None:
    """Where there are no colours none are sent, and the same is told."""
    terminal = top(server, term, command)
    terminal.press("Down")
    terminal.wait("log of broken", "! failed")
    coloured = terminal.screen(colours=True)
    assert "\x1b[31m" not in coloured and "\x1b[32m" not in coloured and "\x1b[33m" not in coloured
    assert "\x1b[7m" in coloured or ";7m" in coloured  # what is selected is in reverse


@pytest.mark.namespace
def test_asyncinit_is_killed_under_it(tmp_path: Path) -> None:
    """When asyncinit is killed, top says so; when another one runs, it goes on by itself."""
    project.write(tmp_path)
    with Server(tmp_path) as server:
        first = server.window()
        first.run("asyncinit run --unshare")  # so that its services go with it
        first.wait("listening on port 8000")
        terminal = top(server)
        with Connection(str(tmp_path / ".asyncinit.sock")) as connection:
            os.kill(connection.server_pid, signal.SIGKILL)
        terminal.wait("no connection, trying again", "broken")
        first.wait("Killed")
        first.run("clear; asyncinit run --unshare")
        terminal.wait("sorted by name", gone="no connection")
        first.press("C-c")
        terminal.wait("asyncinit has ended")


@pytest.mark.parametrize("command", ["TERM=dumb asyncinit top", "asyncinit top | cat", "asyncinit top < /dev/null"])
def test_no_terminal(tmp_path: Path, command: str) -> None:
    """Where there is no terminal, or none that can be drawn on, one sentence says so; the exit status is 2."""
    with Server(tmp_path) as server:
        terminal = server.window()
        terminal.run(f"({command}); echo $?")
        terminal.wait("top needs a terminal")
        if "|" not in command:
            terminal.wait("\n2\n")
