"""Finding programs, and saying why one cannot be executed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from asyncinit.errors import SpawnError
from asyncinit.runtime.process.executable import explain, find


def make(path: Path, data: bytes = b"#!/bin/sh\n", mode: int = 0o755) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


def test_path_is_searched_in_order(tmp_path: Path) -> None:
    """The first executable file wins; directories, files without the x bit and empty entries are passed over."""
    (tmp_path / "a" / "tool").mkdir(parents=True)
    make(tmp_path / "b" / "tool", mode=0o644)
    expected = make(tmp_path / "c" / "tool")
    make(tmp_path / "d" / "tool")
    path = ":".join(["", str(tmp_path / "none"), *(str(tmp_path / name) for name in "abcd"), ""])
    assert find("tool", {"PATH": path}) == expected
    assert find("./tool", {"PATH": path}) == "./tool"


def test_found_and_refused_is_told_from_not_found(tmp_path: Path) -> None:
    """EACCES names the file that was found, ENOENT the PATH in which nothing was."""
    refused = make(tmp_path / "tool", mode=0o644)
    with pytest.raises(SpawnError) as caught:
        find("tool", {"PATH": f"{tmp_path}:/nowhere"})
    assert (caught.value.errno, caught.value.step) == (errno.EACCES, f"execute {refused}")
    with pytest.raises(SpawnError) as caught:
        find("other", {"PATH": str(tmp_path)})
    assert (caught.value.errno, caught.value.step) == (errno.ENOENT, "execute other")
    assert str(tmp_path) in str(caught.value)


def test_an_empty_path_variable_means_the_default(tmp_path: Path) -> None:
    """Without PATH, and with an empty one, the usual folders are searched."""
    assert find("sh", {}).endswith("/sh")
    assert find("sh", {"PATH": ""}).endswith("/sh")


def test_missing_interpreter_is_named(tmp_path: Path) -> None:
    """A script that exists with ENOENT lacks its interpreter, and its line end may be the reason."""
    assert "/no/such" in explain(make(tmp_path / "a", b"#! /no/such -x\n"), errno.ENOENT)
    assert "carriage return" in explain(make(tmp_path / "b", b"#!/bin/sh\r\n"), errno.ENOENT)


def test_missing_loader_is_named(tmp_path: Path) -> None:
    """A binary whose loader is not here (another C library) says which."""
    data = Path(shutil.which("true") or "").read_bytes()
    start = data.index(b"/lib")
    end = data.index(b"\0", start)
    other = b"/lib/ld-other.so.9".ljust(end - start, b"\0")
    assert "/lib/ld-other.so.9" in explain(make(tmp_path / "x", data[:start] + other + data[end:]), errno.ENOENT)


@pytest.mark.parametrize(
    ("data", "words"), [(b"echo hello\n", "#!"), (b"", "empty"), (b"\x7fELF\x01\x02junk", "another kind of machine")]
)
def test_bad_format_is_explained(data: bytes, words: str, tmp_path: Path) -> None:
    """ENOEXEC says what is wrong with the file."""
    assert words in explain(make(tmp_path / "x", data), errno.ENOEXEC)


def test_refusals_are_explained(tmp_path: Path) -> None:
    """EACCES tells a directory, a missing x bit and a special file apart."""
    assert "directory" in explain(str(tmp_path), errno.EACCES)
    assert "0640" in explain(make(tmp_path / "x", mode=0o640), errno.EACCES)
    assert "regular" in explain("/dev/null", errno.EACCES)


def test_dangling_link(tmp_path: Path) -> None:
    """A symbolic link to nothing names its target."""
    (tmp_path / "x").symlink_to("/no/such/program")
    assert "/no/such/program" in explain(str(tmp_path / "x"), errno.ENOENT)


@pytest.mark.parametrize("data", [b"\x7fELF" + b"\xff" * 100, b"#!", b"#!\n", b"\x7fELF"])
def test_hostile_files_do_no_harm(data: bytes, tmp_path: Path) -> None:
    """Nonsense in a header ends in the plain error, not in an exception."""
    path = make(tmp_path / "x", data)
    assert stat.S_ISREG(os.stat(path).st_mode)
    assert explain(path, errno.ENOENT)
