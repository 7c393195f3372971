"""A Procfile and its .env to services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asyncinit.migration.procfile import translate
from asyncinit.migration.report import MigrationError
from asyncinit.migration.service import Translation
from asyncinit.migration.writing import write

PROCFILE = "# the application\nweb: bundle exec rails s -p $PORT\nworker: sidekiq -q high && echo done\n"


def data(translation: Translation) -> dict[str, Any]:
    return {draft.name: draft.data for draft in translation.drafts}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, in which one stands."""
    (tmp_path / "Procfile").write_text(PROCFILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_procfile(project: Path) -> None:
    """A shell runs each, once, on the port that foreman gives it; and all of it is written."""
    found = translate(["Procfile"])
    assert data(found) == {
        "web": {
            "command": "bundle exec rails s -p $PORT",
            "shell": True,
            "restart": "never",
            "environment": {"PORT": "5000"},
        },
        "worker": {
            "command": "sidekiq -q high && echo done",
            "shell": True,
            "restart": "never",
            "environment": {"PORT": "5100"},
        },
    }
    assert [Path(path).name for path in write(found, "services.d", "test").files] == ["web.toml", "worker.toml"]
    assert [entry.setting.place for entry in found.ledger.entries()] == ["Procfile:2", "Procfile:3"]


def test_from_elsewhere_the_folder_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Procfile's commands run in its folder, wherever asyncinit is started."""
    monkeypatch.chdir("/")
    assert data(translate([f"{project}/Procfile"]))["web"]["working_directory"] == str(project)


def test_a_plain_environment_file_stays_a_file(project: Path) -> None:
    """So that its secrets are not copied; a PORT in it is where ports begin."""
    (project / ".env").write_text("# secret\nTOKEN=abc\nNAME='a b'\n\nPORT=7000\n")
    found = data(translate(["Procfile", ".env"]))
    assert found["web"]["environment_file"] == found["worker"]["environment_file"] == [f"{project}/.env"]
    assert [found[name]["environment"] for name in found] == [{"PORT": "7000"}, {"PORT": "7100"}]


def test_an_environment_file_that_is_read_otherwise_is_taken_apart(project: Path) -> None:
    """What dotenv and an environment_file read in two ways becomes values, which mean the same."""
    (project / ".env").write_text('export A="x\\ny"\nB=1 # comment\nC=$HOME\n')
    found = translate(["Procfile", ".env"])
    assert data(found)["web"]["environment"] == {"PORT": "5000", "A": "x\ny", "B": "1", "C": "$$HOME"}
    assert any("secret" in remark for remark in found.ledger.remarks)
    assert not any("x\\ny" in entry.setting.text for entry in found.ledger.entries())


def test_an_environment_file_that_was_forgotten_is_told(project: Path) -> None:
    """One lies beside the Procfile, and was not named."""
    (project / ".env").write_text("A=1\n")
    assert any(".env" in remark for remark in translate(["Procfile"]).ledger.remarks)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"Procfile": "web\n"}, "Procfile:1"),
        ({"Procfile": "web: x\nweb: y\n"}, "was there before"),
        ({"Procfile": ""}, "has no entry"),
        ({"Procfile": "web: x\n", ".env": "no variable\n"}, ".env:1"),
        ({"Procfile": "web: x\n", ".env": "PORT=http\n"}, "PORT is no number"),
        ({"Procfile": "web: x\n", "Procfile.dev": "web: x\n"}, "name one Procfile"),
    ],
)
def test_what_is_wrong_is_told(project: Path, files: dict[str, str], told: str) -> None:
    """With file and line."""
    for name, text in files.items():
        (project / name).write_text(text)
    with pytest.raises(MigrationError) as error:
        translate(list(files))
    assert told in str(error.value)
