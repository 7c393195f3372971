"""The services that come with asyncinit for a machine: each is sound, alone and with all others."""

from __future__ import annotations

import os
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from asyncinit.cli.declaring import Invocation
from asyncinit.cli.outcome import UsageError
from asyncinit.cli.reading import mode_of, root_of
from asyncinit.config.check import check
from asyncinit.config.enabling import EnablingError, say_enabled
from asyncinit.config.load import Loaded, Mode, read
from asyncinit.config.places import SHIPPED
from asyncinit.errors import UnknownServiceError
from asyncinit.machine.booted import is_booted, say_booted, tell_python
from tests.support import ROOT
from tests.unit.config_world import NOWHERE, write

FILES = sorted(Path(SHIPPED).glob("*.toml"))
NAMES = [path.stem for path in FILES]
ENABLED = {"devices", "file-systems", "restore", "swap"}
PROGRAMS = "asyncinit.machine.programs."


def machine(root: Path | str = NOWHERE) -> Loaded:
    """Read what a machine with this root folder would."""
    return read(mode=Mode.MACHINE, root=str(root))


def test_all_are_sound() -> None:
    """With nothing enabled but what is so by itself; and what that is, is decided here."""
    loaded = machine()
    assert [str(problem) for problem in loaded.problems] == []
    services = loaded.configuration.services
    assert {*services, *loaded.configuration.templates} == set(NAMES)
    assert {name for name, spec in services.items() if spec.enabled} == ENABLED


def test_all_together(tmp_path: Path) -> None:
    """All of them enabled, and an instance of each template: no cycle, no conflict, no name that is unknown."""
    for name in NAMES:
        say_enabled(f"{name}tty1" if name.endswith("@") else name, True, mode=Mode.MACHINE, root=str(tmp_path))
    loaded = machine(tmp_path)
    assert [str(problem) for problem in loaded.problems] == []
    assert all(spec.enabled and not spec.summoned for spec in loaded.configuration.services.values())
    assert check(mode=Mode.MACHINE, root=str(tmp_path)).ok(strict=True)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_each_is_told_and_can_be_run(path: Path) -> None:
    """It says what it is for; a program of ours that it names is there."""
    data = tomllib.loads(path.read_text())
    assert data["description"] and not data["description"].endswith(".")
    ours = [word for word in data.get("command", ()) if word.startswith("asyncinit.")]
    assert all(word.startswith(PROGRAMS) and find_spec(word) for word in ours)
    assert data.get("command", ["", "-m"])[1:2] == ["-m"] or not ours


def test_they_are_in_the_package() -> None:
    """What is installed has them too."""
    packaging = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["asyncinit"]
    assert "machine/services.d/*.toml" in packaging


