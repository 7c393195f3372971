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


def test_what_may_not_be_looked_into_is_not_told_as_missing() -> None:
    """Somebody else's folder that is closed to us: the reason is the permission, and not that there is no project."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        user = as_ordinary_user(folder)
        closed = folder / "closed"
        closed.mkdir()
        (closed / "Procfile").write_text("web: sleep 1000\n")
        project = Folder(folder, {})
        project.environment |= user["environment"]
        os.chmod(closed, 0o700)
        program = (user["python"], "-m", "asyncinit", "dev")
        enter = ("sh", "-c", 'cd closed && exec "$@"', "sh")  # as root: who stood in it when it was closed
        with project.dev(prefix=(*enter, *user["prefix"]), program=program) as run:
            said = run.out.rest()
            assert run.wait() == 78 and "permission denied" in said.lower(), said
