"""What `asyncinit check` finds out."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.config.check import Checked, Counts, check
from tests.unit.config_world import NOWHERE, write

COMMAND = 'command = "x"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with one good and one bad service."""
    write(
        tmp_path,
        {
            "asyncinit.toml": "[defaults]\nuser = 'u'\n",
            "services.d/db.toml": COMMAND + "xyzzy = 1",
            "services.d/web.toml": COMMAND + 'requires = ["db"]\nwants = ["cache"]',
        },
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(checked: Checked) -> list[str]:
    return [str(problem) for problem in checked.problems]


UNKNOWN = "services.d/db.toml:2: xyzzy: is not a known key"
WISHED = 'services.d/web.toml:3: warning: wants[0]: names "cache", and there is no such service'


def test_without_paths_it_is_what_run_would_read(project: Path) -> None:
    """Everything is read, everything told and counted."""
    checked = check(root=NOWHERE)
    assert lines(checked) == [UNKNOWN, WISHED]
    assert checked.counts == Counts(files=3, services=0, errors=1, warnings=1)
    assert not checked.ok()


def test_a_folder_is_checked_as_run_would_read_it(project: Path) -> None:
    """As with --services."""
    assert lines(check(["services.d"], root=NOWHERE)) == [UNKNOWN, WISHED]


def test_a_service_is_checked_among_its_neighbours(project: Path) -> None:
    """Names of the same folder are known, but problems of other files are not told."""
    checked = check(["services.d/web.toml"], root=NOWHERE)
    assert lines(checked) == [WISHED]
    assert checked.ok()
    assert not checked.ok(strict=True)


def test_a_configuration_file_is_checked_with_its_services(project: Path) -> None:
    """By its name, or because it has what only such a file has."""
    assert lines(check(["asyncinit.toml"], root=NOWHERE)) == [UNKNOWN, WISHED]
    write(project, {"other.toml": "[services.a]\ncomand = 1"})
    assert lines(check(["other.toml"], services=[], root=NOWHERE))[0] == (
        "other.toml:2: services.a.comand: is not a known key; did you mean command?"
    )


def test_several_paths(project: Path) -> None:
    """Each problem is told once, whatever leads to it."""
    checked = check(["services.d", "services.d/db.toml", "services.d/web.toml", "asyncinit.toml"], root=NOWHERE)
    assert lines(checked) == [UNKNOWN, WISHED]
    assert checked.counts.files == 3


def test_what_is_no_service_file(project: Path) -> None:
    """A path that leads to nothing useful is a problem, not a crash."""
    write(project, {"notes.txt": "x = 1", "services.d/a b.toml": COMMAND})
    found = lines(check(["none.toml", "notes.txt", "/dev/null", "services.d/a b.toml"], root=NOWHERE))
    assert found[0] == "/dev/null: is a device, not a file"
    assert found[1] == "none.toml: cannot be read: no such file or directory"
    assert found[2] == "notes.txt: is not the file of a service: its name does not end in .toml"
    assert found[3].startswith("services.d/a b.toml: has a name that no service can have")


def test_what_is_right_is_counted(project: Path) -> None:
    """No problems, and how much was looked at."""
    write(project, {"good/web.toml": COMMAND, "good/db.toml": COMMAND})
    checked = check(["good"], root=NOWHERE)
    assert checked == Checked((), Counts(files=3, services=2, errors=0, warnings=0))
    assert checked.ok(strict=True)
