"""enable and disable: what is written where, and that nothing is left of what could not be."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from asyncinit.config import enabling
from asyncinit.config.enabling import EnablingError, Said, say_enabled
from asyncinit.config.load import load
from asyncinit.errors import UnknownServiceError
from tests.unit.config_world import NOWHERE, write

COMMAND = 'command = ["x"]\n'


def files(folder: Path) -> set[str]:
    """All files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def say(folder: Path, name: str, enabled: bool) -> Said:
    """In a project of which `folder` has the services.d."""
    return say_enabled(name, enabled, services=[str(folder / "services.d")], root=NOWHERE)


def test_a_drop_in_says_it(tmp_path: Path) -> None:
    """Beside the service's file, which is not touched; it is read as TOML and counts."""
    write(tmp_path, {"services.d/web.toml": COMMAND})
    said = say(tmp_path, "web", False)
    path = tmp_path / "services.d/web.d/90-enabled.toml"
    assert said == Said(before=True, written=str(path))
    assert tomllib.loads(path.read_text()) == {"enabled": False}
    assert not load(None, [str(tmp_path / "services.d")], root=NOWHERE).services["web"].enabled
    assert (tmp_path / "services.d/web.toml").read_text() == COMMAND
    assert files(tmp_path) == {"services.d/web.toml", "services.d/web.d/90-enabled.toml"}


def test_what_the_file_says_itself_needs_no_drop_in(tmp_path: Path) -> None:
    """Back to what the file says: the drop-in goes, with its folder."""
    write(tmp_path, {"services.d/web.toml": COMMAND})
    say(tmp_path, "web", False)
    said = say(tmp_path, "web", True)
    assert said == Said(before=False, removed=(str(tmp_path / "services.d/web.d/90-enabled.toml"),))
    assert os.listdir(tmp_path / "services.d") == ["web.toml"]


def test_twice_is_once(tmp_path: Path) -> None:
    """What is said already is said again in the same place; what holds by itself needs nothing."""
    write(tmp_path, {"services.d/web.toml": COMMAND, "services.d/db.toml": COMMAND + "enabled = false\n"})
    say(tmp_path, "web", False)
    assert say(tmp_path, "web", False).before is False
    assert say(tmp_path, "db", False) == Said(before=False)
    assert "services.d/web.d/90-enabled.toml" in files(tmp_path)


def test_other_drop_ins_stay(tmp_path: Path) -> None:
    """What others say in the same folder is theirs."""
    write(tmp_path, {"services.d/web.toml": COMMAND, "services.d/web.d/10-port.toml": "environment.PORT = '1'\n"})
    say(tmp_path, "web", False)
    say(tmp_path, "web", True)
    assert files(tmp_path) == {"services.d/web.toml", "services.d/web.d/10-port.toml"}


def test_who_says_it_later_wins(tmp_path: Path) -> None:
    """It is told where that stands, and nothing is left behind."""
    write(tmp_path, {"services.d/web.toml": COMMAND, "services.d/web.d/99-mine.toml": "enabled = true\n"})
    with pytest.raises(EnablingError, match=r"99-mine\.toml:1 says otherwise"):
        say(tmp_path, "web", False)
    assert files(tmp_path) == {"services.d/web.toml", "services.d/web.d/99-mine.toml"}


def test_names(tmp_path: Path) -> None:
    """One that nobody has, with the nearest; and one whose file cannot be used, with what is wrong in it."""
    write(tmp_path, {"services.d/web.toml": COMMAND, "services.d/bad.toml": "command = 7\n"})
    with pytest.raises(UnknownServiceError) as unknown:
        say(tmp_path, "wbe", False)
    assert unknown.value.suggestion == "web"
    with pytest.raises(EnablingError, match=r"bad\.toml:1: command: found 7"):
        say(tmp_path, "bad", False)
    assert files(tmp_path) == {"services.d/web.toml", "services.d/bad.toml"}


def test_an_instance(tmp_path: Path) -> None:
    """One instance of a template is said of apart from the others."""
    write(tmp_path, {"services.d/web@.toml": COMMAND + "instances = ['a', 'b']\n"})
    say(tmp_path, "web@a", False)
    services = load(None, [str(tmp_path / "services.d")], root=NOWHERE).services
    assert {name: spec.enabled for name, spec in services.items()} == {"web@a": False, "web@b": True}


def test_a_project_whose_services_are_in_its_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets a services.d beside that file."""
    write(tmp_path, {"asyncinit.toml": '[services.web]\ncommand = ["x"]\n'})
    monkeypatch.chdir(tmp_path)
    said = say_enabled("web", False, root=NOWHERE)
    assert said.written == "services.d/web.d/90-enabled.toml"
    assert not load(root=NOWHERE).services["web"].enabled


def test_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a package brings in /usr/lib is said of in /etc."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "root"
    write(root, {"usr/lib/asyncinit/services.d/web.toml": COMMAND})
    say_enabled("web", False, root=str(root))
    assert "etc/asyncinit/services.d/web.d/90-enabled.toml" in files(root)
    say_enabled("web", True, root=str(root))
    assert files(root) == {"usr/lib/asyncinit/services.d/web.toml"}


def test_where_etc_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then /run has it, and it is told what was in the way; once /etc can be written, /run has it no more."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "root"
    write(root, {"etc/asyncinit/services.d/web.toml": COMMAND})
    real = enabling._write

    def read_only(path: str, enabled: bool) -> None:
        if "/etc/" in path:
            raise OSError(30, "Read-only file system")
        real(path, enabled)

    monkeypatch.setattr(enabling, "_write", read_only)
    said = say_enabled("web", False, root=str(root))
    assert said.written == str(root / "run/asyncinit/services.d/web.d/90-enabled.toml")
    assert said.failed == ((str(root / "etc/asyncinit/services.d/web.d/90-enabled.toml"), "read-only file system"),)
    monkeypatch.setattr(enabling, "_write", real)
    said = say_enabled("web", False, root=str(root))
    assert said.written is not None and "/etc/" in said.written and len(said.removed) == 1
    assert not load(root=str(root)).services["web"].enabled


def test_nowhere_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said before is said still."""
    mine = {"services.d/web.toml": COMMAND, "services.d/web.d/90-enabled.toml": "enabled = true\n"}
    write(tmp_path, mine)

    def full(path: str, enabled: bool) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(enabling, "_write", full)
    with pytest.raises(EnablingError, match="no space left"):
        say(tmp_path, "web", False)
    assert {name: (tmp_path / name).read_text() for name in files(tmp_path)} == mine
