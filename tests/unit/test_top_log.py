"""The log in `top`: kept, filtered, searched, scrolled, wrapped; without a screen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from asyncinit.tui.lines import KEPT, LONGEST, Lines, harmless, places
from asyncinit.tui.viewport import Viewport


def entry(message: str, cursor: int = 1, stream: str = "stdout") -> dict[str, Any]:
    return {
        "time": "2026-11-23T17:13:50.123Z",
        "service": "web",
        "stream": stream,
        "message": message,
        "cursor": cursor,
    }


def log(*messages: str) -> Lines:
    lines = Lines()
    lines.add([entry(message, number) for number, message in enumerate(messages)])
    return lines


def view(lines: Lines, width: int = 20, height: int = 4) -> Viewport:
    viewport = Viewport(lines)
    viewport.resize(width, height)
    return viewport


def texts(viewport: Viewport) -> list[str]:
    return [row.text for row in viewport.rows()]


class TestLines:
    def test_the_newest_are_kept(self) -> None:
        """A flood is kept within bounds: the oldest lines go."""
        lines = Lines()
        for start in range(0, 3 * KEPT, 250):
            lines.add([entry(f"line {number}") for number in range(start, start + 250)])
        assert KEPT <= len(lines.all) <= KEPT + KEPT // 5
        assert lines.all[-1].text == f"line {3 * KEPT - 1}"

    def test_filtered(self) -> None:
        """Only lines with some text are shown, those that come later too; without it all are there again."""
        lines = log("get one", "put two")
        lines.set_filter("GET")
        assert [line.text for line in lines.shown] == []
        lines.set_filter("get")
        lines.add([entry("GET three"), entry("put four")])
        assert [line.text for line in lines.shown] == ["get one", "GET three"]
        lines.set_filter("")
        assert len(lines.shown) == 4

    def test_filtered_lines_are_forgotten_with_all(self) -> None:
        """What is not kept any more is not shown either."""
        lines = Lines()
        lines.set_filter("line")
        for start in range(0, 2 * KEPT, 500):
            lines.add([entry(f"line {number}") for number in range(start, start + 500)])
        assert [line.number for line in lines.shown] == [line.number for line in lines.all]

    def test_lost_lines_are_told(self) -> None:
        """Where lines were lost, a line says how many."""
        lines = log("one")
        lines.add([entry("two")], dropped=7)
        assert [line.sign for line in lines.all] == [" ", "*", " "]
        assert "7 lines were lost" in lines.all[1].text

    def test_who_wrote_it_is_a_sign(self) -> None:
        """Errors and asyncinit's own words are told by a sign, not by colour alone."""
        lines = Lines()
        lines.add([entry("out"), entry("err", stream="stderr"), entry("ready", stream="event")])
        assert [line.sign for line in lines.all] == [" ", "!", "*"]

    def test_found_both_ways(self) -> None:
        """A search goes to the next line, or to the one before, never to where it stands."""
        lines = log("a error", "b", "c error", "d error")
        first, _, third, fourth = (line.number for line in lines.all)
        assert lines.find("error", first, 1) == third
        assert lines.find("error", third, -1) == first
        assert lines.find("error", fourth, 1) is None
        assert lines.find("error", first, -1) is None
        assert lines.find("error", fourth + 1, -1) == fourth

    @pytest.mark.parametrize(
        ("written", "shown"),
        [
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b[2J\x1b[Hcleared", "cleared"),
            ("\x1b]0;title\x07after", "after"),
            ("\x1b]52;c;aGk=\x1b\\after", "after"),
            ("\x9b31mred", "red"),
            ("a\tb", "a       b"),
            ("1%\r50%\r100%", "100%"),
            ("done\r\n", "done"),
            ("bell\x07nul\x00", "bell nul "),
            ("\u202ertl", " rtl"),
            ("\x1b", ""),
        ],
    )
    def test_nothing_is_obeyed(self, written: str, shown: str) -> None:
        """Escape sequences are taken out, and other control characters are blanks."""
        assert harmless(written) == shown

    @given(st.text())
    def test_every_text_becomes_harmless(self, text: str) -> None:
        """Whatever is written, what is shown is printable and on one line."""
        assert harmless(text).isprintable()

    def test_endless_lines_are_cut(self) -> None:
        """A line of a megabyte costs no more than a long one."""
        assert len(harmless("x" * 1_000_000)) == LONGEST + 1

    def test_small_letters_find_capitals(self) -> None:
        """Capitals find themselves alone."""
        assert places("Error error", "error") == [0, 6]
        assert places("Error error", "Error") == [0]
        assert places("anything", "") == []


class TestViewport:
    def test_follows(self) -> None:
        """At first the newest lines are shown, also when others come."""
        lines = log(*"abcdef")
        viewport = view(lines)
        assert texts(viewport) == ["c", "d", "e", "f"]
        lines.add([entry("g")])
        assert texts(viewport) == ["d", "e", "f", "g"]

    def test_held(self) -> None:
        """Scrolled up, nothing moves what is read; at the end it follows again."""
        lines = log(*"abcdef")
        viewport = view(lines)
        viewport.scroll(-1)
        lines.add([entry("g")])
        assert texts(viewport) == ["b", "c", "d", "e"]
        assert viewport.share == "held at 71%"
        viewport.scroll(-100)
        assert texts(viewport) == ["a", "b", "c", "d"]
        viewport.scroll(1)
        assert texts(viewport) == ["b", "c", "d", "e"]
        viewport.scroll(100)
        assert viewport.following
        assert texts(viewport) == ["d", "e", "f", "g"]

    def test_what_is_read_is_forgotten(self) -> None:
        """Where the lines on the screen are not kept any more, the oldest that are there take their place."""
        lines = log("first")
        viewport = view(lines)
        viewport.to_start()
        for start in range(0, 2 * KEPT, 500):
            lines.add([entry(f"line {number}") for number in range(start, start + 500)])
        assert texts(viewport)[0] == lines.all[0].text

    def test_wrapped(self) -> None:
        """A long line takes several rows, and each can be at the top."""
        viewport = view(log("a", "x" * 50, "b"), width=20, height=3)
        assert texts(viewport) == ["x" * 20, "x" * 10, "b"]
        viewport.scroll(-1)
        assert texts(viewport) == ["x" * 20, "x" * 20, "x" * 10]
        viewport.scroll(-1)
        assert texts(viewport) == ["a", "x" * 20, "x" * 20]
        viewport.scroll(1)
        assert texts(viewport) == ["x" * 20, "x" * 20, "x" * 10]

    def test_cut_and_moved_sideways(self) -> None:
        """Cut, a line takes one row; its other part is reached sideways."""
        viewport = view(log("0123456789" * 4), width=20)
        viewport.toggle_wrap()
        assert texts(viewport) == ["01234567890123456789"]
        viewport.sideways(1)
        assert texts(viewport) == ["67890123456789012345"]
        viewport.sideways(-5)
        assert texts(viewport) == ["01234567890123456789"]

    def test_wide_characters_keep_their_cells(self) -> None:
        """No row takes more cells than the screen has, and no character is lost."""
        text = "日本語の文字列" * 9
        viewport = view(log(text), width=15, height=100)
        assert "".join(texts(viewport)) == text
        assert all(cell_len(row) <= 15 for row in texts(viewport))

    @given(st.text(), st.integers(2, 30))
    def test_every_text_has_room(self, text: str, width: int) -> None:
        """Whatever is written, the rows together are the text, and each has room."""
        viewport = view(log(text), width=width, height=10_000)
        assert "".join(texts(viewport)) == harmless(text)
        assert all(cell_len(row) <= width for row in texts(viewport))

    @given(st.lists(st.text("ab日", max_size=30), min_size=1, max_size=20), st.lists(st.integers(-9, 9), max_size=20))
    def test_scrolling_never_leaves_the_log(self, messages: list[str], steps: list[int]) -> None:
        """However it is scrolled, the screen is full where there are rows enough, and shows rows that follow."""
        viewport = view(log(*messages), width=7, height=5)
        everything = view(log(*messages), width=7, height=10_000)
        rows = texts(everything)
        for step in steps:
            viewport.scroll(step)
            shown = texts(viewport)
            assert len(shown) == min(5, len(rows))
            assert any(rows[start : start + len(shown)] == shown for start in range(len(rows)))

    def test_a_line_is_shown(self) -> None:
        """What was found is brought to the screen, and then it is held; where it is on the screen, nothing moves."""
        lines = log(*(f"line {number}" for number in range(100)))
        viewport = view(lines, height=9)
        viewport.show(lines.all[50].number)
        assert texts(viewport)[3] == "line 50"
        before = texts(viewport)
        viewport.show(lines.all[52].number)
        assert texts(viewport) == before
        assert not viewport.following

    def test_an_empty_log(self) -> None:
        """Nothing to show is no error."""
        viewport = view(Lines())
        viewport.scroll(-1)
        viewport.scroll(1)
        viewport.toggle_wrap()
        assert texts(viewport) == []
