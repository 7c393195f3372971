"""Fixtures that all tiers share."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator

import hypothesis
import pytest

from tests.scheduling import pytest_xdist_make_scheduler  # noqa: F401 (a hook of pytest)
from tests.tiers import (  # noqa: F401 (hooks of pytest)
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_runtest_makereport,
    pytest_unconfigure,
)

try:
    import uvloop
except ImportError:  # the program works without it, and so do its tests
    uvloop = None

# No test fails because an example took long: the machine may be busy with something else.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

LOOPS = ["asyncio"] + (["uvloop"] if uvloop else [])


def pytest_collection_finish() -> None:
    """No module blocks signals when it is imported: all programs that are started then would inherit that."""
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.fixture(autouse=True)
def _mask() -> Iterator[None]:
    """Each test leaves the signals blocked that were."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    assert signal.pthread_sigmask(signal.SIG_SETMASK, before) == before


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """A fresh event loop of each kind, closed afterwards."""
    new = asyncio.new_event_loop() if request.param == "asyncio" else uvloop.new_event_loop()
    try:
        yield new
    finally:
        new.close()


@pytest.fixture
def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
