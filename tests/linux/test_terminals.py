"""The other half of services' pseudo-terminals: what is typed, what was written last, and their size; on both loops."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Iterator

import msgspec
import pytest

from asyncinit.core.engine import Engine
from asyncinit.linux.terminal import open_pty, set_window_size, window_size
from asyncinit.runtime.attaching import Attached
from asyncinit.runtime.control.operations import AttachedState
from asyncinit.runtime.output.terminals import INPUT_HELD, Terminals, TerminalState
from tests.linux.running import Running


class Recorder:
    """A follower that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def show(self, data: bytes) -> None:
        self.told.append(data)

    def opened(self) -> None:
        self.told.append("opened")

    def room(self) -> None:
        self.told.append("room")


class Pty(Running):
    """A terminal of the service "web", raw, with a follower."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.master, self.slave = open_pty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        os.set_blocking(self.slave, False)
        self.terminals = Terminals(loop)
        self.follower = Recorder()
        self.terminals.join("web", self.follower)
        self.terminals.opened("web", self.master)
        self._taken = bytearray()

    def reads(self, count: int) -> bytes:
        """Let the service read so many bytes, and return them."""

        def read() -> bool:
            try:
                self._taken += os.read(self.slave, 1 << 16)
            except BlockingIOError:
                pass
            return len(self._taken) >= count

        self.until(read)
        found, self._taken = bytes(self._taken), bytearray()
        return found


@pytest.fixture
def pty(loop: asyncio.AbstractEventLoop) -> Iterator[Pty]:
    """A terminal."""
    pty = Pty(loop)
    yield pty
    pty.terminals.ended(pty.master)
    os.close(pty.master)
    os.close(pty.slave)


def test_what_is_typed_goes_in_as_fast_as_it_is_read(pty: Pty) -> None:
    """Nothing is lost, nobody waits, and who types is told when there is room again."""
    data = bytes(range(256)) * 1024
    assert not pty.terminals.type("web", data)
    assert pty.reads(len(data)) == data
    assert pty.follower.told == ["opened", "room"]
    assert pty.terminals.type("web", b"more")


def test_what_nobody_reads_is_lost(pty: Pty) -> None:
    """A service without a terminal takes everything, and a terminal that ends gives room."""
    assert pty.terminals.type("other", b"x" * INPUT_HELD)
    assert not pty.terminals.type("web", b"x" * 3 * INPUT_HELD)
    pty.terminals.ended(pty.master)
    assert pty.follower.told == ["opened", "room"]
    assert pty.terminals.type("web", b"x")
    assert not pty.terminals.has("web")


def test_who_joins_is_shown_what_was_written_last(pty: Pty) -> None:
    """From the beginning of a line; colours, but nothing that moves the cursor or asks the terminal something."""
    pty.terminals.came(pty.master, b"x" * 5000 + b"\r\n")
    pty.terminals.came(pty.master, b"\x1b[2J\x1b[31mred\x1b[m\r\n\x1b[6n(Pdb) ")
    assert pty.terminals.recent("web") == b"\x1b[31mred\x1b[m\x1b[0m\r\n(Pdb) "
    assert pty.terminals.recent("other") == b""


def test_only_the_newest_terminal_is_shown(pty: Pty) -> None:
    """What still comes from the run before is for the log alone."""
    master, slave = open_pty()
    pty.terminals.opened("web", master)
    pty.terminals.came(pty.master, b"old")
    pty.terminals.came(master, b"new")
    pty.terminals.ended(pty.master)
    assert pty.follower.told == ["opened", "opened", b"new", "room"]
    assert pty.terminals.has("web")
    pty.terminals.leave("web", pty.follower)
    pty.terminals.came(master, b"nobody")
    assert pty.follower.told[-1] == "room"
    pty.terminals.ended(master)
    os.close(master)
    os.close(slave)


def test_the_size_is_that_of_the_last_who_said(pty: Pty) -> None:
    """One that is the same already is told anyway, if it is to be drawn anew."""
    pty.terminals.resize("web", 30, 100)
    assert window_size(pty.slave) == (30, 100)
    pty.terminals.resize("web", 30, 100, redraw=True)
    assert window_size(pty.slave) == (30, 100)
    pty.terminals.resize("other", 1, 1)
    set_window_size(pty.slave, 24, 80)


def test_a_terminal_that_is_wanted(pty: Pty) -> None:
    """As long as one of those is there who want it, with the newest one's variables."""
    one, two = {"TERM": "a"}, {"TERM": "b"}
    pty.terminals.want("once", one)
    pty.terminals.want("once", two)
    assert pty.terminals.variables("once") == two
    pty.terminals.unwant("once", two)
    pty.terminals.unwant("once", two)
    assert (pty.terminals.is_wanted("once"), pty.terminals.variables("once")) == (True, one)
    pty.terminals.unwant("once", one)
    assert (pty.terminals.is_wanted("once"), pty.terminals.variables("once")) == (False, {})


def test_what_is_typed_before_it_has_been_started(pty: Pty) -> None:
    """Waits for that, over a re-exec too, when somebody has started it and is joined; after that it is lost."""

    class Nobody:
        def show(self, data: bytes) -> None: ...
        def tell(self, text: str) -> None: ...
        def room(self) -> None: ...
        def end(self, code: int, text: str) -> None: ...

    engine = Engine({}, lambda: 0.0, lambda _error: None)

    def joined(state: AttachedState) -> Attached:
        return Attached(engine, pty.terminals, lambda _follower: lambda: None, state, Nobody())

    pty.terminals.leave("web", pty.follower)
    pty.terminals.ended(pty.master)
    first = joined(AttachedState("web", 30, 100, {}))
    assert first.type(b"abc")
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(first.freeze()), type=AttachedState)
    first.leave()
    second = joined(state)
    assert second.type(b"def")
    pty.terminals.opened("web", pty.master)
    assert pty.reads(6) == b"abcdef"
    assert window_size(pty.slave) == (30, 100)
    pty.terminals.ended(pty.master)
    second.type(b"lost")
    pty.terminals.opened("web", pty.master)
    second.type(b"read")
    assert pty.reads(4) == b"read"


def test_they_are_carried_over_a_reexec(pty: Pty) -> None:
    """What was written last, and what was typed and not read."""
    data = bytes(range(256)) * 512
    pty.terminals.type("web", data)
    pty.terminals.came(pty.master, b"prompt> ")
    states = msgspec.msgpack.decode(msgspec.msgpack.encode(pty.terminals.freeze()), type=list[TerminalState])
    pty.loop.remove_writer(pty.master)
    pty.terminals = Terminals(pty.loop)
    pty.terminals.thaw(states)
    assert pty.terminals.recent("web") == b"prompt> "
    assert pty.reads(len(data)) == data
