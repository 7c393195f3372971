"""`asyncinit show` where no asyncinit runs, or with other files: what these have."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncinit.cli.app import main
from tests.unit.config_world import write

WEB = 'command = "web"\n[profile.dev]\nrestart = "never"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a project that nobody runs."""
    write(tmp_path, {"services.d/web.toml": WEB, "services.d/worker@.toml": 'command = "work ${INSTANCE}"'})
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASYNCINIT_SOCKET", raising=False)
    monkeypatch.delenv("ASYNCINIT_PROFILE", raising=False)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(["show", *words]) == status
    out, err = capsys.readouterr()
    return out or err


def test_files_are_shown_where_they_are_asked_for(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --config, --services or --profile no running asyncinit is asked."""
    assert 'policy = "never"' in (text := shown(capsys, "web", "--profile", "dev"))
    assert "# profile dev of services.d/web.toml:3" in text
    assert "policy" in shown(capsys, "web", "--services", "services.d")
    assert 'command = ["work", "7"]' in shown(capsys, "worker@7", "--services", "services.d")


def test_the_environment_counts_too(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ASYNCINIT_PROFILE says what is active where the files are read."""
    monkeypatch.setenv("ASYNCINIT_PROFILE", "dev")
    assert 'policy = "never"' in shown(capsys, "web", "--services", "services.d")


def test_what_is_not_there_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that nobody has, a profile that no file has, a service that cannot be used."""
    assert "no such service: wbe; did you mean web?" in shown(capsys, "wbe", "--services", "services.d", status=3)
    assert "profile dve: is in none of the files" in shown(capsys, "web", "--profile", "dve", status=1)
    write(project, {"services.d/web.toml": WEB + "[ready]\ntpc = 1\n"})
    assert "services.d/web.toml:5: ready.tpc:" in shown(capsys, "web", "--services", "services.d", status=1)


def test_a_profile_without_services_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CMD alone has no profiles: it is not run as if it had."""
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--profile", "dev", "--", "true"]) == 2
    assert "there are no services here, and so no profiles" in capsys.readouterr().err