@pytest.mark.parametrize("mode", [Mode.CONTAINER, Mode.DEV])
def test_a_machine_only(mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container and a project never see them."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"etc/asyncinit/services.d/web.toml": 'command = ["x"]\n'})
    assert set(read(mode=mode, root=str(tmp_path)).configuration.services) == {"web"}


def test_a_file_of_the_same_name_replaces_it(tmp_path: Path) -> None:
    """In any of the system's folders, and in asyncinit.toml."""
    mine = 'command = ["mine"]\n'
    write(
        tmp_path,
        {
            "usr/lib/asyncinit/services.d/network.toml": mine,
            "etc/asyncinit/asyncinit.toml": "[services.syslog]\n" + mine + '[services."getty@"]\n' + mine,
        },
    )
    loaded = machine(tmp_path)
    assert [str(problem) for problem in loaded.problems] == []
    services = loaded.configuration.services
    for name in ("network", "syslog"):
        assert services[name].enabled and services[name].command is not None
        assert services[name].command.argv == ("mine",)
    assert loaded.configuration.templates["getty@"] == ()


def test_a_drop_in_extends_it(tmp_path: Path) -> None:
    """As one of any service."""
    write(tmp_path, {"etc/asyncinit/services.d/sshd.d/port.toml": 'command = ["/usr/sbin/sshd", "-D", "-p", "2222"]\n'})
    spec = machine(tmp_path).configuration.services["sshd"]
    assert spec.command is not None and "2222" in spec.command.argv
    assert spec.hooks.pre_start


def test_they_are_beneath_the_folders_of_init(tmp_path: Path) -> None:
    """[init] services says where the machine's own are; --services replaces all."""
    write(
        tmp_path,
        {
            "etc/asyncinit/asyncinit.toml": '[init]\nservices = ["../../data"]\n',
            "data/web.toml": 'command = ["x"]\n',
        },
    )
    assert {"web", "sshd"} <= set(machine(tmp_path).configuration.services)
    assert set(read(None, [str(tmp_path / "data")], Mode.MACHINE).configuration.services) == {"web"}
    said = say_enabled("sshd", True, mode=Mode.MACHINE, root=str(tmp_path))
    assert said.written is not None and Path(said.written).is_relative_to(tmp_path)
    assert machine(tmp_path).configuration.services["sshd"].enabled


def test_their_programs_run_by_our_own_python(tmp_path: Path) -> None:
    """Whichever that is: it can import them."""
    environment: dict[str, str] = {}
    tell_python(environment)
    assert environment == {"ASYNCINIT_PYTHON": sys.executable}
    for spec in machine(tmp_path).configuration.services.values():
        if spec.command is not None and "-m" in spec.command.argv:
            assert spec.command.argv[0] == "${ASYNCINIT_PYTHON:-python3}"


def test_a_machine_has_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever its PID 1, or who builds an image, happens to stand."""
    write(tmp_path, {"asyncinit.toml": "nonsense", "services.d/web.toml": 'command = ["x"]\n'})
    monkeypatch.chdir(tmp_path)
    loaded = machine()
    assert not loaded.problems and "web" not in loaded.configuration.services


# ---------------------------------------------------------------------------------------------------------------------
# Enabling in the root folder of an image


def test_enabling_in_an_image(tmp_path: Path) -> None:
    """A drop-in in its /etc; nothing is written where asyncinit is installed, and disabling takes it away."""
    before = set(os.listdir(SHIPPED))
    said = say_enabled("getty@tty1", True, mode=Mode.MACHINE, root=str(tmp_path))
    drop_in = tmp_path / "etc/asyncinit/services.d/getty@tty1.d/90-enabled.toml"
    assert (said.before, said.written) == (False, str(drop_in))
    spec = machine(tmp_path).configuration.services["getty@tty1"]
    assert spec.tty == "/dev/tty1" and spec.enabled
    assert say_enabled("getty@tty1", False, mode=Mode.MACHINE, root=str(tmp_path)).removed == (str(drop_in),)
    assert set(os.listdir(SHIPPED)) == before
    with pytest.raises(UnknownServiceError):
        say_enabled("shsd", True, mode=Mode.MACHINE, root=str(tmp_path))


def test_a_link_never_leads_out_of_an_image(tmp_path: Path) -> None:
    """The /etc of whoever builds it stays as it is."""
    outside, image = tmp_path / "outside", tmp_path / "image"
    (outside / "services.d").mkdir(parents=True)
    write(image, {"etc/hostname": "x"})
    (image / "etc/asyncinit").symlink_to(outside)
    (image / "run").symlink_to(outside)
    with pytest.raises(EnablingError, match="a link leads out of"):
        say_enabled("sshd", True, mode=Mode.MACHINE, root=str(image))
    assert not any(outside.rglob("*.toml"))


def asked(**values: object) -> Invocation:
    """A command line with these options."""
    from asyncinit.cli.commands import find_command

    command = find_command("enable")
    assert command is not None
    given = {"config": None, "services": (), "root": None, "now": False, "names": ("sshd",)}
    return Invocation(command, given | values, None, None)


def test_what_goes_with_root(tmp_path: Path) -> None:
    """An image has its own files, and nothing runs there."""
    assert (root_of(asked(root=str(tmp_path))), mode_of(asked(root=str(tmp_path)))) == (str(tmp_path), Mode.MACHINE)
    for other in ({"now": True}, {"config": "x"}, {"services": ("x",)}, {"paths": ("x",)}):
        with pytest.raises(UsageError, match="--root"):
            root_of(asked(root=str(tmp_path), **other))
    with pytest.raises(UsageError, match="no such folder"):
        root_of(asked(root=str(tmp_path / "none")))


def test_the_sign_of_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where asyncinit has booted the system, commands read what it reads; but in a project, the project's."""
    assert not is_booted(str(tmp_path))
    say_booted(str(tmp_path))
    assert is_booted(str(tmp_path))
    monkeypatch.setattr("asyncinit.cli.reading.is_booted", lambda: True)
    monkeypatch.chdir(tmp_path)
    assert mode_of(asked()) is Mode.MACHINE
    assert mode_of(asked(config="x")) is Mode.CONTAINER
    (tmp_path / "services.d").mkdir()
    assert mode_of(asked()) is Mode.CONTAINER
