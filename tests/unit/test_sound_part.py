"""What a machine starts with: all that is sound, with what is wrong beside it, by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncinit.config import places
from asyncinit.config.load import Mode
from asyncinit.runtime.configuring.reading import Reading, RunOptions, read_declared, read_sound_part
from tests.unit.config_world import write

GOOD = 'command = "x"\n'
Read = Callable[..., Reading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read files as a machine does; `target` as the kernel command line has it."""

    def reading(files: dict[str, str], target: str | None = None, settings: str = "") -> Reading:
        write(tmp_path, {f"services.d/{name}.toml": text for name, text in files.items()})
        write(tmp_path, {"asyncinit.toml": f"[init]\n{settings}"})
        config = str(tmp_path / "asyncinit.toml")
        return read_sound_part(RunOptions(mode=Mode.MACHINE, config=config, target=target))

    return reading


def names(reading: Reading) -> set[str]:
    assert reading.configuration is not None
    services = reading.configuration.services.values()
    return {spec.name for spec in services if os.path.dirname(spec.origin) != places.SHIPPED}


def start(reading: Reading) -> tuple[str, ...]:
    assert reading.configuration is not None
    return reading.configuration.init.start


def test_a_sound_configuration(read: Read) -> None:
    """There is nothing to tell, and a machine stays when nothing runs, if it is not told otherwise."""
    found = read({"web": GOOD})
    assert (found.errors, found.warnings, found.astray) == ((), (), "")
    assert names(found) == {"web"}
    assert found.configuration is not None and found.configuration.init.keep_running
    found = read({"web": GOOD}, settings="keep_running = false\n")
    assert found.configuration is not None and not found.configuration.init.keep_running


def test_what_is_wrong_is_left_out_by_name(read: Read) -> None:
    """With what needs it, directly or not, and with the reason; the rest is there."""
    found = read(
        {
            "web": GOOD,
            "bad": 'comand = "x"\n',
            "broken": "command = [\n",
            "near": GOOD + 'requires = ["bad"]\n',
            "far": GOOD + 'binds_to = ["near"]\n',
            "wants": GOOD + 'wants = ["bad"]\nafter = ["broken"]\n',
        }
    )
    assert names(found) == {"web", "wants"}
    assert found.astray == ""
    left_out = {line for line in found.errors if "is left out" in line.partition(":")[0]}
    assert left_out == {
        "bad is left out: what is declared for it cannot be used",
        "broken is left out: what is declared for it cannot be used",
        "near is left out: it needs bad, which is left out",
        "far is left out: it needs near, which is left out",
    }
    assert sum("bad.toml:1: comand" in line for line in found.errors) == 1


def test_the_settings_may_be_what_is_broken(read: Read) -> None:
    """The services are there all the same."""
    found = read({"web": GOOD}, settings='shutdown_timeout = "soon"\n')
    assert names(found) == {"web"}
    assert any("shutdown_timeout" in line for line in found.errors)
    assert found.astray == ""


@pytest.mark.parametrize(
    ("files", "target", "settings", "astray"),
    [
        ({}, None, "", "there is no service to start"),
        ({"web": GOOD + "enabled = false\n"}, None, "", "there is no service to start"),
        ({"web": "command = 1\n"}, None, "", "there is no service to start"),
        ({"web": "command = 1\n", "ssh": GOOD}, None, 'start = ["web"]\n', "nothing of what [init] start names"),
        ({"web": GOOD}, "nonesuch", "", "there is no nonesuch to start"),
    ],
)
def test_where_nothing_can_be_started_somebody_has_to_look(
    read: Read, files: dict[str, str], target: str | None, settings: str, astray: str
) -> None:
    """It is said why; whoever goes on all the same has what there is."""
    found = read(files, target, settings)
    assert found.astray.startswith(astray)
    assert found.configuration is not None


def test_a_service_that_came_with_asyncinit_is_enough(read: Read, tmp_path: Path) -> None:
    """If somebody has enabled it."""
    write(tmp_path, {"services.d/console-getty.d/90-enabled.toml": "enabled = true\n"})
    assert read({}).astray == ""


def test_pods_are_started_too(read: Read, tmp_path: Path) -> None:
    """Their members are services as any others, but for where they are."""
    write(tmp_path, {"pods.d/shop.toml": ""})
    found = read({"web": GOOD + 'pod = "shop"\n'})
    assert (found.errors, found.astray) == ((), "")
    write(tmp_path, {"pods.d/shop.toml": "nonsense = 1\n"})
    found = read({})
    assert "web is left out" in "\n".join(found.errors)


def test_a_target_of_the_kernel_command_line(read: Read, tmp_path: Path) -> None:
    """It is started in the place of what the files say, also when they are read again."""
    files = {"web": GOOD, "one": GOOD, "all": 'type = "target"\nrequires = ["web"]\n'}
    assert start(read(files, "all", 'start = ["one"]\n')) == ("all",)
    again = read_declared(RunOptions(mode=Mode.MACHINE, config=str(tmp_path / "asyncinit.toml"), target="all"))
    assert start(again) == ("all",)
    without = read_declared(RunOptions(mode=Mode.MACHINE, config=str(tmp_path / "asyncinit.toml"), target="none"))
    assert start(without) == ("one",)


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    """The machine comes up with nothing, and somebody is told."""
    found = read_sound_part(RunOptions(mode=Mode.MACHINE, config=str(tmp_path / "none.toml")))
    assert names(found) == set()
    assert found.astray and found.errors
