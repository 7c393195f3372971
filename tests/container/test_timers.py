"""examples/cron: a container that does its work by the clock."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.container.conftest import RunContainer
from tests.container.engine import Container, docker
from tests.support import wait_until


@pytest.fixture
def volume() -> Iterator[str]:
    """A volume's name; the volume goes with the test."""
    name = f"asyncinit-test-{uuid.uuid4().hex}"
    yield name
    docker("volume", "rm", "--force", name, check=False)


def results(container: Container) -> dict[str, str | None]:
    """What came of each timer's last run."""
    done = container.exec("asyncinit", "timers", "--json")
    return {one["name"]: one["result"] for one in json.loads(done.stdout)["timers"]}


def test_a_container_that_works_by_the_clock(clockwork: str, run: RunContainer, volume: str) -> None:
    """It polls at once, knows Berlin's time, is ready without running anything, and makes up for a night it missed."""
    options = ("--volume", f"{volume}:/data")
    container = run(clockwork, options=options)
    container.wait_ready()
    wait_until(lambda: results(container)["poll"] == "completed")
    assert "poll | disk" in container.logs()
    assert "Europe/Berlin" in container.exec("asyncinit", "timers", "backup").stdout
    container.exec("asyncinit", "status", "--ready")
    container.exec(
        "sh", "-c", "mkdir -p /data/state/asyncinit/timers && echo 1000000000 >/data/state/asyncinit/timers/backup"
    )
    docker("stop", "--time", "30", container.id)
    assert container.state()["ExitCode"] == 0, container.logs()

    again = run(clockwork, options=options)
    wait_until(lambda: "a run was missed" in again.logs())
    # Its random delay is minutes: it is known when, and a start by hand need not wait.
    assert results(again)["backup"] is None
    again.exec("asyncinit", "start", "backup")
    assert "wrote /data/backups/notes-" in again.logs()
    assert "clock.txt" in again.exec("sh", "-c", "tar -tzf /data/backups/*.gz").stdout
    docker("stop", "--time", "30", again.id)
    assert again.state()["ExitCode"] == 0, again.logs()
