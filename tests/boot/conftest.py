"""Where a test fails, its report has what the machines that are switched on wrote."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from tests.boot import guest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Show the serial consoles."""
    report = yield
    if report.failed:
        report.sections += [(f"serial console of {name}", one.excerpt()) for name, one in guest.running.items()]
    return report
