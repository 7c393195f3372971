"""The manual pages, read by the programs that show them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from asyncinit.reference.manuals import MANUALS
from tests.support import ROOT


@pytest.mark.parametrize("page", MANUALS)
def test_the_formatter_has_no_warning(page: str) -> None:
    """groff reads a page without a word."""
    if shutil.which("groff") is None:
        pytest.skip("there is no groff")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", page], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("page", MANUALS)
def test_man_shows_it(page: str) -> None:
    """man(1) shows each section, and has no warning."""
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("there is no man, or no groff")
    done = subprocess.run(
        ["man", "--warnings", "-l", page],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    if "command has been removed" in done.stdout:
        pytest.skip("man is a placeholder here, as in minimal images")
    assert done.stderr == ""
    for section in MANUALS[page].sections:
        assert section.title.upper() in done.stdout.splitlines()
