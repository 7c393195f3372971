"""`asyncinit dev` as an ordinary user, as nearly everybody runs it: no right is needed, and nothing is left."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from pathlib import Path

import pytest

from tests.developing import Folder, three
from tests.namespace.ordinary import UID, as_ordinary_user
from tests.support import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user all tests of `dev` are this test")


@pytest.mark.parametrize("killed", [(), (2,), *itertools.combinations(range(3), 2)], ids=str)
def test_nothing_is_left_of_an_ordinary_user(killed: tuple[int, ...]) -> None:
    """It ends in order, and whichever of asyncinit and its guardians are killed, a forked daemon ends as well."""
    with tempfile.TemporaryDirectory() as name:  # not below pytest's own folder, which is root's alone
        folder = Path(name)
        user = as_ordinary_user(folder)
        project = Folder(folder, {"Procfile": "web: (setsid sleep 1001 &); echo is up; exec sleep 1000\n"})
        project.environment |= user["environment"]
        program = (user["python"], "-m", "asyncinit", "dev")
        with project.dev(prefix=user["prefix"], program=program) as run:
            run.out.expect("is up")
            wait_until(lambda: project.programs("sleep", "1001"))
            assert {os.stat(f"/proc/{pid}").st_uid for pid in project.programs("sleep")} == {UID}
            pids = three(run)
            for number in killed:
                os.kill(pids[number], signal.SIGKILL)
            if not killed:
                run.signal(signal.SIGINT)
            project.nothing_left()
