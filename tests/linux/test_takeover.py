"""What a program that goes on after a re-exec has to have: all of asyncinit, and no library that nobody uses."""

from __future__ import annotations

import subprocess

import pytest

from tests.support import PYTHON

IMPORTED = """
import sys
class Missing:
    def find_spec(self, name, *_):
        if name == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from asyncinit.runtime.reexec import takeover
takeover._import_all()
"""


@pytest.mark.parametrize(
    ("missing", "goes_on"),
    [("nothing", True), ("asyncinotify", True), ("pathspec", True), ("asyncinit.runtime.initctl", False)],
)
def test_what_has_to_be_there(missing: str, goes_on: bool) -> None:
    """A module of asyncinit that is missing is half a package; a library for what nothing uses is not."""
    program = IMPORTED.format(missing=missing)
    done = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) is goes_on, done.stderr
