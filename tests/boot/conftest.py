"""Where a test fails, its report has what the machines that are switched on wrote; and who runs which tests.

The tests of a module share a boot. `pytest -n 2 tests/boot` gives a module to one process as a whole: else the second
one would wait for the first one's boot in the place of making another. (In a run of all tests pytest reads this file
too late for that; there the other tests are what the second one does meanwhile.)
"""

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a module together, unless the command line says how."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log) if config.getoption("dist") == "load" else None
