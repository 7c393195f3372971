"""Text that others wrote, and patterns for lines of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncinit.runtime.ready.log_pattern import LogPattern
from asyncinit.runtime.ready.plain_text import obstacle_of, one_line, strip_escapes


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        (b"plain", b"plain"),
        (b"\x1b[1;32mready\x1b[0m", b"ready"),
        (b"\x1b[38;2;1;2;3mx", b"x"),
        (b"\x1b]0;title\x07text", b"text"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", b"link"),
        (b"\x1b(Bx\x1b=y", b"xy"),
        (b"a\x1b", b"a"),
        (b"a\x1b[", b"a"),
        (b"a\x1b[3", b"a"),
        (b"a\x1b]never ended", b"a"),
        (b"\x1b]a\x1b[31mb", b"b"),
        (b"\x1b\x1b[31mx", b"[31mx"),
    ],
)
def test_escape_sequences_are_taken_out(line, plain):
    """Sequences go, whole or cut off, and the text stays."""
    assert strip_escapes(line) == plain


@given(st.lists(st.sampled_from([b"\x1b", b"[", b"]", b"m", b"\x07", b"\\", b"(", b" ", b"1", b"\xff"]), max_size=40))
def test_stripping_never_fails_and_leaves_no_escape_behind(parts):
    """Whatever the bytes are, what is left is a part of them, without an escape character that starts a sequence."""
    line = b"".join(parts)
    plain = strip_escapes(line)
    assert b"\x1b" not in plain
    assert len(plain) <= len(line)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300)), st.integers(4, 50))
def test_one_line_is_one_printable_line(data, limit):
    """Any bytes and any text become at most so many printable characters."""
    text = one_line(data, limit)
    assert len(text) <= limit
    assert text.isprintable()


def test_an_obstacle_is_told_without_its_file():
    """An error's text is its reason alone, in lower case."""
    assert obstacle_of(FileNotFoundError(2, "No such file", "/x")) == "no such file or directory"
    assert obstacle_of(ValueError("embedded null byte")) == "embedded null byte"
    assert obstacle_of(TimeoutError()) == "TimeoutError"


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        ("listening on *", b"12:00 listening on 0.0.0.0:80\n", True),
        ("listening on *", b"listening on", False),
        ("listening on*", b"listening on", True),
        ("ready", b"not ready yet", True),
        ("ready", b"READY", False),
        ("a*b*c", b"xxaxxbxxcxx", True),
        ("a*b*c", b"cba", False),
        ("*", b"", True),
        ("", b"", True),
        ("a*a", b"a", False),
        ("up (*)", b"\x1b[32mup\x1b[0m (5 s)", True),
        ("a.b", b"axb", False),
        ("grün *", "ist grün jetzt".encode(), True),
    ],
)
def test_a_pattern_is_a_part_of_a_line(pattern, line, matches):
    """The asterisk stands for any text, everything else for itself, colours are not seen."""
    assert LogPattern(pattern).matches(line) is matches
    assert LogPattern(pattern).found_in(b"first\n" + line.rstrip(b"\n") + b"\nlast\n") is matches


def test_a_pattern_does_not_span_lines():
    """What one line begins another one does not complete."""
    assert not LogPattern("a*b").found_in(b"a\nb\n")


@given(st.text("ab*.", max_size=8), st.lists(st.sampled_from(b"ab.\x80"), max_size=30).map(bytes))
def test_patterns_match_as_the_regular_expression_would(pattern, line):
    """The matcher agrees with the expression in which each asterisk is `.*`."""
    expression = b".*".join(re.escape(piece) for piece in pattern.encode().split(b"*"))
    assert LogPattern(pattern).matches(line) is (re.search(expression, line, re.DOTALL) is not None)


def test_a_hostile_line_costs_its_length():
    """Many asterisks on a line that nearly matches end soon (a backtracking matcher would not)."""
    assert not LogPattern("a*" * 50 + "b").matches(b"a" * 16384)
