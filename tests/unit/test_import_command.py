"""`asyncinit import` as it is typed: what it prints, what it writes, what it ends with; and the guide's example."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from asyncinit.cli.app import main
from asyncinit.migration.systemd.translate import translate
from asyncinit.migration.writing import write
from tests.support import ROOT
from tests.unit.systemd_world import START, put


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a unit, to type in."""
    monkeypatch.chdir(tmp_path)
    put(tmp_path, {"web.service": f"[Unit]\nFoo=bar\n{START}Restart=always\n"})
    return tmp_path


def test_the_report(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each setting, a summary, what was written: aligned, and without colour in a pipe."""
    assert main(["import", "systemd", "web.service"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [re.split(r"  +", line) for line in lines[:4]] == [
        ["SETTING", "RESULT", "WHERE", "AS"],
        ["[Unit] Foo=bar", "no equivalent", "web.service:2", "asyncinit has nothing like it"],
        ["[Service] ExecStart=/bin/x", "translated", "web.service:4", "web: command"],
        ["[Service] Restart=always", "translated", "web.service:5", "web: restart.policy"],
    ]
    assert lines[4:6] == ["3 settings: 2 translated, 1 no equivalent (67% taken care of)", "wrote services.d/web.toml"]
    assert lines[6].startswith("next: ")
    assert (here / "services.d/web.toml").exists()


def test_a_second_time(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is there stays, and the exit status is 1; with --force it is replaced."""
    assert main(["import", "systemd", "web.service"]) == 0
    before = (here / "services.d/web.toml").stat().st_ino
    assert main(["import", "systemd", "web.service"]) == 1
    assert "services.d/web.toml is there already; --force replaces it" in capsys.readouterr().err
    assert (here / "services.d/web.toml").stat().st_ino == before
    assert main(["import", "systemd", "--force", "web.service"]) == 0
    assert "replaced services.d/web.toml" in capsys.readouterr().out


def test_a_dry_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text is shown, and no folder made."""
    assert main(["import", "systemd", "--dry-run", "--output", "x", "web.service"]) == 0
    assert (
        "\n==> x/web.toml\n# web: translated from web.service by `asyncinit import systemd`" in capsys.readouterr().out
    )
    assert os.listdir(here) == ["web.service"]


def test_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for programs."""
    assert main(["import", "systemd", "--json", "web.service"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in found["settings"]] == ["no equivalent", "translated", "translated"]
    assert found["settings"][1] == {
        "file": "web.service",
        "line": 4,
        "service": "web",
        "setting": "[Service] ExecStart",
        "text": "[Service] ExecStart=/bin/x",
        "verdict": "translated",
        "keys": ["web: command"],
        "note": "",
    }
    assert found["counts"]["translated"] == 2 and found["share"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["files"] == [{"path": "services.d/web.toml", "replaced": False}]


def test_what_cannot_be(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No such file or format, a folder that cannot be written to: a line, and no traceback."""
    assert main(["import", "systemd", "./none.service"]) == 1
    assert "cannot read ./none.service: no such file or directory" in capsys.readouterr().err
    assert main(["import", "init", "web.service"]) == 2
    (here / "file").write_text("")
    assert main(["import", "systemd", "--output", "file/services.d", "web.service"]) == 1
    assert "cannot write file: file exists" in capsys.readouterr().err


def test_the_example_of_the_guide(tmp_path: Path) -> None:
    """docs/guides/from-systemd.md shows a unit, and exactly what becomes of it."""
    guide = (ROOT / "docs/guides/from-systemd.md").read_text()
    unit, text = (re.search(rf"```{kind}\n(.*?)```", guide, re.DOTALL) for kind in ("ini", "toml"))
    assert unit is not None and text is not None
    put(tmp_path, {"web.service": unit[1], "db.service": START})
    translation = translate([str(tmp_path)], ())
    written = write(translation, str(tmp_path / "services.d"), "asyncinit import systemd", dry_run=True)
    found = written.files[str(tmp_path / "services.d/web.toml")]
    assert found.replace(str(tmp_path), "/etc/systemd/system") == text[1]
