"""What tests share: waiting for a condition, and the interpreters and folders that they use."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PYTHON = sys.executable
ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "tests" / "programs"


def wait_until(condition: Callable[[], T], timeout: float = 20.0) -> T:
    """Poll until `condition` gives something true, and return that; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {condition}")
        time.sleep(0.005)  # the poll interval of this helper


def package(folder: Path) -> Path:
    """Return a copy of the package in a folder for PYTHONPATH, to be changed."""
    shutil.copytree(ROOT / "asyncinit", folder / "asyncinit", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "asyncinit"


def descendants(pid: int) -> list[int]:
    """Return all processes below `pid`, as far as they are still there."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except OSError:
        return []
    return found + [below for child in found for below in descendants(child)]
