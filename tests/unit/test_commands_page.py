"""The reference page of the commands is what the commands say."""

from __future__ import annotations

from asyncinit.cli.reference import PAGE, current
from tests.support import ROOT


def test_the_page_is_current() -> None:
    """Made anew, the page does not change; `python -m asyncinit.cli.reference` makes it."""
    page = (ROOT / PAGE).read_text()
    assert current(page) == page
