"""Disks of a virtual machine: a file system made without root, and whether it is clean; knows no test."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.boot.hardware import program_path


def make(path: Path, mebibytes: int = 32, files: Mapping[str, str] | None = None, label: str = "data") -> Path:
    """Write a raw ext4 image with `files` (path: text) in it, and return its path."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (files or {}).items():
            place = Path(folder) / name.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        path.unlink(missing_ok=True)
        command = [str(program_path("mke2fs")), "-q", "-t", "ext4", "-L", label, "-E", "root_owner=0:0", "-d", folder]
        subprocess.run([*command, str(path), f"{mebibytes}M"], check=True, capture_output=True)
    return path


def complaint(path: Path) -> str:
    """Return what `e2fsck` finds wrong, a journal that was not played back too: that disk was not unmounted."""
    done = subprocess.run([str(program_path("e2fsck")), "-fn", str(path)], capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    dirty = "skipping journal recovery" in text or "was not cleanly unmounted" in text
    return text if done.returncode or dirty else ""


def read(path: Path, name: str) -> str:
    """Return the text of a file in an image."""
    return read_bytes(path, name).decode()


def read_bytes(path: Path, name: str) -> bytes:
    """Return what is in a file in an image."""
    return _debugfs(path, f"cat {name}")


def changed(path: Path, name: str) -> str:
    """Return when a file in an image was changed, as `2040-01-01T00:00:00`."""
    text = _debugfs(path, f"stat {name}").decode()
    found = re.search(r"mtime: 0x([0-9a-f]+)", text)
    assert found is not None, text
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(found[1], 16)))


def _debugfs(path: Path, request: str) -> bytes:
    command = [str(program_path("debugfs")), "-R", request, str(path)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def names(path: Path, folder: str) -> list[str]:
    """Return the names in a folder of an image."""
    command = [str(program_path("debugfs")), "-R", f"ls -p {folder}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("/")[5] for line in done.stdout.splitlines() if line.startswith("/")]
