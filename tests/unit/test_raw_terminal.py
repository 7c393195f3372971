"""What a person types to leave a joined terminal, and what is switched off in it afterwards."""

from __future__ import annotations

import pytest

from asyncinit.cli.outcome import UsageError
from asyncinit.cli.raw_terminal import DETACH_KEYS, Keys, Switches, keys_of
from asyncinit.control.attached import LONGEST, BrokenFrameError, Frames, frame, size, size_of


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (DETACH_KEYS, b"\x10\x11"),
        ("ctrl-a,d", b"\x01d"),
        ("Ctrl-A, D", b"\x01D"),
        ("ctrl-],ctrl-^,ctrl-_,ctrl-@", b"\x1d\x1e\x1f\x00"),
        ("~", b"~"),
        ("none", b""),
    ],
)
def test_keys_by_name(text: str, keys: bytes) -> None:
    """As Docker writes them."""
    assert keys_of(text) == keys


@pytest.mark.parametrize("text", ["", "a,,b", "ctrl-", "ctrl-ab", "strg-a", "ab", "ä", "\n"])
def test_what_is_no_key(text: str) -> None:
    """Is told as a mistake of the command line."""
    with pytest.raises(UsageError, match="is no key"):
        keys_of(text)


@pytest.mark.parametrize("cut", range(1, 9))
@pytest.mark.parametrize(
    ("typed", "through", "left"),
    [
        (b"abc", b"abc", False),
        (b"a\x10\x11b", b"a", True),
        (b"\x10a\x11", b"\x10a\x11", False),
        (b"\x10\x10\x11", b"\x10", True),
        (b"\x11\x10\x11", b"\x11", True),
        (b"ab\x10", b"ab", False),
    ],
)
def test_keys_are_found_however_they_come(typed: bytes, through: bytes, left: bool, cut: int) -> None:
    """All else goes through, in its order; the first of the keys once it is known that the others do not follow."""
    keys, out, found = Keys(b"\x10\x11"), b"", False
    for start in range(0, len(typed), cut):
        part, found = keys.typed(typed[start : start + cut])
        out += part
        if found:
            break
    assert (out, found) == (through, left)


def test_a_key_of_its_own_and_none() -> None:
    """One key leaves at once, and without keys everything goes through."""
    assert Keys(b"~").typed(b"ab~c") == (b"ab", True)
    assert Keys(b"").typed(b"\x10\x11") == (b"\x10\x11", False)


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_what_was_switched_on_is_switched_off(cut: int) -> None:
    """In the opposite order; what the service has switched off itself is left alone, and colours end in any case."""
    output = b"text\x1b[?1049h\x1b[?1;25l\x1b[?1;2004h\x1b[1;31mred\x1b[?1000h\x1b[?1000l\x1b[?7h"
    switches = Switches()
    for start in range(0, len(output), cut):
        switches.shown(output[start : start + cut])
    assert switches.off() == b"\x1b[?2004l\x1b[?1l\x1b[?25h\x1b[?1049l\x1b[m"
    assert Switches().off() == b"\x1b[m"


@pytest.mark.parametrize("cut", [1, 2, 7, 100])
def test_frames_however_they_are_cut(cut: int) -> None:
    """What is sent is what comes out, and what is unread goes on elsewhere."""
    sent = [(b"I", b"abc"), (b"W", size(24, 80)), (b"I", b""), (b"O", bytes(range(256)))]
    stream = b"".join(frame(*one) for one in sent)
    frames, found = Frames(), []
    for start in range(0, len(stream), cut):
        found += frames.feed(stream[start : start + cut])
        frames = Frames(frames.unread)
    assert found == sent


def test_what_is_no_frame() -> None:
    """A length that nobody sends, and sizes that no terminal has."""
    with pytest.raises(BrokenFrameError):
        Frames().feed(b"I" + (LONGEST + 1).to_bytes(4, "little"))
    assert size_of(size(1, 65535)) == (1, 65535)
    for body in (b"", b"24", b"24 80 1", b"0 80", b"-1 80", b"24 65536", b"a b"):
        with pytest.raises(BrokenFrameError):
            size_of(body)
