"""The state as bytes: what goes in comes out, and what is no state is refused."""

from __future__ import annotations

import fcntl
import math
import os
from typing import NamedTuple

import msgspec
import pytest

from asyncinit.config.spec import Command, LogLevel, ServiceSpec
from asyncinit.core.service import Phase, Service
from asyncinit.core.status import ExitStatus
from asyncinit.runtime.reexec.coding import StateError, decode, encode, load, store
from asyncinit.runtime.reexec.keep import Kept


class Pair(NamedTuple):
    number: int
    text: str


class Example(msgspec.Struct):
    deadline: float = 0.0
    line: bytes = b""
    text: str = ""
    numbers: dict[int, str] = {}
    pair: Pair | None = None
    level: LogLevel = LogLevel.INFO
    service: Service | None = None


class Newer(Example):
    more: list[int] = []


FULL = Example(
    math.inf,
    b"\xff\0\n",
    "text",
    {7: "seven"},
    Pair(1, "one"),
    LogLevel.DEBUG,
    Service(ServiceSpec("web", command=Command(("web",))), Phase.UP, last_exit=ExitStatus(0)),
)


@pytest.mark.parametrize(
    "text", ["plain", "caf\xe9 \u20ac", "not UTF-8: \udcff\udc80", "lone \ud800", "mixed \xff \udcff"]
)
def test_what_goes_in_comes_out(text: str) -> None:
    """Infinity, bytes, numbers as keys, enums, and text that stands for bytes that are no UTF-8."""
    state = msgspec.structs.replace(FULL, text=text, numbers={7: text}, pair=Pair(1, text))
    assert decode(encode(state), Example) == state


def test_one_version_apart() -> None:
    """What an older program did not write has its default; what a newer one adds is left out."""
    assert decode(encode(FULL), Newer).more == []
    newer = Newer(*msgspec.structs.astuple(FULL), more=[1])
    assert decode(encode(newer), Example) == FULL
    assert decode(encode(msgspec.structs.replace(newer, text="\udcff")), Example).deadline == math.inf


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"asyncinit state", b"asyncinit state x plain\n", b"asyncinit state 1\n"]
)
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(StateError, match="not the state"):
        decode(data, Example)


def test_another_format_is_refused() -> None:
    with pytest.raises(StateError, match="format 999"):
        decode(encode(FULL).replace(b" 1 ", b" 999 ", 1), Example)


def test_a_broken_state_is_refused() -> None:
    """A value of a type that this program does not expect is an error in words, never a wrong value."""
    with pytest.raises(StateError, match="cannot be read"):
        decode(encode(FULL)[:-1], Example)

    class Other(msgspec.Struct):
        deadline: str = ""

    with pytest.raises(StateError, match="deadline"):
        decode(encode(FULL), Other)


def test_stored_state_is_sealed() -> None:
    """Nobody who has the descriptor can change it, and what anybody can change is not taken for a state."""
    data = os.urandom(3 << 20)
    fd = store(data)
    try:
        assert not os.get_inheritable(fd)
        assert load(fd) == data
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)
    unsealed = os.memfd_create("other", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    reader, writer = os.pipe()
    try:
        with pytest.raises(StateError, match="not sealed"):
            load(unsealed)
        with pytest.raises(StateError, match="holds no state"):
            load(reader)
    finally:
        for one in (unsealed, reader, writer):
            os.close(one)


def test_descriptors_are_let_through_and_held_back() -> None:
    """Only what was named passes an exec, and nothing once it was called off."""
    reader, writer = os.pipe()
    keep = Kept()
    try:
        assert keep(reader) == reader
        assert keep(-1) == -1
        keep.let_through()
        assert not fcntl.fcntl(reader, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        assert fcntl.fcntl(writer, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        keep.hold_back()
        assert fcntl.fcntl(reader, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    finally:
        os.close(reader)
        os.close(writer)
