"""What may reach a terminal: text and colours that end with their line, nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.runtime.output.escapes import safe_for_terminal

SPECIAL = [
    b"\x1b[31m",
    b"\x1b[2J",
    b"\x1b]0;t\x07",
    b"\x1b",
    b"\x1b[",
    b"\x1bP",
    b"\x1b\\",
    b"\n",
    b"\r",
    b"\xc2",
    b"\x9b",
]
NOISE = st.lists(st.one_of(st.binary(max_size=6), st.sampled_from(SPECIAL))).map(b"".join)
COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")


@given(NOISE, st.booleans())
def test_nothing_but_text_and_colours(data: bytes, colour: bool) -> None:
    """No control character, 7-bit or 8-bit, survives but newline, tab and (with colour) whole colour sequences."""
    safe = safe_for_terminal(data, colour)
    assert safe.count(b"\n") == data.count(b"\n")
    for line in safe.split(b"\n"):
        if COLOUR.search(line):
            assert colour
            assert line.endswith(b"\x1b[0m")
        bare = COLOUR.sub(b"", line)
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]|\xc2[\x80-\x9f]", bare)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain \xc3\xa9 \xff\ttab", b"plain \xc3\xa9 \xff\ttab"),
        (b"\x1b[1;31mred\x1b[0m", b"\x1b[1;31mred\x1b[0m\x1b[0m"),
        (b"\x1b[38:2::1:2:3mtrue\n", b"\x1b[38:2::1:2:3mtrue\x1b[0m\n"),
        (b"a\x1b[2Jb\x1b[10;10Hc\x1b[6nd\x1b[?25le", b"abcde"),
        (b"\x1b]0;title\x07t \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1bPq\x1b\\x", b"t link x"),
        (b"\x1b(0q\x1bcr\x1b7", b"qr"),
        (b"bell\x07 nul\0 back\x08 del\x7f", b"bell^G nul^@ back^H del^?"),
        (b"\xc2\xa9 \xc2\x9b31m", b"\xc2\xa9 31m"),
        (b"\xc2\x1b7\x9b31m \xc2", b"\xef\xbf\xbd\x9b31m \xef\xbf\xbd"),
        (b"10%\r20%\r100%\r\n", b"100%\n"),
        (b"\x1b[>4;2mx", b"x"),
        (b"end\x1b[31", b"end31"),
        (b"end\x1b", b"end"),
    ],
)
def test_examples(data: bytes, shown: bytes) -> None:
    """Colours pass and are reset; cursor, title, links, queries are taken out; other controls are seen."""
    assert safe_for_terminal(data, True) == shown
