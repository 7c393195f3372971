"""What the doctor finds, against processes and rights that are as a test has made them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping

import pytest

from asyncinit.control.types import Grade, Standing
from asyncinit.linux.mounts import table
from asyncinit.linux.proc import command_line, open_files
from asyncinit.runtime.doctor.checks import machine
from asyncinit.runtime.doctor.examination import Facts, examine
from asyncinit.runtime.doctor.processes import Family, census
from tests.stage import Stage, alive, staged
from tests.support import PYTHON, ROOT, wait_until


def facts(**changes: object) -> Facts:
    values: dict[str, object] = {
        "family": Family(os.getpid(), {}, frozenset()),
        "subreaper": True,
        "loop": "uvloop",
        "control": "/run/x.sock",
        "warnings": (),
        "not_applied": {},
        "oom_refusal": "",
        "watchdog": "not used",
        "watched": True,
    }
    return Facts(**(values | changes))  # type: ignore[arg-type]


def grades(given: Facts) -> Mapping[str, tuple[Grade, str, str]]:
    found = examine(given, lambda _step: None)
    return {check.name: (check.grade, check.found, check.means) for check in found.checks}


def test_a_watchdog_that_is_wanted_and_not_there() -> None:
    """It is told what that means; one that nobody wants is no fault."""
    missing = "none: /dev/watchdog0: no such file or directory"
    assert grades(facts(watchdog=missing, watched=False))["watchdog"] == (
        Grade.LIMITED,
        missing,
        "an asyncinit that hangs is not noticed",
    )
    assert grades(facts())["watchdog"][0] is Grade.GOOD


def test_what_is_good_needs_no_words() -> None:
    """Each check has a name of its own and says what it found; only what is not good means something."""
    checks = examine(facts(), lambda _step: None).checks
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.found and bool(check.means) == (check.grade is not Grade.GOOD) for check in checks)


def test_what_asyncinit_knows_of_itself() -> None:
    """Its role, loop and socket, warnings, and what services had to go without."""
    well = grades(facts())
    assert {well[name][0] for name in ("role", "loop", "control socket", "out of memory", "prefer")} == {Grade.GOOD}
    badly = grades(
        facts(
            subreaper=False,
            loop="asyncio",
            control=None,
            warnings=("a.toml:1: odd", "b.toml:2: odd"),
            not_applied={"web": ["user", "umask"]},
            oom_refusal="permission denied",
        )
    )
    assert badly["role"][0] is badly["control socket"][0] is Grade.PROBLEM
    assert badly["loop"][0] is Grade.LIMITED
    assert badly["out of memory"][:2] == (Grade.LIMITED, "oom_score_adj cannot be lowered: permission denied")
    assert badly["configuration"] == (Grade.LIMITED, "2 warnings", "a.toml:1: odd; b.toml:2: odd")
    assert badly["prefer"][:2] == (Grade.LIMITED, "web without user, umask")
    assert grades(facts(control="@asyncinit"))["control socket"][0] is Grade.LIMITED


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to give rights up")
def test_rights_that_are_missing() -> None:
    """Each names the right, and what it switches off."""
    code = (
        "import json; from asyncinit.runtime.doctor.checks import machine\n"
        "print(json.dumps([[c.name, str(c.grade), c.found, c.means] for c in machine()]))"
    )
    less = ["setpriv", "--inh-caps=-all", "--bounding-set=-kill,-setuid", "--no-new-privs"]
    done = subprocess.run([*less, PYTHON, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
    found = {name: (grade, text, means) for name, grade, text, means in json.loads(done.stdout)}
    assert found["capabilities"] == (
        "limited",
        "without CAP_KILL, CAP_SETUID",
        "members of services that changed their user cannot be signalled; services with `user` cannot start",
    )
    assert found["no_new_privs"][0] == "limited"


def test_a_check_that_fails_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a kernel does not have, the doctor goes on."""

    def refuse(*_: object) -> int:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("asyncinit.runtime.doctor.checks.proc.status_field", refuse)
    monkeypatch.setattr("asyncinit.runtime.doctor.checks.pidfd_open", refuse)
    found = {check.name: check for check in machine()}
    assert found["capabilities"].grade is found["pidfd"].grade is found["seccomp"].grade is Grade.LIMITED
    assert found["pidfd"].found == "refused: Operation not permitted"


@staged
def test_whose_processes_are(stage: Stage) -> None:
    """A zombie of a service's, a stray, a helper: each is told, and what lives as it should is only counted."""
    parent = stage.spawn("careless", [PYTHON, "-S", "-c", "import os,time; os.fork() or os._exit(0); time.sleep(99)"])
    stage.spawn("well", ["/bin/sleep", "99"])
    stray = stage.spawn(None, ["/bin/sleep", "98"])
    family = Family(os.getpid(), {parent: "careless"}, frozenset())

    def told() -> dict[int, tuple[object, ...]]:
        entries, _ = census(family)
        return {one.pid: (one.zombie, one.standing, one.service, one.parent) for one in entries}

    stage.until(lambda: any(zombie for zombie, *_ in told().values()))
    found = told()
    ((zombie, standing, service, above),) = [one for one in found.values() if one[0]]
    assert (zombie, standing, service, above) == (True, Standing.SERVICE, "careless", parent)
    assert found[stray] == (False, Standing.STRAY, None, os.getpid())
    entries, total = census(Family(os.getpid(), {parent: "careless"}, frozenset({stray})))
    assert stray not in {one.pid for one in entries}
    assert total == 4
    (entry,) = [one for one in census(family)[0] if one.pid == stray]
    assert entry.command == "/bin/sleep 98" and entry.age is not None and entry.age < 60
    assert alive(stray)


def test_processes_as_proc_shows_them() -> None:
    """Arguments fit for a line; descriptors counted; nothing of who is gone."""
    assert "python" in command_line(os.getpid())
    count = open_files(os.getpid())
    assert count is not None and count > 3
    assert command_line(2**22 + 5) == ""
    assert open_files(2**22 + 5) is None
    with subprocess.Popen(["a\tb\x01", "60"], executable="/bin/sleep") as process:
        assert wait_until(lambda: command_line(process.pid)) == "a?b? 60"
        process.kill()


def test_the_mount_table() -> None:
    """Places and kinds; /proc is one of them."""
    assert any(mount.place == "/proc" and mount.kind == "proc" for mount in table())
