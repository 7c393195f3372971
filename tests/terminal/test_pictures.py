"""The pictures of the documentation: there, current, and fit to be shown anywhere."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.terminal.pictures import FOLDER, PICTURES, same, text_of
from tests.terminal.terminal import masked


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_what_its_program_shows(name: str) -> None:
    """Made anew, a picture shows the same; `python -m tests.terminal.pictures` makes it."""
    kept, made = (FOLDER / f"{name}.svg").read_text(), PICTURES[name]()
    assert masked(text_of(kept)) == masked(text_of(made))
    assert same(kept, made), "its colours differ"


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_needs_nothing_else(name: str) -> None:
    """It is an SVG on its own: nothing in it is fetched, no other host is named."""
    text = (FOLDER / f"{name}.svg").read_text()
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    named = set(re.findall(r"https?://[^\s\"<&]+", text)) - {"http://www.w3.org/2000/svg"}
    assert named <= {"http://127.0.0.1:5000/"}
    assert "@import" not in text and "@font-face" not in text
