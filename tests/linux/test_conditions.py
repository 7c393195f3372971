"""Conditions of services: what each looks at, and where the look is done."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncinit.config.spec import Check, CheckKind, Condition, Directories, ServiceSpec
from asyncinit.errors import SpawnError
from asyncinit.runtime.process import conditions
from asyncinit.runtime.process.prepared import Prepared, Unmet
from tests.linux.running import FORKING, descriptors
from tests.linux.test_prepare import World

pytestmark = pytest.mark.filterwarnings(FORKING)


@pytest.fixture
def world(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[World]:
    before = descriptors()
    yield World(loop, tmp_path)
    assert descriptors() == before


def holds(kind: str, argument: str, folder: Path | str = "/", **environment: str) -> bool:
    """Tell whether a condition holds; turned round it must be the other way."""
    found = [
        conditions.unmet(
            Condition((Check(CheckKind(kind), argument, negated),)), environment, str(folder), lambda _: None
        )
        for negated in (False, True)
    ]
    assert bool(found[0]) != bool(found[1])
    return not found[0]


def test_paths(tmp_path: Path) -> None:
    """What is there, what it is, seen from the service's folder; a link that leads nowhere is nothing."""
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    for kind, true in (("path_exists", ["file", "", str(tmp_path)]), ("path_is_directory", ["", str(tmp_path)])):
        assert [holds(kind, path, tmp_path) for path in true] == [True] * len(true)
        assert not holds(kind, "dangling", tmp_path)
        assert not holds(kind, "file/none", tmp_path)
    assert not holds("path_is_directory", "file", tmp_path)
    assert holds("path_exists", "${WHERE}/file", WHERE=str(tmp_path))


def test_what_can_be_executed(tmp_path: Path) -> None:
    """A file with the right, and no folder."""
    assert holds("path_executable", "/bin/sh")
    (tmp_path / "file").touch(0o644)
    assert not holds("path_executable", "file", tmp_path)
    assert not holds("path_executable", str(tmp_path))


def test_variables() -> None:
    """Set at all, or to just this."""
    assert holds("env_set", "A", A="")
    assert not holds("env_set", "B", A="")
    assert holds("env_set", "A=x=y", A="x=y")
    assert not holds("env_set", "A=x", A="x=y")


def test_the_kernels_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole word, or the name of one that has a value; where it cannot be read there is none."""
    (tmp_path / "cmdline").write_text("quiet root=/dev/vda1 init=/sbin/init\n")
    monkeypatch.setattr(conditions, "_COMMAND_LINE", str(tmp_path / "cmdline"))
    assert [holds("kernel_option", word) for word in ("quiet", "root", "root=/dev/vda1")] == [True] * 3
    assert [holds("kernel_option", word) for word in ("qui", "root=", "/dev/vda1", "sbin")] == [False] * 4
    monkeypatch.setattr(conditions, "_COMMAND_LINE", str(tmp_path / "none"))
    assert not holds("kernel_option", "quiet")


def test_the_machine() -> None:
    """By the kernel's word and by others'."""
    machine = os.uname().machine
    assert holds("architecture", machine)
    assert not holds("architecture", "vax")
    others = {"x86_64": "amd64", "aarch64": "arm64"}
    assert machine not in others or holds("architecture", others[machine])


def spec(path: str, **keys: object) -> ServiceSpec:
    checks = (Check(CheckKind.ENV_SET, "PATH"), Check(CheckKind.PATH_EXISTS, path))
    return ServiceSpec("web", condition=Condition(checks), **keys)  # type: ignore[arg-type]


def test_what_does_not_hold_is_found_before_anything_is_done(world: World, tmp_path: Path) -> None:
    """No directory is made; at once where the look cannot hang, else in a child."""
    skipped = spec("none/here", working_directory="${HOME}", directories=Directories(runtime=("web",)))
    for slow, forks in ((False, 0), (True, 1)):
        assert world.begin(skipped, slow=slow) == Unmet('path_exists = "none/here" does not hold')
        assert world.forks == forks
    assert list(tmp_path.iterdir()) == []


def test_what_holds_is_prepared(world: World, tmp_path: Path) -> None:
    """As without conditions."""
    (tmp_path / "here").touch()
    for slow, forks in ((False, 0), (True, 1)):
        assert isinstance(world.begin(spec("here", working_directory=str(tmp_path)), slow=slow), Prepared)
        assert world.forks == forks


def test_a_variable_that_is_not_set_is_an_error(world: World) -> None:
    """Nobody can tell whether it holds."""
    answer = world.begin(spec("/${NOPE}"))
    assert isinstance(answer, SpawnError)
    text = "condition.path_exists: ${NOPE} is not set; give it a value, or a default as in ${NOPE:-value}"
    assert str(answer) == f"cannot check condition.path_exists: {text}"


def test_a_look_that_hangs_ends_at_the_deadline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what it looked at."""
    monkeypatch.setattr(os.path, "exists", lambda _path: os.read(os.pipe()[0], 1))
    answer = world.begin(spec("/nfs/x"), timeout=0.1, slow=True)
    assert isinstance(answer, SpawnError)
    assert 'look at condition path_exists = "/nfs/x"' in str(answer)
