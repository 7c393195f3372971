"""Directories of services: made, owned and removed, and no link followed that others could have put there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from asyncinit.config.spec import Directories
from asyncinit.errors import SpawnError
from asyncinit.runtime.process import directories

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def ignore(_step: str) -> None:
    """Take no note of steps."""


@pytest.fixture(autouse=True)
def umask() -> None:
    """Making directories sets the umask, which is the child's own in earnest."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_made_with_parents_and_mode(tmp_path: Path) -> None:
    """What is above gets 0755, the directory its mode, whatever the umask."""
    directories.make(str(tmp_path / "x/run"), "a/b", 0o770, None, ignore)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("x", "x/run", "x/run/a", "x/run/a/b")]
    assert modes == [0o755, 0o755, 0o755, 0o770]


def test_existing_directory_keeps_its_content_and_gets_the_mode(tmp_path: Path) -> None:
    """A second start changes the mode alone."""
    directories.make(str(tmp_path), "a", 0o755, None, ignore)
    (tmp_path / "a" / "file").write_text("x")
    directories.make(str(tmp_path), "a", 0o750, None, ignore)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750
    assert (tmp_path / "a" / "file").read_text() == "x"


@as_root
def test_only_the_last_one_gets_the_owner(tmp_path: Path) -> None:
    """The parents stay root's, so that the user can't replace what is below."""
    directories.make(str(tmp_path), "a/b", 0o755, (12345, 23456), ignore)
    assert ((tmp_path / "a").stat().st_uid, (tmp_path / "a" / "b").stat().st_uid) == (0, 12345)
    assert (tmp_path / "a" / "b").stat().st_gid == 23456


@as_root
@pytest.mark.parametrize("name", ["link", "link/x", "link/x/y"])
def test_no_link_of_others_is_followed(name: str, tmp_path: Path) -> None:
    """A link that the service's user has put in its directory leads root nowhere."""
    target = tmp_path / "target"
    (target / "x").mkdir(parents=True)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, 12345)
    (home / "link").symlink_to(target)
    with pytest.raises(SpawnError) as caught:
        directories.make(str(tmp_path), f"home/{name}", 0o755, (12345, 12345), ignore)
    assert caught.value.errno == errno.ELOOP
    assert (target.stat().st_uid, (target / "x").stat().st_uid) == (0, 0)


def test_a_link_of_the_administrator_is_followed(tmp_path: Path) -> None:
    """Where only root may write, a link was put there on purpose."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state" / "db").symlink_to(tmp_path / "disk")
    directories.make(str(tmp_path / "state"), "db/main", 0o755, None, ignore)
    assert (tmp_path / "disk" / "main").is_dir()


def test_a_file_in_the_place(tmp_path: Path) -> None:
    """A file where the directory should be is an error of the step that makes it."""
    (tmp_path / "a").write_text("")
    steps: list[str] = []
    with pytest.raises(NotADirectoryError):
        directories.make(str(tmp_path), "a", 0o755, None, steps.append)
    assert steps == [f"make directory {tmp_path}/a"]


def test_remove(tmp_path: Path) -> None:
    """All that is in it goes, links are not followed, and a second time is well."""
    keep = tmp_path / "keep"
    keep.write_text("x")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    directories.remove(str(tmp_path / "a"), ignore)
    directories.remove(str(tmp_path / "a"), ignore)
    assert sorted(tmp_path.iterdir()) == [keep]


@pytest.mark.parametrize("name", ["", ".", "..", "/etc", "a/../b", "a//b", "a/"])
def test_bad_names(name: str) -> None:
    """No name leads out of the folder."""
    with pytest.raises(SpawnError):
        directories.paths("state", Directories(state=("good", name)), True, {})


def test_places_of_root() -> None:
    """Root's are the system's."""
    names = Directories(runtime=("a",), state=("a",), cache=("a",), logs=("a/b",))
    found = [directories.paths(kind, names, True, {"XDG_STATE_HOME": "/x"}) for kind in directories.KINDS]
    assert found == [["/run/a"], ["/var/lib/a"], ["/var/cache/a"], ["/var/log/a/b"]]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {"XDG_RUNTIME_DIR": "/r/", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c", "HOME": "/h"},
            ["/r", "/s", "/c", "/s/log"],
        ),
        ({"XDG_RUNTIME_DIR": "r", "HOME": "/h/"}, [None, "/h/.local/state", "/h/.cache", "/h/.local/state/log"]),
        ({"HOME": "/"}, [None, "/.local/state", "/.cache", "/.local/state/log"]),
        ({}, [None] * 4),
    ],
)
def test_places_of_others(environment: dict[str, str], expected: list[str | None]) -> None:
    """Others have those of the XDG specification, and an error where these have no place."""
    for kind, place in zip(directories.KINDS, expected, strict=True):
        if place is None:
            with pytest.raises(SpawnError, match="is not the system's root"):
                directories.base(kind, False, environment)
        else:
            assert directories.base(kind, False, environment) == place
