"""Skipping a tier, and refusing to skip one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.mark.parametrize(("required", "expected"), [("", 0), ("linux", 0), ("namespace,container", 1)])
def test_a_skip_in_a_required_tier_is_a_failure(tmp_path: Path, required: str, expected: int) -> None:
    """A test that skips passes the run, unless ASYNCINIT_REQUIRE names its tier."""
    (tmp_path / "conftest.py").write_text(
        "from tests.tiers import pytest_collection_modifyitems, pytest_runtest_makereport  # noqa: F401\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.namespace\ndef test_it():\n    pytest.skip('not today')\n"
    )
    environment = {**os.environ, "ASYNCINIT_REQUIRE": required, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "markers=namespace", "-q", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == expected, done.stdout
    assert "not today" in done.stdout or not expected
