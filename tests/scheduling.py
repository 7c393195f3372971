"""Which of pytest's processes runs which tests (`-n 2`); knows no test.

Those of a module of `tests/boot` share a virtual machine: a second process would wait for the first one's in the place
of booting another. Those of `tests/unit` are quick, and go by the module. The others take long, and go one by one.
"""

from __future__ import annotations

from typing import Any

import pytest

_BY_MODULE = ("tests/boot/", "tests/unit/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return the scheduler, unless the command line says how."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.split("::", 1)[0] if nodeid.startswith(_BY_MODULE) else nodeid

    return Scheduling(config, log) if config.getoption("dist") == "load" else None
